"""Errors of Google's clients -> one message and the command that mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.errors import FtdoctorError, UnreadableInput, UsageError
from ftdoctor.platforms import gcloud_defaults
from ftdoctor.platforms.base import Refused
from ftdoctor.redact import redact

if TYPE_CHECKING:
    from ftdoctor.platforms.base import JobId

_LOGIN = "Log in again:  gcloud auth application-default login"
#: Answers after which a new job may exist all the same: the deadline, and errors of the server.
_UNCERTAIN = frozenset({408, 499, 500, 502, 503, 504})


def grant(role: str, project: str) -> str:
    """Return the command that grants a role on a project to the caller."""
    account = gcloud_defaults.account()
    kind = "serviceAccount" if account.endswith("gserviceaccount.com") else "user"
    member = f"{kind}:{account or 'YOU@EXAMPLE.COM'}"
    return f"gcloud projects add-iam-policy-binding {project} --member={member} --role={role}"


class errors:
    """Turn the clients' errors into ours. With `creating`, a no becomes `Refused`."""

    def __init__(self, job: JobId, permission: str, role: str, *, creating: bool = False) -> None:
        self.job = job
        self.permission = permission
        self.role = role
        self.creating = creating

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or not isinstance(error, Exception) or isinstance(error, FtdoctorError):
            return
        found = self._found(error)
        if found is None:
            return
        if self.creating and _no_job(error):
            raise Refused(found.message, found.todo) from None
        raise found from None

    def _found(self, error: Exception) -> FtdoctorError | None:
        import google.auth.exceptions
        from google.api_core import exceptions

        if isinstance(error, exceptions.Forbidden):
            return self._forbidden(error)
        if isinstance(error, exceptions.NotFound):
            return self._not_found(error)
        if isinstance(error, google.auth.exceptions.RefreshError):
            return UnreadableInput("The Google login has expired or was revoked.", _LOGIN)
        if isinstance(error, google.auth.exceptions.TransportError):
            return UnreadableInput("Google could not be reached to log in.", "Check the network.")
        if isinstance(error, exceptions.Unauthorized):
            return UnreadableInput("Google does not accept the credentials.", _LOGIN)
        if isinstance(error, exceptions.TooManyRequests):
            return self._too_many(error)
        if isinstance(error, (exceptions.GoogleAPIError, google.auth.exceptions.GoogleAuthError)):
            todo = "" if self.creating else "Check project and region."
            return UnreadableInput(f"Google answered: {said(error)}", todo)
        import requests.exceptions

        if isinstance(error, requests.exceptions.RequestException):
            return UnreadableInput(
                f"Google could not be reached ({type(error).__name__}).", "Check the network."
            )
        return None

    def _not_found(self, error: Exception) -> FtdoctorError:
        if self.creating:
            return UnreadableInput(
                f"Google answered: {said(error)}",
                f"Check the project ({self.job.owner}) and the region ({self.job.region}).",
            )
        return UsageError(
            f"There is no {self.job.kind or 'job'} {self.job.id} in project {self.job.owner}, "
            f"region {self.job.region}.",
            f"List them:  gcloud ai custom-jobs list --project={self.job.owner} "
            f"--region={self.job.region}",
        )

    def _too_many(self, error: Exception) -> FtdoctorError:
        text = said(error)
        if "quota" in text.lower() and "per minute" not in text.lower():
            return UnreadableInput(
                f"Google answered: {text}",
                "Ask for quota in this region, or take another GPU or region:\n"
                "    https://console.cloud.google.com/iam-admin/quotas?project="
                f"{self.job.owner}",
            )
        return UnreadableInput(
            f"Google limits the rate of requests ({self.permission}).",
            "Wait a minute and ask again.",
        )

    def _forbidden(self, error: Exception) -> FtdoctorError:
        project, text = self.job.owner, str(error)
        if "SERVICE_DISABLED" in text or "has not been used in project" in text:
            service = "logging" if self.permission.startswith("logging") else "aiplatform"
            return UnreadableInput(
                f"The API {service}.googleapis.com is not enabled in project {project}.",
                f"Enable it:  gcloud services enable {service}.googleapis.com --project={project}",
            )
        if self.creating and self.permission not in text:
            return UnreadableInput(f"Google answered: {said(error)}", "")
        return UnreadableInput(
            f"You lack {self.permission} on project {project}.",
            f"It is in {self.role}; an owner grants it with:\n    {grant(self.role, project)}",
        )


def said(error: Any) -> str:
    """Return Google's own words, in one line: REST errors carry the method and address in front."""
    text = str(getattr(error, "message", "") or error).strip() or type(error).__name__
    line = " ".join(text.split())
    if line.startswith(("POST ", "GET ")) and ": " in line:
        line = line.split(": ", 1)[1]
    return redact(line)[:600]


def _no_job(error: Exception) -> bool:
    """Whether it is certain that no job was made: refused, or not even sent."""
    import google.auth.exceptions
    from google.api_core import exceptions

    if isinstance(error, google.auth.exceptions.GoogleAuthError):
        return True  # it could not be signed
    if isinstance(error, exceptions.GoogleAPICallError):
        return bool(error.code) and 400 <= int(error.code) < 600 and error.code not in _UNCERTAIN
    text = repr(error)
    return "NewConnectionError" in text or "NameResolutionError" in text
