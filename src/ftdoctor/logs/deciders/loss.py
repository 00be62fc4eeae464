"""Read the logged losses as a series: not a number, zero from the start, not moving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.logs.progress import is_nan

if TYPE_CHECKING:
    from ftdoctor.logs.causes import Run
    from ftdoctor.logs.match import Match
    from ftdoctor.logs.progress import Logged

NAN = "loss-nan"
MASKED = "all-labels-masked"


def _dead(step: Logged) -> bool:
    """A step that teaches nothing: loss zero or not a number, and no usable gradient."""
    if is_nan(step.loss):
        return True
    return step.loss == 0 and (step.grad is None or step.grad == 0 or is_nan(step.grad))


def decide(match: Match, run: Run) -> str | None:
    """Return loss-nan, all-labels-masked, or None when the series is that of a healthy run."""
    steps = run.life.steps
    if not steps:
        # Not in Trainer's form; a line that says that the loss is not a number still stands.
        return NAN if "nan" in match.line.text.lower() else None
    dead = [step for step in steps if _dead(step)]
    if not dead:
        return None
    first = dead[0]
    number = next(i for i, step in enumerate(steps) if step is first)
    match.captures.setdefault("first_bad_step", str(number + 1))
    if first.epoch is not None:
        match.captures.setdefault("first_bad_epoch", f"{first.epoch:g}")
    tail = steps[number:]
    if len(tail) < 2 and not is_nan(first.loss) and not is_nan(first.grad):
        return None
    if sum(_dead(step) for step in tail) < 0.8 * len(tail):
        # It came back: fp16 skips a step now and then while it looks for its scale.
        return None
    values_nan = any(is_nan(step.loss) or is_nan(step.grad) for step in tail)
    if number == 0 and not values_nan:
        return MASKED if len(tail) >= 2 else None
    if not values_nan:
        return None if len(tail) < 3 else MASKED
    if number == 0 and "'entropy': nan" not in first.line.text and not is_nan(first.loss):
        return MASKED if first.grad is not None and first.grad == 0 else NAN
    return NAN
