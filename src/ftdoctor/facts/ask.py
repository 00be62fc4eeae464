"""Ask many questions side by side, with one deadline for all."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from ftdoctor.facts.value import Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def ask(questions: Mapping[str, Callable[[], Any]], deadline: float) -> dict[str, Any]:
    """Return the answer to every question; what fails or is late is Unknown.

    One daemon thread a question, so that a call which hangs never holds the process. `deadline`
    is in seconds for all together.
    """
    answers: dict[str, Any] = {}
    done = threading.Semaphore(0)

    def run(name: str, question: Callable[[], Any]) -> None:
        try:
            answers[name] = question()
        except Exception as error:
            answers[name] = Unknown(f"{type(error).__name__}: {short(error)}", name)
        finally:
            done.release()

    end = time.monotonic() + deadline
    for name, question in questions.items():
        threading.Thread(target=run, args=(name, question), daemon=True).start()
    for _ in questions:
        if not done.acquire(timeout=max(0.0, end - time.monotonic())):
            break
    return {
        name: answers.get(name, Unknown(f"no answer within {deadline:g} s", name, "a network"))
        for name in questions
    }


def short(error: BaseException) -> str:
    """Return the first line of an error, redacted and cut."""
    from ftdoctor.redact import redact

    lines = [line for line in redact(str(error)).splitlines() if line.strip()]
    return (lines[0] if lines else "no message")[:200]
