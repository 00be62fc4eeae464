"""Ctrl-C, SIGTERM and SIGHUP as a flag, and calls that cannot hang for ever.

A flag, not an exception: nothing is torn in the middle of a request, and a second Ctrl-C does not
keep the job from being cancelled.
"""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from ftdoctor.errors import UnreadableInput

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Stopped(Exception):
    """The user asked to stop while a question was under way."""


class Stop:
    """While entered, the three signals only set `name`."""

    def __init__(self) -> None:
        self.name = ""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None:
                self._before[number] = signal.signal(number, self._set)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _set(self, number: int, _: object) -> None:
        self.name = signal.Signals(number).name

    def sleep(self, seconds: float) -> None:
        """Sleep, shorter when a signal comes."""
        end = time.monotonic() + seconds
        while not self.name and (left := end - time.monotonic()) > 0:
            time.sleep(min(0.1, left))

    def within(self, seconds: float, call: Callable[[], T], *, stops: bool = True) -> T:
        """Return what `call` returns.

        huggingface_hub's client has no time limit of its own (utils/_http.py:348 of 2.4.0), so the
        call runs in a thread that is left behind.

        Raises:
            UnreadableInput: no answer in time.
            Stopped: a signal came first (only with `stops`).
        """
        result: list[T] = []
        failed: list[BaseException] = []

        def work() -> None:
            try:
                result.append(call())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        end = time.monotonic() + seconds
        while thread.is_alive() and time.monotonic() < end:
            thread.join(0.05)
            if stops and self.name:
                raise Stopped
        if failed:
            raise failed[0]
        if not result:
            raise UnreadableInput(f"No answer within {seconds:g} s.", "Check the network.")
        return result[0]
