"""Predicted GPU memory of the job's training step against its GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.rulebook.model import Hit, Unsure


def fits(context: Context, want: str = "", **_: object) -> Iterator[Hit | Unsure]:
    """The predicted peak does not fit the GPU of the job (see `ftdoctor.memory.finding.fits`).

    The model is imported only for a job that trains: most files that are checked do not.
    """
    if context.job.trainings:
        from ftdoctor.memory import finding

        yield from finding.fits(context, want)
