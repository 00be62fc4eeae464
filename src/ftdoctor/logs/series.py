"""The logged losses as a series: where it began, where it stands, and whether it moves.

A fact for the reader, never a cause: a loss that does not fall may be a run that had nothing left
to learn, so nothing is concluded from it (NaN and dead gradients are, in `deciders.loss`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.logs.progress import is_nan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftdoctor.logs.progress import Logged

#: Fewer logged steps than this tell no trend.
FEWEST = 20
#: The mean of the last fifth against the first: at or above this it has not fallen.
NOT_FALLEN = 0.98
#: Logged values that are the same to the last digit, one after the other: it has stalled.
SAME = 10


def trend(steps: Sequence[Logged]) -> dict[str, Any] | None:
    """Return first, last and lowest loss, the number of logged steps and the trend in a word.

    `trend` is "falling", "not falling", "stalled" (the last values are all the same) or "too few".
    None when no loss was logged.
    """
    losses = [step.loss for step in steps if not is_nan(step.loss)]
    if not losses:
        return None
    found: dict[str, Any] = {
        "first": losses[0],
        "last": losses[-1],
        "lowest": min(losses),
        "logged": len(steps),
    }
    if len(losses) < FEWEST:
        return found | {"trend": "too few"}
    fifth = len(losses) // 5
    began = sum(losses[:fifth]) / fifth
    ended = sum(losses[-fifth:]) / fifth
    if len(set(losses[-SAME:])) == 1:
        word = "stalled"
    elif began > 0 and ended >= NOT_FALLEN * began:
        word = "not falling"
    else:
        word = "falling"
    return found | {"trend": word}
