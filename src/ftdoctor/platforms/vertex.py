"""Vertex AI (Gemini Enterprise Agent Platform): custom jobs and their logs, by Google's clients.

Clients: google-cloud-aiplatform's `JobServiceClient` and `PipelineServiceClient` over REST, and
google-cloud-logging's `Client` over HTTP; both come with the extra `vertex` and are imported here
only. FTDOCTOR_VERTEX_ENDPOINT, FTDOCTOR_LOGGING_ENDPOINT and gcloud's
CLOUDSDK_API_ENDPOINT_OVERRIDES_* name other endpoints (a proxy, a test server).
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ftdoctor.errors import MissingExtra, UnreadableInput, UsageError
from ftdoctor.platforms import gcloud_defaults
from ftdoctor.platforms.base import JobId, RemoteJob

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "PARTIALLY_SUCCEEDED")
_BAD = ("FAILED", "CANCELLED", "EXPIRED")
#: entries.list allows 1000 entries a page (types/logging.py of google-cloud-logging 3.17).
PAGE = 1000


def endpoint(*names: str) -> str:
    """Return the first endpoint that the environment names, without a trailing slash."""
    return next((os.environ[name].rstrip("/") for name in names if os.environ.get(name)), "")


def grant(role: str, project: str) -> str:
    """Return the command that grants a role on a project to the caller."""
    account = gcloud_defaults.account()
    kind = "serviceAccount" if account.endswith("gserviceaccount.com") else "user"
    member = f"{kind}:{account or 'YOU@EXAMPLE.COM'}"
    return f"gcloud projects add-iam-policy-binding {project} --member={member} --role={role}"


class Vertex:
    """Custom jobs of one project and region, and their Cloud Logging entries."""

    name = "vertex"

    def __init__(self, project: str = "", region: str = "") -> None:
        self.project = project or gcloud_defaults.project()
        self.region = region or gcloud_defaults.region()
        try:
            from google.cloud import aiplatform_v1  # noqa: F401
        except ImportError:
            raise MissingExtra("vertex", "Reading Vertex AI jobs") from None

    # -- clients -----------------------------------------------------------------------------------

    def _credentials(self, address: str) -> Any:
        """Credentials of the caller; none are needed by a test server on loopback."""
        import google.auth.credentials

        if address.startswith("http://"):
            return google.auth.credentials.AnonymousCredentials()
        import google.auth
        import google.auth.exceptions

        try:
            found, _ = google.auth.default(
                scopes=["https://www.googleapis.com/auth/cloud-platform"]
            )
        except google.auth.exceptions.DefaultCredentialsError:
            raise UnreadableInput(
                "There are no Google credentials here.",
                "Log in:  gcloud auth application-default login",
            ) from None
        return found

    def _options(self, region: str) -> dict[str, Any]:
        address = endpoint("FTDOCTOR_VERTEX_ENDPOINT", "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM")
        address = address or f"https://{region}-aiplatform.googleapis.com"
        return {
            "credentials": self._credentials(address),
            "transport": "rest",
            "client_options": {"api_endpoint": address},
        }

    def _jobs(self, region: str) -> Any:
        from google.cloud import aiplatform_v1

        return aiplatform_v1.JobServiceClient(**self._options(region))

    def _pipelines(self, region: str) -> Any:
        from google.cloud import aiplatform_v1

        return aiplatform_v1.PipelineServiceClient(**self._options(region))

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

        with _errors(job, "aiplatform.customJobs.get", "roles/aiplatform.viewer"):
            found = self._jobs(job.region).get_custom_job(name=str(job))
        raw: dict[str, Any] = json.loads(aiplatform_v1.CustomJob.to_json(found))
        return self._remote(job, raw)

    def _of_pipeline(self, job: JobId) -> RemoteJob:
        from google.cloud import aiplatform_v1

        with _errors(job, "aiplatform.trainingPipelines.get", "roles/aiplatform.viewer"):
            found = self._pipelines(job.region).get_training_pipeline(name=str(job))
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
        remote.facts = _facts(remote.raw, state)
        return remote

    def logs(self, job: RemoteJob) -> Iterator[bytes]:
        """Yield the entries of a job, oldest first, one JSON line each."""
        from google.cloud import logging_v2

        address = endpoint("FTDOCTOR_LOGGING_ENDPOINT", "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING")
        options = {"api_endpoint": address} if address else None
        client = logging_v2.Client(
            project=job.id.owner,
            credentials=self._credentials(address or "https://"),
            client_options=options,
            _use_grpc=False,
        )
        # Without a "timestamp" in the filter the client asks for the last 24 hours only
        # (google-cloud-logging 3.17, logging_v2/_helpers.py:146).
        since = job.created or "1970-01-01T00:00:00Z"
        wanted = (
            f'resource.type="ml_job" AND resource.labels.job_id="{job.id.id}" '
            f'AND timestamp>="{since}"'
        )
        with _errors(job.id, "logging.logEntries.list", "roles/logging.viewer"):
            for entry in client.list_entries(
                resource_names=[f"projects/{job.id.owner}"],
                filter_=wanted,
                order_by="timestamp asc",
                page_size=PAGE,
            ):
                yield json.dumps(entry.to_api_repr(), ensure_ascii=False).encode() + b"\n"

    def last_failed(self) -> JobId | None:
        """Return the latest failed custom job of the project and region."""
        job = self._filled(JobId("vertex", "0", kind="customJobs"))
        request = {
            "parent": f"projects/{job.owner}/locations/{job.region}",
            "filter": 'state="JOB_STATE_FAILED"',
            "page_size": 50,
        }
        with _errors(job, "aiplatform.customJobs.list", "roles/aiplatform.viewer"):
            latest = max(
                self._jobs(job.region).list_custom_jobs(request=request),
                key=lambda found: found.create_time.timestamp() if found.create_time else 0.0,
                default=None,
            )
        if latest is None:
            return None
        return JobId("vertex", latest.name.rsplit("/", 1)[-1], job.owner, job.region, "customJobs")

    def cancel(self, job: JobId) -> None:
        """Ask Vertex AI to cancel a custom job."""
        job = self._filled(job)
        with _errors(job, "aiplatform.customJobs.cancel", "roles/aiplatform.user"):
            self._jobs(job.region).cancel_custom_job(name=str(job))


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


def _facts(raw: dict[str, Any], state: str) -> dict[str, Any]:
    """Facts of the chief pool and of the run's times."""
    from datetime import datetime

    spec = raw.get("jobSpec") or {}
    pools = spec.get("workerPoolSpecs") or [{}]
    machine = pools[0].get("machineSpec") or {}
    image = (pools[0].get("containerSpec") or {}).get("imageUri") or (
        pools[0].get("pythonPackageSpec") or {}
    ).get("executorImageUri")
    facts: dict[str, Any] = {"state": state}
    if machine.get("machineType"):
        facts["machine"] = machine["machineType"]
    accelerator = machine.get("acceleratorType")
    if accelerator and accelerator not in (0, "ACCELERATOR_TYPE_UNSPECIFIED"):
        if isinstance(accelerator, int):
            from google.cloud import aiplatform_v1

            accelerator = aiplatform_v1.AcceleratorType(accelerator).name
        facts["gpu"] = f"{machine.get('acceleratorCount') or 1} x {accelerator}"
    replicas = sum(int(pool.get("replicaCount") or 0) for pool in pools)
    if replicas > 1:
        facts["replicas"] = replicas
    if image:
        facts["image"] = image
    try:
        start = datetime.fromisoformat(str(raw["startTime"]).replace("Z", "+00:00"))
        end = datetime.fromisoformat(str(raw["endTime"]).replace("Z", "+00:00"))
        facts["duration"] = f"{(end - start).total_seconds() / 60:.0f} min"
    except (KeyError, ValueError):
        pass
    return facts


