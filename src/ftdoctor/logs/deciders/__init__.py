"""Arithmetic behind rules: a rule names one with `after.decide`, which then picks the cause.

A decider gets the match and the run and returns the name of a cause, or None when the match says
nothing after all.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftdoctor.logs.causes import Run
    from ftdoctor.logs.match import Match

#: Name in rule files -> module in this package and its function.
DECIDERS: dict[str, tuple[str, str]] = {
    "hang": ("hang", "decide"),
    "imports": ("imports", "decide"),
    "oom": ("oom", "decide"),
    "loss": ("loss", "decide"),
    "own": ("own", "decide"),
    "sigkill": ("sigkill", "decide"),
    "warned": ("hang", "decide_warned"),
}


def decide(name: str, match: Match, run: Run) -> str | None:
    """Return the cause that a decider names; the rule's own name when there is no such decider."""
    if name not in DECIDERS:
        return run.name(match)
    module, function = DECIDERS[name]
    chosen: Callable[[Match, Run], str | None] = getattr(
        importlib.import_module(f"ftdoctor.logs.deciders.{module}"), function
    )
    return chosen(match, run)
