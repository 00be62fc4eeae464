"""With `--job`: what the memory model says to an out-of-memory failure of that job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.logs.deciders.oom_numbers import read_numbers, size

if TYPE_CHECKING:
    from ftdoctor.logs.match import Match

#: Changes shown at most.
_CHANGES = 3


def add_advice(cause: dict[str, Any], match: Match, job: str, versions: dict[str, str]) -> None:
    """Put what would have fitted before the rule's own fixes, and say which tensor it was.

    Args:
        cause: the document's cause, changed in place; it gets a key `memory`.
        match: the line of the message, inside its block.
        job: path of the job file that the log is of.
        versions: package versions that the log shows; they win over what the job file says.

    Raises:
        UsageError: the job file holds no training that can be predicted.
    """
    from pathlib import Path

    from ftdoctor.memory.oom import explain
    from ftdoctor.memory.report import of_job

    pins = [f"{name}=={version}" for name, version in versions.items()]
    settings, notes, card = of_job({"job": Path(job), "pins": pins})
    members = match.block.members if match.block else [match.line]
    message = " ".join(
        line.text.strip() for line in members if match.line.at <= line.at <= match.line.at + 6
    )
    numbers = read_numbers(message)
    told = explain(
        settings,
        capacity=int(numbers.capacity or card.visible),
        requested=int(numbers.tried or 0),
        outside=int(numbers.others),
    )
    cause["memory"] = {
        "predicted_bytes": told.prediction.allocated,
        "predicted": size(told.prediction.allocated),
        "expected": told.expected,
        "tensor": told.tensor or None,
        "assumptions": list(notes),
    }
    if told.tensor:
        cause["explain"] += f" The request has the size of {told.tensor}."
    if told.expected:
        cause["explain"] += (
            f" The memory model predicts {size(told.prediction.allocated)} for this job."
        )
    cause["fixes"] = [
        *(
            {"text": change.sentence, "command": "", "edit": None, "safe": False}
            for change in told.changes[:_CHANGES]
        ),
        *cause["fixes"],
    ]
