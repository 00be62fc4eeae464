"""Ask many questions side by side, with one deadline for all."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from ftdoctor.facts.value import Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Seconds before the line of progress appears, and between two looks at the clock.
_QUIET = 0.3
#: Threads of questions that were given up.
_late: list[threading.Thread] = []


def ask(questions: Mapping[str, Callable[[], Any]], deadline: float) -> dict[str, Any]:
    """Return the answer to every question; what fails or is late is Unknown.

    One daemon thread a question. `deadline` is in seconds for all together. A question that hangs
    is left to itself; `hung` then says that the process must not wait for it at its end. Ctrl-C
    ends the asking at once.
    """
    answers: dict[str, Any] = {}
    done = threading.Semaphore(0)

    def run(name: str, question: Callable[[], Any]) -> None:
        try:
            answers[name] = question()
        except BaseException as error:  # a client may even call sys.exit
            answers[name] = Unknown(f"{type(error).__name__}: {short(error)}", name)
        finally:
            done.release()

    end = time.monotonic() + deadline
    threads = [
        threading.Thread(target=run, args=(name, question), daemon=True, name=name)
        for name, question in questions.items()
    ]
    progress = _Progress(deadline)
    try:
        for thread in threads:
            thread.start()
        for _ in threads:
            while not done.acquire(timeout=max(0.0, min(_QUIET, end - time.monotonic()))):
                if time.monotonic() >= end:
                    break
                progress.show([name for name in questions if name not in answers], len(threads))
            else:
                continue
            break
    finally:
        progress.clear()
        _late[:] = [t for t in (*_late, *threads) if t.is_alive()]
    late = Unknown(f"no answer within {deadline:g} s", "", "a network")
    given = dict(answers)  # what comes now comes too late
    return {
        name: given[name] if name in given else Unknown(late.reason, name, late.needs)
        for name in questions
    }


def hung() -> bool:
    """Whether a question that was given up still runs."""
    return any(thread.is_alive() for thread in _late)


class _Progress:
    """One line on stderr while questions are out, only on a terminal and not for quick answers."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.begun = time.monotonic()
        self.shown = False
        self.wanted = sys.stderr is not None and sys.stderr.isatty()

    def show(self, waiting: list[str], number: int) -> None:
        if not self.wanted or not waiting:
            return
        self.shown = True
        passed = time.monotonic() - self.begun
        text = f"asking: {number - len(waiting)} of {number} answered, {waiting[0]} is out"
        print(f"\r\033[K{text[:60]} ({passed:.0f} of {self.deadline:g} s)", end="",
              file=sys.stderr, flush=True)  # fmt: skip

    def clear(self) -> None:
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def short(error: BaseException) -> str:
    """Return the first line of an error, redacted and cut."""
    from ftdoctor.redact import redact

    lines = [line for line in redact(str(error)).splitlines() if line.strip()]
    return (lines[0] if lines else "no message")[:200]
