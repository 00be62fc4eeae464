"""One job on a platform: submitted once, watched, and ended for certain.

Whatever happens after the request has left (a signal, the time limit, a lost network, an error of
ours), the job is cancelled and looked at until it has ended; when that cannot be verified, the
state file stays and the user is told.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ftdoctor.errors import FtdoctorError, UnreadableInput, UsageError
from ftdoctor.platforms.base import JobId
from ftdoctor.platforms.hf_jobs import Refused
from ftdoctor.smoke import running
from ftdoctor.smoke.request import LABEL
from ftdoctor.smoke.signals import Stop, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftdoctor.platforms.base import RemoteJob


class Starter(Protocol):
    """A platform that can start a job."""

    def submit(self, request: dict[str, Any]) -> JobId:
        """Start one job."""
        ...

    def find(self, label: str, value: str) -> list[JobId]:
        """Return the jobs with a label."""
        ...

    def get(self, job: JobId) -> RemoteJob:
        """Return a job."""
        ...

    def logs(self, job: RemoteJob) -> Iterator[bytes]:
        """Yield its log."""
        ...

    def cancel(self, job: JobId) -> None:
        """Ask to stop a job."""
        ...


@dataclass
class Outcome:
    """How a run ended. `ended` says why we ended it; `message` what the platform said."""

    log: str = ""
    state: str = ""
    ended: str = ""
    message: str = ""
    seconds: float = 0.0
    job: JobId | None = None
    #: True when the job may still be running, because nothing could be asked.
    loose: bool = False


@dataclass(frozen=True)
class Limits:
    """Seconds that things may take; all but `answer` and `grace` follow from the time of a look."""

    poll: float = 10.0
    answer: float = 60.0
    #: Beyond the platform's own time limit, which should end the job first.
    grace: float = 60.0

    @property
    def queue(self) -> float:
        """Until a job that waits for a machine is given up: 15 minutes."""
        return max(3.0, 90 * self.poll)

    @property
    def silence(self) -> float:
        """Without an answer until the job is given up: 3 minutes."""
        return max(2.0, 18 * self.poll)

    @property
    def verify(self) -> float:
        """Until an end that cannot be seen is given up: 90 seconds."""
        return max(2.0, 9 * self.poll)


@dataclass
class Runner:
    """Runs and ends the job of one state file."""

    platform: Starter
    state: dict[str, Any]
    stop: Stop
    limits: Limits = Limits()
    told: Callable[[str], None] = print

    def start(self, request: dict[str, Any]) -> JobId:
        """Submit the job, once. The state file is there before the request leaves."""
        running.begin(self.state)
        if self.stop.name:
            running.finish()
            raise UsageError(f"Not started: {self.stop.name}.")
        try:
            # Not torn by a signal: the answer holds the id of what is to be paid.
            job = self.stop.within(
                self.limits.answer, lambda: self.platform.submit(request), stops=False
            )
        except Refused:
            running.finish()
            raise
        except BaseException as error:
            self._end_lost(error)
            raise
        self.state["id"] = job.id
        self.state["owner"] = job.owner
        self._keep()
        return job

    def _keep(self) -> None:
        """Write the state; a full disk must not lose the job, which its key finds as well."""
        with contextlib.suppress(OSError):
            running.update(self.state)

    def _end_lost(self, error: BaseException) -> None:
        """Find the job whose answer was lost and end it."""
        try:
            for look in range(3):
                if found := self.known():
                    break
                self.stop.sleep(min(2.0, self.limits.poll) if look < 2 else 0)
        except FtdoctorError:
            said = getattr(error, "message", type(error).__name__)
            raise UnreadableInput(
                f"The answer to the new job was lost ({said}), and the platform cannot be asked "
                "whether it runs.",
                "As soon as the network is back:  ftdoctor smoke --cancel",
            ) from None
        if not found:
            # It may still be on its way: the state file stays.
            raise UnreadableInput(
                "The answer to the new job was lost, and no job of this run is seen so far.",
                "To be certain that none runs:  ftdoctor smoke --cancel",
            ) from None
        ended = [self.end(job) for job in found]
        if all(ended):
            running.finish()
            raise UnreadableInput(
                "The answer to the new job was lost; the job was found and is cancelled.",
                "Start again.",
            ) from None
        raise UnreadableInput(
            f"The answer to the new job was lost; job {found[0]} could not be cancelled.",
            "Do it:  ftdoctor smoke --cancel",
        ) from None

    def known(self) -> list[JobId]:
        """Return the jobs of the state file: by id, else by its key."""
        if self.state.get("id"):
            return [JobId(self.state["platform"], self.state["id"], self.state.get("owner", ""))]
        return self.stop.within(
            self.limits.answer, lambda: self.platform.find(LABEL, self.state["key"]), stops=False
        )

    def end(self, job: JobId) -> bool:
        """Cancel a job and look until it has ended; False when that could not be verified."""
        until = time.monotonic() + self.limits.verify
        unknown = 0
        while True:
            with contextlib.suppress(FtdoctorError):
                self.stop.within(self.limits.answer, lambda: self.platform.cancel(job), stops=False)
            for _ in range(3):
                try:
                    seen = self.stop.within(
                        self.limits.answer, lambda: self.platform.get(job), stops=False
                    )
                    if seen.ended:
                        return True
                    unknown = 0
                except UsageError:
                    unknown += 1  # the platform knows no such job; a new one may not be seen yet
                    if unknown > 5:
                        return True
                except FtdoctorError:
                    unknown = 0
                if time.monotonic() > until:
                    return False
                time.sleep(min(1.0, self.limits.poll))

    def watch(self, job: JobId) -> Outcome:
        """Look at a job until it ends, or until it has to be ended."""
        outcome = Outcome(job=job)
        try:
            self._look(job, outcome)
        except Stopped:
            outcome.ended = f"stopped by {self.stop.name}"
        except LogMissing:
            raise  # it has ended: the state file stays, for --resume
        except BaseException:
            if not self.end(job):
                self.told(f"job {job} may still be running: ftdoctor smoke --cancel")
            else:
                running.finish()
            raise
        if outcome.ended:
            self.told(f"{outcome.ended}: cancelling job {job}")
            outcome.loose = not self.end(job)
            self.told(
                "it could not be seen to end: ftdoctor smoke --cancel"
                if outcome.loose
                else "it is cancelled"
            )
            if not outcome.loose:
                with contextlib.suppress(FtdoctorError):
                    outcome.log = self._log(job) or outcome.log
        return outcome

    def _look(self, job: JobId, outcome: Outcome) -> None:
        submitted = float(self.state["submitted"])
        started = self.state.get("started")
        silent: float | None = None
        before, stages = "", 0
        while not outcome.ended:
            if self.stop.name:
                raise Stopped
            try:
                seen = self.stop.within(self.limits.answer, lambda: self.platform.get(job))
                silent = None
            except UsageError as error:
                # "No such job" is believed when it is said again: a new job may not be seen yet.
                silent = silent or time.time()
                if time.time() - silent > self.limits.verify:
                    outcome.ended = error.message
                self.stop.sleep(self.limits.poll)
                continue
            except FtdoctorError as error:
                silent = silent or time.time()
                if time.time() - silent > self.limits.silence:
                    outcome.ended = f"no answer for {self.limits.silence:g} s ({error.message})"
                self.stop.sleep(self.limits.poll)
                continue
            if seen.state != before:
                before = seen.state
                self.told(f"{seen.state.lower()}  {seen.url}")
            outcome.state = seen.state
            outcome.message = str((seen.raw.get("status") or {}).get("message") or "")
            if seen.ended:
                outcome.seconds = time.time() - started if started else 0.0
                outcome.log = self._whole_log(seen)
                self._stages(outcome.log, stages)
                return
            now = time.time()
            if seen.state == "RUNNING":
                if not started:
                    started = self.state["started"] = now
                    self._keep()
                outcome.seconds = now - started
                with contextlib.suppress(FtdoctorError):
                    outcome.log = self.stop.within(self.limits.answer, lambda: self._log(job))
                stages = self._stages(outcome.log, stages)
                if outcome.seconds > self.state["timeout"] + self.limits.grace:
                    outcome.ended = f"the time limit of {self.state['timeout']:g} s was reached"
            elif now - submitted > self.limits.queue:
                outcome.ended = f"it was not started within {self.limits.queue:g} s"
            self.stop.sleep(self.limits.poll if not outcome.ended else 0)

    def _stages(self, log: str, already: int) -> int:
        from ftdoctor.smoke.verdict import stages_of

        found = stages_of(log)
        for stage in found[already:]:
            if stage["stage"] != "end":
                mark = "ok" if stage.get("ok") else "FAILED"
                self.told(f"  {stage['stage']:<12} {mark} {stage.get('seconds', '')}")
        return max(already, len(found))

    def _log(self, job: JobId) -> str:
        lines = []
        for raw in self.platform.logs(self.platform.get(job)):
            lines.append(str(json.loads(raw).get("data", "")).rstrip("\n"))
        return "\n".join(lines)

    def _whole_log(self, seen: RemoteJob) -> str:
        """Return the log of an ended job; its last lines may come late."""
        log = ""
        problem: FtdoctorError | None = None
        for _ in range(4):
            problem = None
            try:
                log = self.stop.within(self.limits.answer, lambda: self._log(seen.id))
            except FtdoctorError as error:
                problem = error
            else:
                if '"stage": "end"' in log or (seen.failed and log):
                    return log
            self.stop.sleep(min(2.0, self.limits.poll))
        if problem is not None:
            raise LogMissing(problem.message, "Read it later:  ftdoctor smoke --resume")
        return log


class LogMissing(UnreadableInput):
    """The job has ended and its log cannot be read."""
