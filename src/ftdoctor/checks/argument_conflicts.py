"""Arguments that the trainer refuses together (table `argument_conflicts`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.checks.about import code
from ftdoctor.checks.installed import shown, version
from ftdoctor.job.pep440 import at_least
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Hit
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Training
    from ftdoctor.job.value import Value


def refused(context: Context, **_: object) -> Iterator[Hit]:
    """Yield each set of arguments of a trainer that its library refuses when it is made."""
    job = context.job
    # Both change the trainers; a data set that is already prepared is not looked at.
    if re.search(r"unsloth|skip_prepare_dataset", code(job), re.I):
        return
    for training in job.trainings:
        if (get(training.trainer) or "trl").split(".")[0] not in ("trl", "transformers"):
            continue
        for row in table("argument_conflicts")["conflicts"]:
            there = version(job, row["package"])
            if training.method not in row["of"] or not there or not at_least(there, row["since"]):
                continue
            decisive = _holds(training, row["when"])
            if decisive is None:
                continue
            yield Hit(
                decisive.place or job.place,
                {**row, "library": shown(job, row["package"])},
                {name: get(_setting(training, name)) for name in row["when"]},
                summary="{library} refuses {what}. {do}",
            )


def _setting(training: Training, name: str) -> Value[Any] | None:
    return training.arguments.get(name) or training.trainer_kwargs.get(name)


def _holds(training: Training, when: dict[str, Any]) -> Value[Any] | None:
    """Return the first value that makes a conflict, None when there is none for certain."""
    decisive = None
    for name, test in when.items():
        value = _setting(training, name)
        if value is None:
            absent_fits = test in ("off", "kept") or (isinstance(test, list) and None in test)
            if not absent_fits or training.open:
                return None
            continue
        if not _fits(value, test):
            return None
        decisive = decisive or value
    return decisive


def _fits(value: Value[Any], test: Any) -> bool:
    if value.unknown:
        # An object (a collator, a function) is not known in a word, but it is given.
        return bool(test == "given" and value.raw and value.raw.strip() != "None")
    known = value.value
    if isinstance(test, list):
        plain = known.lower().rsplit(".", 1)[-1] if isinstance(known, str) else known
        return any(plain == one and type(plain) is not bool for one in test)
    return bool(
        {
            "true": known is True,
            "off": known is None or known is False,
            "given": known is not None,
            "kept": known is not None,
        }[test]
    )
