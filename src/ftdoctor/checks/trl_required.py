"""`trl sft ...` without something that it cannot do without: model, data, output folder, rewards.

Read from the trl wheels 0.13.0 to 1.16.0 (trl/scripts/*.py, trl/trainer/*_trainer.py) and the
transformers wheels (training_args.py: `output_dir` has a default from 4.49.0 on).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.about import softer
from ftdoctor.checks.installed import version
from ftdoctor.job.pep440 import at_least
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Training
    from ftdoctor.job.value import Value

_METHODS = frozenset("sft dpo grpo reward kto rloo".split())
_MIXTURE = lazy(r"(?m)^\s*[\"']?datasets[\"']?\s*:")
#: Names that trl's command line knows for reward functions, of all releases (trl/scripts/grpo.py,
#: reward_funcs_registry, 0.18.0 to 1.16.0). Anything else has to be a path with a dot in it.
_REWARDS = frozenset(
    (
        "accuracy_reward",
        "get_soft_overlong_punishment",
        "reasoning_accuracy_reward",
        "think_format_reward",
    )
)


def _commands(job: Job) -> Iterator[tuple[Training, list[Value[str]]]]:
    """Yield every training that a trl command line starts, with the words of that command."""
    trainings = [t for t in job.trainings if t.written_as == "trl-cli" and t.method in _METHODS]
    if not trainings:
        return
    from ftdoctor.checks.api_cli import _launches

    launches = [(name, words) for name, _, words in _launches(job) if name in _METHODS]
    if [t.method for t in trainings] != [name for name, _ in launches]:
        return
    for training, (_, words) in zip(trainings, launches, strict=True):
        texts = [get(word) for word in words]
        if training.open or any(t is None or "..." in t or t in ("-h", "--help") for t in texts):
            continue
        yield training, words


def missing(context: Context, **_: object) -> Iterator[Hit]:
    """A trl command line whose options and YAML lack what its trl needs."""
    job = context.job
    for training, words in _commands(job):
        lacks = list(_lacks(job, training, words))
        if not lacks:
            continue
        place = training.config_class.place if training.config_class else job.place
        names = " and ".join(lacks)
        yield Hit(
            place or job.place,
            {"method": training.method, "names": names},
            {"missing": lacks},
            severity=softer(place),
            summary="trl {method} is not given {names}.",
        )


def _lacks(job: Job, training: Training, words: list[Value[str]]) -> Iterator[str]:
    trl, transformers = version(job, "trl"), version(job, "transformers")
    given = training.arguments
    # argparse takes `--model_name x` for `--model_name_or_path x`.
    if training.model is None and not any(name.startswith("model_n") for name in given):
        yield "--model_name_or_path"
    if trl and not at_least(trl, "0.13.0"):
        return  # earlier ones have a default data set
    named = any(name.startswith("dataset_n") and "proc" not in name for name in given)
    if not training.datasets and not named and not _mixture(job, words):
        yield "--dataset_name"
    needs_folder = bool(transformers) and not at_least(transformers, "4.49.0")
    if needs_folder and not any(name.startswith("output") for name in given):
        yield "--output_dir"
    if training.loads or "reward_funcs" in training.trainer_kwargs:
        return
    if any(name.startswith("reward_") and name != "reward_weights" for name in given):
        return
    if training.method == "grpo" and trl and not at_least(trl, "0.18.0"):
        yield "--reward_model_name_or_path"
    if training.method == "grpo" and trl and at_least(trl, "1.8.0"):
        yield "--reward_funcs (or --reward_model_name_or_path)"


def _mixture(job: Job, words: list[Value[str]]) -> bool:
    """Whether a mixture of data sets may be given."""
    if any((get(word) or "").startswith("--datasets") for word in words):
        return True
    return any(_MIXTURE.search(source.text) for source in job.sources)


def unknown_reward(context: Context, **_: object) -> Iterator[Hit]:
    """A reward function that trl's command line can neither name nor import."""
    job = context.job
    trl = version(job, "trl")
    if trl and not at_least(trl, "0.18.0"):
        return  # it has no such option
    for training in job.trainings:
        value = training.trainer_kwargs.get("reward_funcs")
        if training.written_as != "trl-cli" or training.method not in ("grpo", "rloo"):
            continue
        given = get(value)
        names = [given] if isinstance(given, str) else given
        if value is None or not isinstance(names, (list, tuple)):
            continue
        bad = [n for n in names if isinstance(n, str) and "." not in n and n not in _REWARDS]
        if not bad or any(" " in n or not n for n in bad):
            continue
        yield Hit(
            value.place or job.place,
            {"name": bad[0], "known": ", ".join(sorted(_REWARDS))},
            {"reward_funcs": list(names)},
            severity=softer(value.place),
            summary="trl cannot load a reward function by the name {name}.",
        )
