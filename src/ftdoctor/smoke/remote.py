"""One job on a platform: submitted once, watched, and ended for certain.

Whatever happens after the request has left (a signal, the time limit, a lost network, an error of
ours), the job is cancelled and looked at until it has ended; when that cannot be verified, the
state file stays and the user is told.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ftdoctor.errors import FtdoctorError, UnreadableInput, UsageError
from ftdoctor.platforms.base import JobId, Refused
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
    """How a run ended. `ended` says why we ended it; `message` what the platform said.

    `seconds` it ran, `queue_seconds` it waited until then.
    """

    log: str = ""
    state: str = ""
    ended: str = ""
    message: str = ""
    seconds: float = 0.0
    queue_seconds: float = 0.0
    job: JobId | None = None
    #: True when the job may still be running, because nothing could be asked.
    loose: bool = False


@dataclass(frozen=True)
class Limits:
    """Seconds that things may take; nearly all follow from the time between two looks."""

    poll: float = 10.0
    answer: float = 60.0
    #: Looks that the last lines of a log may be late, and that a cancelled job may take to end.
    patience: float = 0.8
    verified: float = 9.0
    #: Seconds that a job may wait for a machine; None for 90 looks.
    queued: float | None = None

    @property
    def queue(self) -> float:
        """Until a job that waits for a machine is given up: 15 minutes."""
        return self.queued if self.queued is not None else max(3.0, 90 * self.poll)

    @property
    def grace(self) -> float:
        """Beyond the platform's own time limit, which should end the job first: a minute."""
        return max(1.0, 6 * self.poll)

    @property
    def silence(self) -> float:
        """Without an answer until the job is given up: 3 minutes."""
        return max(2.0, 18 * self.poll)

    @property
    def verify(self) -> float:
        """Until an end that cannot be seen is given up."""
        return max(2.0, self.verified * self.poll)

    @property
    def late(self) -> float:
        """Until the last lines of an ended job's log are no longer waited for."""
        return max(1.0, self.patience * self.poll)


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
        except (Refused, UsageError):
            running.finish()
            raise
        except BaseException as error:
            self._end_lost(error)
            raise
        self.state["id"] = job.id
        self.state["owner"] = job.owner
        self.state["region"] = job.region
        self.state["kind"] = job.kind
        self.keep()
        return job

    def keep(self) -> None:
        """Write the state; a full disk must not lose the job, which its key finds as well."""
        with contextlib.suppress(OSError):
            running.update(self.state)

    def _end_lost(self, error: BaseException) -> None:
        """Find the job whose answer was lost and end it."""
        try:
            found = self.surely_known()
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
        state = self.state
        if state.get("id"):
            places = [str(state.get(name) or "") for name in ("owner", "region", "kind")]
            return [JobId(state["platform"], state["id"], *places)]
        return self.stop.within(
            self.limits.answer, lambda: self.platform.find(LABEL, state["key"]), stops=False
        )

    def surely_known(self, looks: int = 3) -> list[JobId]:
        """Return the jobs of the state file; one that was just made may not be listed at once."""
        for look in range(looks):
            if look:
                time.sleep(min(2.0, self.limits.poll))
            if found := self.known():
                return found
        return []

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
        from ftdoctor.smoke.watching import LogMissing, Watch

        outcome = Outcome(job=job)
        watch = Watch(self, job, outcome)
        try:
            watch.look()
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
            self.told(f"{outcome.ended}: cancelling job {job}; it may take a minute or more to end")
            outcome.loose = not self.end(job)
            self.told(
                "it could not be seen to end: ftdoctor smoke --cancel"
                if outcome.loose
                else "it is cancelled"
            )
            if not outcome.loose:
                with contextlib.suppress(FtdoctorError):
                    outcome.log = watch.log() or outcome.log
        return outcome
