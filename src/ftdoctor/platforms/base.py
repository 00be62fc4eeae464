"""The small interface that every platform answers to: a job's state, its log, its end.

`explain` asks for a job and its log. Submitting, finding by label and cancelling, for smoke runs,
come behind the same names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ftdoctor.errors import UnreadableInput
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterator


class Refused(UnreadableInput):
    """The platform answered that it starts no job: none was made."""


@dataclass(frozen=True, slots=True)
class JobId:
    """A job by name. `kind` is customJobs | trainingPipelines | "" (HF Jobs)."""

    platform: str
    id: str
    #: Google Cloud project, or user or organisation on the Hub; "" when the id does not say.
    owner: str = ""
    region: str = ""
    kind: str = ""

    def __str__(self) -> str:
        if self.platform == "vertex":
            return f"projects/{self.owner}/locations/{self.region}/{self.kind}/{self.id}"
        return f"{self.owner}/{self.id}" if self.owner else self.id


@dataclass
class RemoteJob:
    """A job as its platform tells of it."""

    id: JobId
    state: str
    #: Whether it has ended, and whether it ended badly.
    ended: bool
    failed: bool
    #: The platform's own answer, for --save and for evidence.
    raw: dict[str, Any]
    url: str = ""
    #: Time of creation, RFC 3339, as the platform writes it.
    created: str = ""
    #: Facts for the report: machine, GPU, image, duration, cost, token.
    facts: dict[str, Any] = field(default_factory=dict)
    #: What the platform says of its state or its end; "" when it says nothing.
    message: str = ""
    #: Seconds that it has run, as the platform counts them; None when it does not say.
    running_seconds: float | None = None

    @property
    def plain_state(self) -> str:
        """The state without the platform's prefix: RUNNING, SUCCEEDED, COMPLETED, ..."""
        return self.state.removeprefix("JOB_STATE_").removeprefix("PIPELINE_STATE_")


class Platform(Protocol):
    """What a platform can be asked."""

    name: str

    def get(self, job: JobId) -> RemoteJob:
        """Return a job.

        Raises:
            FtdoctorError: it does not exist, or may not be read; the message says what grants it.
        """
        ...

    def logs(self, job: RemoteJob) -> Iterator[bytes]:
        """Yield the job's log as JSON lines or events that `ftdoctor.logs` reads."""
        ...

    def last_failed(self) -> JobId | None:
        """Return the latest failed job of the caller's project or account."""
        ...

    def cancel(self, job: JobId) -> None:
        """Ask the platform to stop a job."""
        ...
