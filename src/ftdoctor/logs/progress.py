"""Signs of life in a log: steps, losses, and the lines that say that the run ended well."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from ftdoctor.logs.lines import Line, Text

#: Trainer's log dicts; transformers 5 writes the numbers as texts: {'loss': '0.5', ...}.
_LOSS = lazy(r"^\s*\{'loss': '?([-+.\deEnaif]+)'?")
_GRAD = lazy(r"'grad_norm': '?(?:tensor\()?([-+.\deEnaif]+)")
_EPOCH = lazy(r"'epoch': '?([\d.eE+-]+)")
SUCCESS = lazy(
    r"'train_runtime'|^Training completed\b|\bTraining (?:finished|complete|done)\b"
    r"|Job completed successfully|Exit code \(0\)|JOB_STATE_SUCCEEDED|exited with exit code 0"
)
#: Every line that SUCCESS matches holds one of these.
_ENDS = (
    b"train_runtime",
    b"Training ",
    b"Job completed",
    b"Exit code (0)",
    b"JOB_STATE_SUCCEEDED",
    b"exit code 0",
)


class Logged:
    """One logged step: loss, grad_norm and epoch; None where the line has none."""

    __slots__ = ("epoch", "grad", "line", "loss")

    def __init__(self, line: Line, loss: float, grad: float | None, epoch: float | None) -> None:
        self.line = line
        self.loss = loss
        self.grad = grad
        self.epoch = epoch


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def logged_steps(run: Text) -> list[Logged]:
    """Return the logged losses of a run in order."""
    found: list[Logged] = []
    for index in sorted(run.holding((b"'loss': ",))):
        line = run.lines[index]
        text = line.text
        match = _LOSS.match(text)
        if not match:
            continue
        loss = _number(match[1])
        if loss is None:
            continue
        grad = _GRAD.search(text)
        epoch = _EPOCH.search(text)
        found.append(
            Logged(
                line, loss, _number(grad[1]) if grad else None, _number(epoch[1]) if epoch else None
            )
        )
    return found


def is_nan(value: float | None) -> bool:
    """Whether a number is there and is not one."""
    return value is not None and math.isnan(value)


class Life:
    """Where the run was alive: positions of logged steps and of lines that tell a good end."""

    def __init__(self, run: Text) -> None:
        self.steps = logged_steps(run)
        self.success = [
            run.lines[index].at
            for index in sorted(run.holding(_ENDS))
            if SUCCESS.search(run.lines[index].text)
        ]

    def survived(self, at: int) -> bool:
        """Whether the run went on to log steps, or ended well, after position `at`."""
        if self.success and self.success[-1] > at:
            return True
        return sum(1 for step in self.steps if step.line.at > at) >= 2
