"""Resuming from a checkpoint with a torch and a transformers that do not read it together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import code
from ftdoctor.checks.installed import shown, version
from ftdoctor.job.pep440 import at_least, public
from ftdoctor.lazy import lazy, lazy_module
from ftdoctor.rulebook.model import Hit, Severity

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place
else:
    ast = lazy_module("ast")

#: The code changes how torch loads, or writes checkpoints without what would be loaded.
_OWN_LOADING = lazy(
    r"WEIGHTS_ONLY_LOAD|add_safe_globals|safe_globals|torch\.load\s*=|serialization\.|"
    r"save_only_model|check_torch_load_is_safe|_load_rng_state"
)


def rng_state(context: Context, **_: object) -> Iterator[Hit]:
    """torch 2.6 and later read tensors only, and transformers before 4.47.0 does not prepare it.

    trainer.py, _load_rng_state: `torch.load(rng_file)` until 4.46.3, inside `safe_globals()` from
    4.47.0 on. rng_state.pth holds the random state of NumPy.
    """
    job = context.job
    theirs, torch = version(job, "transformers"), public(version(job, "torch") or "0")
    if not theirs or at_least(theirs, "4.47.0") or not at_least(torch, "2.6"):
        return
    yield from _hits(job, "cannot read its random state")


def torch_too_old(context: Context, **_: object) -> Iterator[Hit]:
    """transformers from 4.52.0 on refuses torch.load before torch 2.6.

    utils/import_utils.py, check_torch_load_is_safe: called before optimizer.pt and scheduler.pt of
    a checkpoint are read.
    """
    job = context.job
    theirs, torch = version(job, "transformers"), public(version(job, "torch") or "")
    if not theirs or not torch or not at_least(theirs, "4.52.0") or at_least(torch, "2.6"):
        return
    yield from _hits(job, "refuses to read its optimizer state")


def _hits(job: Job, what: str) -> Iterator[Hit]:
    text = code(job)
    if "resume_from_checkpoint" not in text or _OWN_LOADING.search(text):
        return
    for place, given, severity in _resumes(job):
        values = {
            "transformers": shown(job, "transformers"),
            "torch": shown(job, "torch"),
            "given": given,
        }
        yield Hit(
            place,
            values,
            {"resume_from_checkpoint": given},
            severity=severity,
            summary="The job resumes from a checkpoint, and {transformers} with {torch} "
            + f"{what}.",
        )
        return


def _resumes(job: Job) -> Iterator[tuple[Place, str, Severity | None]]:
    """Yield where a Trainer resumes: (place, as written, None when it always does)."""
    from ftdoctor.checks.token_uses import live_nodes, node_place

    if not any(t.trainer is not None for t in job.trainings):
        return
    for script in job.scripts:
        if script.role == "submit" or "resume_from_checkpoint" not in script.source.text:
            continue
        for node in live_nodes(script.tree) if script.tree is not None else ():
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr != "train":
                continue
            for keyword in node.keywords:
                if keyword.arg != "resume_from_checkpoint":
                    continue
                value = keyword.value
                given = ast.unparse(value)
                place = node_place(script.source, value)
                if isinstance(value, ast.Constant):
                    if value.value is True or (isinstance(value.value, str) and value.value):
                        yield place, given, None
                elif re.search(r"(?i)\b(?:last|latest)_(?:checkpoint|ckpt)\b", given):
                    yield place, given, "warning"
