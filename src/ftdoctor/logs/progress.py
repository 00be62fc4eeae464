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
#: The platform or a launcher tells that the process ended well.
_TOLD = lazy(
    r"Job completed successfully|Exit code \(0\)|JOB_STATE_SUCCEEDED|exited with exit code 0"
)
_BAR_STEP = lazy(r"\|\s{0,12}(\d{1,9})/\d{1,9} \[[^\]]{0,80}(?:it/s|s/it)")
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
    """Where the run was alive: logged steps, moving bars, and lines that tell a good end."""

    def __init__(self, run: Text) -> None:
        self._run = run
        self.steps = logged_steps(run)
        ends = [run.lines[index] for index in sorted(run.holding(_ENDS))]
        self.success = [line.at for line in ends if SUCCESS.search(line.text)]
        self._told = [line.at for line in ends if _TOLD.search(line.text)]
        self._bars: list[tuple[int, int]] | None = None

    def _moves(self) -> list[tuple[int, int]]:
        """(position, step) of the training's progress bars."""
        if self._bars is None:
            lines = (self._run.lines[index] for index in sorted(self._run.holding((b"%|",))))
            found = ((line.at, _BAR_STEP.search(line.text)) for line in lines)
            self._bars = [(at, int(match[1])) for at, match in found if match]
        return self._bars

    def survived(self, at: int) -> bool:
        """Whether the run went on after position `at`.

        Losses alone do not prove it: a process that dies with its standard output buffered prints
        them after the traceback. A bar (standard error, never held back) that moved on does, and
        so does the platform's word.
        """
        if self._told and self._told[-1] > at:
            return True
        later = sum(1 for step in self.steps if step.line.at > at)
        ended = bool(self.success) and self.success[-1] > at
        bars = self._moves()
        if bars:
            before = max((step for where, step in bars if where <= at), default=0)
            moved = any(where > at and step > before for where, step in bars)
            return moved and (later > 0 or ended)
        return ended or (later >= 2 and not any(step.line.at <= at for step in self.steps))
