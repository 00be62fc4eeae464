"""Splits of the data as the script uses them."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import code
from ftdoctor.checks.known_datasets import wrong_splits
from ftdoctor.checks.setup_args import HF_TRAINERS
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, SplitUse
    from ftdoctor.job.source import Place


def dict_for_trainer(context: Context, **_: object) -> Iterator[Hit]:
    """A DatasetDict where one data set is needed: load_dataset was called without a split."""
    job = context.job
    for use in _uses(job):
        place = use.place or job.place
        there = f" It has {', '.join(use.splits)}." if use.splits else ""
        if use.what == "passed":
            summary = f"The trainer gets a DatasetDict (all splits) as train_dataset.{there}"
        elif use.what == "call":
            summary = f"DatasetDict has no {use.name}: it is a dict of splits.{there}"
        else:
            continue
        yield Hit(place, {"what": use.what}, {"name": use.name}, summary=summary)


def split_missing(context: Context, **_: object) -> Iterator[Hit]:
    """`data["validation"]` or split="validation" where the data set surely has only others."""
    yield from wrong_splits(context.job)
    for use in _uses(context.job):
        if use.what != "item" or use.splits is None or use.name in use.splits:
            continue
        yield Hit(
            use.place or context.job.place,
            {"split": use.name, "there": ", ".join(use.splits)},
            {"split": use.name, "splits": list(use.splits)},
            summary="The split '{split}' is not there: the data set has {there}.",
        )


def no_length(context: Context, **_: object) -> Iterator[Hit]:
    """A streamed data set and no max_steps: the trainer cannot count the steps.

    transformers 5.23.0 trainer.py, `_validate_args`; the same sentence since 4.36.2 at least.
    """
    for training in context.job.trainings:
        steps = training.arguments.get("max_steps")
        if not training.streamed or training.open or training.method not in HF_TRAINERS:
            continue
        if steps is not None and not (isinstance(get(steps), int) and (get(steps) or 0) <= 0):
            continue
        value = training.trainer_kwargs.get("train_dataset")
        place = (value and value.place) or context.job.place
        yield Hit(place, {}, {"streaming": True, "max_steps": get(steps)})


def _uses(job: Job) -> Iterator[SplitUse]:
    """Yield what is done with a DatasetDict outside branches, once for each place."""
    if re.search(r"unsloth|swift", code(job), re.I):
        return  # they put trainers of their own in the place of these
    seen: set[Place | None] = set()
    for training in job.trainings:
        home = (get(training.trainer) or "").split(".")[0]
        if training.method not in HF_TRAINERS or home not in ("trl", "transformers"):
            continue
        for use in training.split_uses:
            if use.place not in seen and not in_branch(job, use.place):
                seen.add(use.place)
                yield use


def in_branch(job: Job, place: Place | None) -> bool:
    """Whether a place stands in an if, a try or a conditional expression of its script."""
    from ftdoctor.checks.token_uses import node_place

    if place is None:
        return True
    for script in job.scripts:
        if script.tree is None or script.source.path != place.path:
            continue
        for node in ast.walk(script.tree):
            if not isinstance(node, (ast.If, ast.Try, ast.IfExp, ast.While)):
                continue
            if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
                continue
            # The script may be a part of its file: places count the lines of the file.
            around = node_place(script.source, node)
            if around.line <= place.line <= (around.end_line or around.line):
                return True
    return False
