"""Vertex AI (Gemini Enterprise Agent Platform): custom jobs and their logs, by Google's clients.

The clients are made in `vertex_clients`; endpoints that the environment names (a proxy, a test
server) are read in `facts.google_endpoint`. Jobs are created once: `create_custom_job` has no
retries of its own (aiplatform_v1 2.7.0, services/job_service/transports/base.py), none are added.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ftdoctor.errors import FtdoctorError, MissingExtra, UnreadableInput, UsageError
from ftdoctor.platforms import gcloud_defaults, vertex_clients
from ftdoctor.platforms.base import JobId, Refused, RemoteJob
from ftdoctor.platforms.vertex_errors import errors
from ftdoctor.platforms.vertex_facts import between, facts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "PARTIALLY_SUCCEEDED")
_BAD = ("FAILED", "CANCELLED", "EXPIRED")
#: Seconds until a question is given up, and until the creation of a job is.
_ANSWER, _CREATION = 30.0, 55.0
#: Jobs that are looked through for a label where the server does not filter.
_LOOKED_THROUGH = 500


class Vertex:
    """Custom jobs of one project and region, and their Cloud Logging entries."""

    name = "vertex"

    def __init__(self, project: str = "", region: str = "") -> None:
        self.project = project or gcloud_defaults.project()
        self.region = region or gcloud_defaults.region()
        try:
            from google.cloud import aiplatform_v1  # noqa: F401
        except ImportError:
            raise MissingExtra("vertex", "Talking to Vertex AI") from None
        self._clients: dict[str, Any] = {}

    def _jobs(self, region: str) -> Any:
        """Return the client of a region; made once, with its login."""
        if region not in self._clients:
            self._clients[region] = vertex_clients.jobs(region)
        return self._clients[region]

    def login(self) -> None:
        """Find the caller's credentials, before anything depends on them.

        Raises:
            UnreadableInput: there are none.
        """
        self._jobs(self.region)

    def may_read_logs(self) -> None:
        """Ask for the log of no job: a run whose log cannot be read would be paid for nothing.

        Raises:
            UnreadableInput: it may not be read, or nobody answers.
        """
        job = self._filled(JobId("vertex", "0", kind="customJobs"))
        for _ in self._entries(job, "2026-01-01T00:00:00Z"):
            break

    def _filled(self, job: JobId) -> JobId:
        project = job.owner or self.project
        region = job.region or self.region
        if not project or not region:
            missing = "project" if not project else "region"
            raise UsageError(
                f"The {missing} of Vertex AI job {job.id} is not known.",
                f"Add --{missing}, or give the whole name: "
                "projects/PROJECT/locations/REGION/customJobs/ID",
            )
        return JobId("vertex", job.id, project, region, job.kind or "customJobs")

    # -- questions ---------------------------------------------------------------------------------

    def get(self, job: JobId) -> RemoteJob:
        """Return a custom job; of a training pipeline, the custom job behind it."""
        job = self._filled(job)
        if job.kind == "trainingPipelines":
            return self._of_pipeline(job)
        from google.cloud import aiplatform_v1

        with errors(job, "aiplatform.customJobs.get", "roles/aiplatform.viewer"):
            found = self._jobs(job.region).get_custom_job(name=str(job), timeout=_ANSWER)
        raw: dict[str, Any] = json.loads(aiplatform_v1.CustomJob.to_json(found))
        return self._remote(job, raw)

    def _of_pipeline(self, job: JobId) -> RemoteJob:
        from google.cloud import aiplatform_v1

        with errors(job, "aiplatform.trainingPipelines.get", "roles/aiplatform.viewer"):
            found = vertex_clients.pipelines(job.region).get_training_pipeline(name=str(job))
        raw: dict[str, Any] = json.loads(aiplatform_v1.TrainingPipeline.to_json(found))
        backing = (raw.get("trainingTaskMetadata") or {}).get("backingCustomJob", "")
        number = backing.rsplit("/", 1)[-1]
        if number.isdigit():
            return self.get(JobId("vertex", number, job.owner, job.region, "customJobs"))
        state = _state(raw.get("state"))
        return RemoteJob(job, state, _is(state, _ENDED), _is(state, _BAD), raw, _url(job))

    def _remote(self, job: JobId, raw: dict[str, Any]) -> RemoteJob:
        # The answer names the project by number; the log lies in the project of the name.
        parts = str(raw.get("name") or job).split("/")
        owner = parts[1] if len(parts) > 5 else job.owner
        state = _state(raw.get("state"))
        named = JobId("vertex", job.id, job.owner or owner, job.region, "customJobs")
        remote = RemoteJob(
            named,
            state,
            _is(state, _ENDED),
            _is(state, _BAD),
            {**raw, "state": state},
            _url(named),
            str(raw.get("createTime") or ""),
        )
        remote.facts = facts_of(remote.raw, state)
        remote.message = str((raw.get("error") or {}).get("message") or "")
        remote.running_seconds = between(raw.get("startTime"), raw.get("endTime"))
        return remote

    def logs(self, job: RemoteJob) -> Iterator[bytes]:
        """Yield the entries of a job, oldest first, one JSON line each."""
        for entry in self._entries(job.id, job.created or "1970-01-01T00:00:00Z"):
            yield json.dumps(entry, ensure_ascii=False).encode() + b"\n"

    def _entries(self, job: JobId, since: str) -> Iterator[dict[str, Any]]:
        # Without a "timestamp" in the filter the client asks for the last 24 hours only
        # (google-cloud-logging 3.17, logging_v2/_helpers.py:146).
        wanted = (
            f'resource.type="ml_job" AND resource.labels.job_id="{job.id}" AND timestamp>="{since}"'
        )
        with errors(job, "logging.logEntries.list", "roles/logging.viewer"):
            yield from vertex_clients.entries(job.owner, wanted)

    def last_failed(self) -> JobId | None:
        """Return the latest failed custom job of the project and region."""
        job = self._filled(JobId("vertex", "0", kind="customJobs"))
        request = {
            "parent": _parent(job),
            "filter": 'state="JOB_STATE_FAILED"',
            "page_size": 50,
        }
        with errors(job, "aiplatform.customJobs.list", "roles/aiplatform.viewer"):
            latest = max(
                self._jobs(job.region).list_custom_jobs(request=request),
                key=lambda found: found.create_time.timestamp() if found.create_time else 0.0,
                default=None,
            )
        if latest is None:
            return None
        return JobId("vertex", latest.name.rsplit("/", 1)[-1], job.owner, job.region, "customJobs")

    def submit(self, request: dict[str, Any]) -> JobId:
        """Create one custom job from its REST body; asked once, never again.

        Raises:
            Refused: Google said no, or the request was not sent: no job was made.
            UnreadableInput: no answer, or an error of the server: a job may have been made.
        """
        from google.cloud import aiplatform_v1
        from google.protobuf import json_format

        job = self._filled(JobId("vertex", "", kind="customJobs"))
        try:
            body = json_format.ParseDict(request, aiplatform_v1.CustomJob.pb()())
        except json_format.ParseError as error:
            raise UsageError(
                f"The request is no custom job: {error}", "Please report it; nothing was started."
            ) from None
        try:
            client = self._jobs(job.region)
        except FtdoctorError as error:  # nothing was sent
            raise Refused(error.message, error.todo) from None
        with errors(job, "aiplatform.customJobs.create", "roles/aiplatform.user", creating=True):
            made = client.create_custom_job(
                parent=_parent(job),
                custom_job=aiplatform_v1.CustomJob.wrap(body),
                retry=None,
                timeout=_CREATION,
            )
        before, _, number = str(made.name).rpartition("/customJobs/")
        if not before or not number or "/" in number:
            raise UnreadableInput(
                "Google's answer to the new job names no job.",
                "Look for it:  ftdoctor smoke --resume",
            )
        return JobId("vertex", number, job.owner, job.region, "customJobs")

    def find(self, label: str, value: str) -> list[JobId]:
        """Return the custom jobs of the project and region that carry a label."""
        from google.api_core import exceptions

        job = self._filled(JobId("vertex", "", kind="customJobs"))
        request = {"parent": _parent(job), "page_size": 100}
        found = []
        with errors(job, "aiplatform.customJobs.list", "roles/aiplatform.viewer"):
            client = self._jobs(job.region)
            try:
                wanted = {**request, "filter": f"labels.{label}={value}"}
                rows = list(client.list_custom_jobs(request=wanted, timeout=_ANSWER))
            except exceptions.BadRequest:  # a server that does not filter by labels
                rows = []
                for row in client.list_custom_jobs(request=request, timeout=_ANSWER):
                    rows.append(row)
                    if len(rows) >= _LOOKED_THROUGH:
                        break
            found = [row for row in rows if dict(row.labels).get(label) == value]
        return [
            JobId("vertex", row.name.rsplit("/", 1)[-1], job.owner, job.region, "customJobs")
            for row in found
        ]

    def cancel(self, job: JobId) -> None:
        """Ask Vertex AI to cancel a custom job."""
        job = self._filled(job)
        with errors(job, "aiplatform.customJobs.cancel", "roles/aiplatform.user"):
            self._jobs(job.region).cancel_custom_job(name=str(job), timeout=_ANSWER)


def _parent(job: JobId) -> str:
    return f"projects/{job.owner}/locations/{job.region}"


def _state(value: Any) -> str:
    """Return a state by name; proto JSON may hold its number."""
    if isinstance(value, int):
        from google.cloud import aiplatform_v1

        return str(aiplatform_v1.JobState(value).name)
    return str(value or "")


def _is(state: str, endings: tuple[str, ...]) -> bool:
    return state.removeprefix("JOB_STATE_").removeprefix("PIPELINE_STATE_") in endings


def _url(job: JobId) -> str:
    return (
        f"https://console.cloud.google.com/agent-platform/locations/{job.region}/training/{job.id}"
        f"?project={job.owner}"
    )
