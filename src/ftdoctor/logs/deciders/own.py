"""Mistakes of the user's own code; the same exception inside a library tells something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.logs.deciders.api import users_own

if TYPE_CHECKING:
    from ftdoctor.logs.causes import Run
    from ftdoctor.logs.match import Match


def decide(match: Match, run: Run) -> str | None:
    """Return the rule's own name when the last frame above is not in an installed package."""
    if match.block is None or users_own(match.block, match.line):
        return run.name(match)
    return None
