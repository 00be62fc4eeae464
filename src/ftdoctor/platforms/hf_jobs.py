"""Hugging Face Jobs through huggingface_hub; the raw JSON where its classes drop fields.

`JobInfo` of huggingface_hub 2.4.0 has neither `cancelReason` nor `hfToken` (the kind of token that
the job was given), so the job is read as JSON with the library's own session and headers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ftdoctor.errors import UnreadableInput, UsageError
from ftdoctor.platforms.base import JobId, Refused, RemoteJob
from ftdoctor.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENDED = ("COMPLETED", "CANCELED", "ERROR", "DELETED")
_BAD = ("CANCELED", "ERROR", "DELETED")
_TOKENS = "https://huggingface.co/settings/tokens"
#: What to do when a new job is refused, by HTTP status.
_TO_DO = {
    401: "Log in:  hf auth login",
    402: "Jobs need pre-paid credits or a payment method: https://huggingface.co/settings/billing",
    403: "The token needs the permission job.write on the namespace:\n"
    f"    {_TOKENS}/new?tokenType=fineGrained&ownUserPermissions=job.write",
    429: "Wait and try again.",
}


class HfJobs:
    """Jobs of one user or organisation."""

    name = "hf-jobs"

    def __init__(self, namespace: str = "") -> None:
        from huggingface_hub import HfApi

        self._api = HfApi()
        self._namespace = namespace

    @property
    def namespace(self) -> str:
        """The namespace asked: the one given, else the account that is logged in."""
        if not self._namespace:
            with _errors("your account"):
                # A job's owner is named in every call: HfApi(token=...).list_jobs() of 2.4.0 would
                # ask for the ambient token's account instead (hf_api.py:12522).
                self._namespace = str(self._api.whoami(cache=True)["name"])
        return self._namespace

    def _filled(self, job: JobId) -> JobId:
        return JobId("hf-jobs", job.id, job.owner or self.namespace)

    def _json(self, path: str, what: str) -> Any:
        from huggingface_hub import constants
        from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

        with _errors(what):
            answer = get_session().get(
                f"{constants.ENDPOINT}{path}", headers=build_hf_headers(), timeout=30
            )
            hf_raise_for_status(answer)
            return answer.json()

    def get(self, job: JobId) -> RemoteJob:
        """Return a job with the fields that JobInfo drops."""
        job = self._filled(job)
        raw = self._json(f"/api/jobs/{job.owner}/{job.id}", f"job {job}")
        if not isinstance(raw, dict):
            raise UnreadableInput(f"The Hub's answer for job {job} is no job.", "Try again.")
        status = raw.get("status") or {}
        state = str(status.get("stage") or "")
        remote = RemoteJob(
            job,
            state,
            state in _ENDED,
            state in _BAD,
            raw,
            f"https://huggingface.co/jobs/{job.owner}/{job.id}",
            str(raw.get("createdAt") or ""),
        )
        remote.facts = self._facts(raw, state)
        remote.message = str(status.get("message") or raw.get("cancelReason") or "")
        seconds = (raw.get("durations") or {}).get("runningSecs")
        if isinstance(seconds, (int, float)):
            remote.running_seconds = float(seconds)
        return remote

    def _facts(self, raw: dict[str, Any], state: str) -> dict[str, Any]:
        facts: dict[str, Any] = {"state": state}
        if raw.get("flavor"):
            facts["machine"] = raw["flavor"]
        image = raw.get("dockerImage") or raw.get("spaceId")
        if image:
            facts["image"] = image
        token = raw.get("hfToken")
        if isinstance(token, dict) and token.get("tokenRole"):
            owner = token.get("orgName") or token.get("ownerName") or ""
            facts["token"] = f"{token['tokenRole']} token{f' of {owner}' if owner else ''}"
        seconds = (raw.get("durations") or {}).get("runningSecs")
        if isinstance(seconds, (int, float)):
            facts["duration"] = f"{seconds / 60:.0f} min"
            price = self._price(str(raw.get("flavor") or ""))
            if price is not None:
                # Billed by the minute while it starts and runs (hub-docs, jobs-pricing).
                facts["cost"] = f"${price * -(-seconds // 60):.2f}"
        return facts

    def _price(self, flavor: str) -> float | None:
        """Dollars a minute of a flavor, as the Hub lists it; None when it cannot be told."""
        try:
            rows = self._json("/api/jobs/hardware", "the prices")
        except (UnreadableInput, UsageError):
            return None
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and row.get("name") == flavor:
                price = row.get("unitCostUSD")
                if isinstance(price, (int, float)) and row.get("unitLabel") == "minute":
                    return float(price)
        return None

    def logs(self, job: RemoteJob) -> Iterator[bytes]:
        """Yield the log's lines, one JSON line each."""
        with _errors(f"the log of job {job.id}"):
            for line in self._api.fetch_job_logs(job_id=job.id.id, namespace=job.id.owner):
                yield json.dumps({"data": line}, ensure_ascii=False).encode() + b"\n"

    def last_failed(self) -> JobId | None:
        """Return the latest failed job of the namespace."""
        with _errors(f"the jobs of {self.namespace}"):
            failed = [
                job
                for job in self._api.list_jobs(namespace=self.namespace)
                if str(getattr(job.status.stage, "value", job.status.stage))
                in ("ERROR", "CANCELED")
            ]
        if not failed:
            return None
        latest = max(failed, key=lambda job: str(job.created_at))
        return JobId("hf-jobs", latest.id, self.namespace)

    def submit(self, request: dict[str, Any]) -> JobId:
        """Start one job with the keywords of `HfApi.run_job`; asked once, never again.

        Raises:
            Refused: the Hub said no (4xx), no job was made.
            UnreadableInput: no answer, or an error of the server: a job may have been made.
        """
        from huggingface_hub.errors import HfHubHTTPError

        owner = self.namespace
        try:
            with _errors(f"a new job of {owner}"):
                try:
                    made = self._api.run_job(**request, namespace=owner)
                except HfHubHTTPError as error:
                    status = error.response.status_code
                    if not 400 <= status < 500 or status == 408:
                        raise
                    said = redact(error.server_message or str(error).splitlines()[0])
                    raise Refused(
                        f"The Hub did not start the job ({status}): {said}", _TO_DO.get(status, "")
                    ) from None
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadableInput(
                f"The Hub's answer to the new job cannot be read ({type(error).__name__}).",
                "Look for it:  ftdoctor smoke --resume",
            ) from None
        return JobId("hf-jobs", made.id, owner)

    def find(self, label: str, value: str) -> list[JobId]:
        """Return the jobs of the namespace that carry a label."""
        with _errors(f"the jobs of {self.namespace}"):
            return [
                JobId("hf-jobs", job.id, self.namespace)
                for job in self._api.list_jobs(namespace=self.namespace)
                if (job.labels or {}).get(label) == value
            ]

    def price(self, flavor: str) -> float | None:
        """Dollars an hour of a flavor as the Hub lists it now; None when it cannot be told."""
        price = self._price(flavor)
        return None if price is None else price * 60

    def cancel(self, job: JobId) -> None:
        """Ask the Hub to cancel a job."""
        job = self._filled(job)
        with _errors(f"job {job}"):
            self._api.cancel_job(job_id=job.id, namespace=job.owner)