class _errors:
    """Turn the clients' errors into one message and the command that mends it."""

    def __init__(self, job: JobId, permission: str, role: str) -> None:
        self.job = job
        self.permission = permission
        self.role = role

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or not isinstance(error, Exception):
            return
        import google.auth.exceptions
        from google.api_core import exceptions

        if isinstance(error, (exceptions.Forbidden, exceptions.PermissionDenied)):
            raise self._forbidden(str(error)) from None
        if isinstance(error, exceptions.NotFound):
            raise UsageError(
                f"There is no {self.job.kind or 'job'} {self.job.id} in project {self.job.owner}, "
                f"region {self.job.region}.",
                f"List them:  gcloud ai custom-jobs list --project={self.job.owner} "
                f"--region={self.job.region}",
            ) from None
        if isinstance(error, google.auth.exceptions.RefreshError):
            raise UnreadableInput(
                "The Google login has expired or was revoked.",
                "Log in again:  gcloud auth application-default login",
            ) from None
        if isinstance(error, exceptions.Unauthenticated):
            raise UnreadableInput(
                "Google does not accept the credentials.",
                "Log in again:  gcloud auth application-default login",
            ) from None
        if isinstance(error, exceptions.TooManyRequests):
            raise UnreadableInput(
                f"Google limits the rate of requests ({self.permission}).",
                "Wait a minute and ask again.",
            ) from None
        if isinstance(error, (exceptions.GoogleAPIError, google.auth.exceptions.GoogleAuthError)):
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UnreadableInput(
                f"Google answered: {first}", "Check project and region."
            ) from None
        import requests.exceptions

        if isinstance(error, requests.exceptions.RequestException):
            raise UnreadableInput(
                f"Google could not be reached ({type(error).__name__}).", "Check the network."
            ) from None

    def _forbidden(self, text: str) -> UnreadableInput:
        project = self.job.owner
        if "SERVICE_DISABLED" in text or "has not been used in project" in text:
            service = "logging" if self.permission.startswith("logging") else "aiplatform"
            return UnreadableInput(
                f"The API {service}.googleapis.com is not enabled in project {project}.",
                f"Enable it:  gcloud services enable {service}.googleapis.com --project={project}",
            )
        return UnreadableInput(
            f"You lack {self.permission} on project {project}.",
            f"It is in {self.role}; an owner grants it with:\n    {grant(self.role, project)}",
        )
