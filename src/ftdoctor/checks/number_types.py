"""Numbers of a trainer that are written as texts in Python."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import code
from ftdoctor.checks.setup_args import HF_TRAINERS
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Edit, Hit, TextEdit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context

#: Fields that are used as numbers as they stand: each was given as a text to SFTTrainer of trl
#: 1.16.0 with transformers 5.23.0, and each raised a TypeError or ValueError before the first step.
_NUMBERS = frozenset(
    "learning_rate weight_decay num_train_epochs max_steps per_device_train_batch_size "
    "gradient_accumulation_steps logging_steps save_steps eval_steps max_length seed warmup_steps "
    "max_grad_norm dataloader_num_workers".split()
)
_LITERAL = lazy(r"""(["'])\s*(-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*\1\Z""")


def text_for_number(context: Context, **_: object) -> Iterator[Hit]:
    """A number in quotes, or one that comes from the environment without int() or float()."""
    job = context.job
    # These convert defaults that are texts, those of dataclass fields too.
    if re.search(r"HfArgumentParser|TrlParser|\b(?:typer|fire|click|absl|hydra)\b", code(job)):
        return
    for training in job.trainings:
        # The parsers of trl and transformers convert what they read from a command line.
        if training.written_as == "trl-cli" or training.method not in HF_TRAINERS:
            continue
        for name in sorted(_NUMBERS & set(training.arguments)):
            value = training.arguments[name]
            raw = (value.raw or "").strip()
            literal = _LITERAL.match(raw)
            if value.place is None or not value.place.path.endswith((".py", ".ipynb")):
                continue
            # A variable of the environment keeps the type of its default through int() and float().
            environment = value.unknown and isinstance(value.default, str)
            if not (literal and isinstance(get(value), str)) and not environment:
                continue
            edits = {}
            if literal and value.place.line == value.place.end_line:
                change = TextEdit(value.place, literal[2])
                edits["number"] = Edit(f"Write {literal[2]} without quotes", (change,))
            cast = "float" if name in ("learning_rate", "weight_decay", "max_grad_norm") else "int"
            yield Hit(
                value.place,
                {"name": name, "written": raw, "cast": cast},
                {"argument": name, "written": raw},
                edits,
                summary="{name} is a text: {written}.",
            )