class _errors:
    """Turn the library's errors into one message and what mends it."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or not isinstance(error, Exception):
            return
        from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

        if isinstance(error, LocalTokenNotFoundError):
            raise UnreadableInput(
                "You are not logged in to the Hugging Face Hub.", "Log in:  hf auth login"
            ) from None
        if isinstance(error, HfHubHTTPError):
            raise self._http(error) from None
        module = type(error).__module__.split(".")[0]
        if module in ("requests", "httpx", "httpx2", "httpcore", "httpcore2", "urllib3"):
            raise UnreadableInput(
                f"The Hub could not be reached ({type(error).__name__}).", "Check the network."
            ) from None

    def _http(self, error: Any) -> UnreadableInput | UsageError:
        status = getattr(getattr(error, "response", None), "status_code", 0)
        if status == 401:
            return UnreadableInput(
                f"The Hub does not accept the token ({self.what}).", "Log in:  hf auth login"
            )
        if status == 403:
            return UnreadableInput(
                f"The token may not read {self.what}.",
                "It needs the permission job.write on the namespace (a write token has it):\n"
                f"    {_TOKENS}/new?tokenType=fineGrained&ownUserPermissions=job.write",
            )
        if status == 404:
            return UsageError(
                f"The Hub knows no {self.what}.",
                "A job of an organisation needs --namespace ORG. List jobs:  hf jobs ps -a",
            )
        if status == 429:
            return UnreadableInput("The Hub limits the rate of requests.", "Wait and ask again.")
        return UnreadableInput(
            f"The Hub answered {status or 'with an error'} ({self.what}).", "Try again later."
        )
