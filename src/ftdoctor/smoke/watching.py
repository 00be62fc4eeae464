"""Look at a paid job until it ends: its states, its stages, its log, the money so far."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from ftdoctor.errors import FtdoctorError, UnreadableInput, UsageError
from ftdoctor.smoke.money import ceiling, cents
from ftdoctor.smoke.signals import Stopped

if TYPE_CHECKING:
    from ftdoctor.platforms.base import JobId, RemoteJob
    from ftdoctor.smoke.remote import Outcome, Runner

#: Seconds between two lines of progress while nothing else is told.
TOLD_EVERY = 60.0
#: States in which the machine works for us.
_RUNNING = ("RUNNING", "UPDATING")


class LogMissing(UnreadableInput):
    """The job has ended and its log cannot be read."""


class Watch:
    """Looks at one job of a runner and fills its outcome."""

    def __init__(self, runner: Runner, job: JobId, outcome: Outcome) -> None:
        self.runner, self.job, self.outcome = runner, job, outcome
        self.platform, self.stop, self.limits = runner.platform, runner.stop, runner.limits
        self.state = runner.state
        self._before = ""
        self._shown: set[str] = set()
        self._last_told = time.monotonic()

    def _tell(self, text: str) -> None:
        self._last_told = time.monotonic()
        self.runner.told(text)

    # -- looking -----------------------------------------------------------------------------------

    def look(self) -> None:
        """Look until the job has ended, or `outcome.ended` says why it has to be.

        Raises:
            Stopped: a signal came.
            LogMissing: it has ended, and its log cannot be read.
        """
        silent: float | None = None
        while not self.outcome.ended:
            if self.stop.name:
                raise Stopped
            try:
                seen = self.stop.within(self.limits.answer, lambda: self.platform.get(self.job))
                silent = None
            except FtdoctorError as error:
                silent = silent or time.time()
                self.outcome.ended = self._silence(error, time.time() - silent)
                self.stop.sleep(self.limits.poll)
                continue
            if self._seen(seen):
                return
            self.stop.sleep(self.limits.poll if not self.outcome.ended else 0)

    def _silence(self, error: FtdoctorError, seconds: float) -> str:
        """Return why the job is given up after so many seconds of such answers, "" for not yet."""
        if isinstance(error, UsageError):
            # "No such job" is believed when it is said again: a new job may not be seen yet.
            return error.message if seconds > min(90.0, self.limits.verify) else ""
        if seconds > self.limits.silence:
            return f"no answer for {self.limits.silence:g} s ({error.message})"
        return ""

    def _seen(self, seen: RemoteJob) -> bool:
        """Take in one look; True when the job has ended."""
        outcome, now = self.outcome, time.time()
        state = outcome.state = seen.plain_state
        outcome.message = seen.message
        waited = now - float(self.state["submitted"])
        running = state in _RUNNING
        if running and not self.state.get("started"):
            self.state["started"] = now
            self.runner.keep()
        started = float(self.state.get("started") or 0.0)
        outcome.queue_seconds = started - float(self.state["submitted"]) if started else waited
        if state != self._before:
            after = f" after {_clock(outcome.queue_seconds)} in the queue" if running else ""
            url = "" if self._before else f"  {seen.url}"
            self._before = state
            self._tell(f"{state.lower()}{after}{url}")
        if seen.ended:
            outcome.seconds = now - started if started else 0.0
            if seen.running_seconds is not None:
                outcome.seconds = seen.running_seconds
            outcome.log = self._whole_log(seen)
            self._stages(outcome.log)
            return True
        if started:
            outcome.seconds = now - started
        if running:
            with contextlib.suppress(FtdoctorError):
                outcome.log = self.stop.within(self.limits.answer, self.log)
            self._stages(outcome.log)
            if outcome.seconds > self.state["timeout"] + self.limits.grace:
                outcome.ended = f"the time limit of {self.state['timeout']:g} s was reached"
        elif not started and waited > self.limits.queue:
            outcome.ended = f"it was not started within {self.limits.queue:g} s"
        elif started and now - started > self.state["timeout"] + self.limits.queue:
            # Neither running nor ended after its time: restarting, paused, being cancelled.
            outcome.ended = f"it stayed {state.lower()} beyond its time limit"
        if time.monotonic() - self._last_told >= TOLD_EVERY:
            self._tell(
                f"  running {_clock(outcome.seconds)}, {self._money()}"
                if started
                else f"  {state.lower()} {_clock(waited)}"
            )
        return False

    def _money(self) -> str:
        """Return what the run has cost so far, and what it may."""
        hourly, timeout = float(self.state["usd_per_hour"]), float(self.state["timeout"])
        most = ceiling(hourly, timeout)
        begun = max(self.outcome.seconds, 1.0)  # a minute that has begun is charged
        spent = min(ceiling(hourly, begun), most)
        return f"${cents(spent)} of at most ${cents(most)}"

    def _stages(self, log: str) -> None:
        from ftdoctor.smoke.verdict import stages_of

        for stage in stages_of(log):
            name = str(stage["stage"])
            if name == "end" or name in self._shown:
                continue
            self._shown.add(name)
            mark = "ok" if stage.get("ok") else "FAILED"
            took = f"{stage['seconds']!s:>6} s" if "seconds" in stage else " " * 8
            self._tell(f"  {name:<12} {mark:<6} {took}  {self._money()}")

    # -- the log -----------------------------------------------------------------------------------

    def log(self) -> str:
        """Return the log as it is now, one line a line."""
        from ftdoctor.logs.envelope import records

        pieces = self.platform.logs(self.platform.get(self.job))
        return "\n".join(record.message for record in records("json", pieces))

    def _whole_log(self, seen: RemoteJob) -> str:
        """Return the log of an ended job; its last lines may come late.

        It is whole when the payload's last word is in it: the line of the end, or of the stage that
        failed. A job that never ran has none to wait for.
        """
        log, same = "", 0
        problem: FtdoctorError | None = None
        began = time.monotonic()
        late = self.limits.late if self.state.get("started") else 0.0
        while True:
            problem = None
            try:
                found = self.stop.within(self.limits.answer, self.log)
                same = same + 1 if found and found == log else 0
                log = found
            except FtdoctorError as error:
                problem = error
            waited = time.monotonic() - began
            # A job that failed may have been killed without a word: it is waited for less long.
            settled = seen.failed and same >= 3 and waited > late / 3
            if problem is None and (_complete(log) or settled):
                return log
            if waited >= late:
                break
            self.stop.sleep(min(2.0, self.limits.poll))
        if problem is not None:
            raise LogMissing(problem.message, "Read it later:  ftdoctor smoke --resume")
        return log


def _complete(log: str) -> bool:
    from ftdoctor.smoke.verdict import stages_of

    return any(s["stage"] == "end" or not s.get("ok", True) for s in stages_of(log))


def _clock(seconds: float) -> str:
    """Return 2:05 for 125 seconds."""
    whole = int(max(seconds, 0))
    return f"{whole // 60}:{whole % 60:02d}"
