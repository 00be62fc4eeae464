"""Checks on what Google answered: login, permissions, API, service account, buckets, quota."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.facts.google import Granted, Quota, Refused
from ftdoctor.facts.google_login import GoogleLogin
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Hit, Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context

#: Permission -> the least role that has it.
_ROLES = {
    "aiplatform.customJobs.create": "roles/aiplatform.user",
    "aiplatform.customJobs.get": "roles/aiplatform.user",
    "logging.logEntries.list": "roles/logging.viewer",
    "iam.serviceAccounts.actAs": "roles/iam.serviceAccountUser",
    "storage.objects.create": "roles/storage.objectAdmin",
    "storage.objects.get": "roles/storage.objectViewer",
    "storage.objects.list": "roles/storage.objectViewer",
}


def _login(context: Context) -> GoogleLogin | None:
    found = context.facts.get("google.login")
    return found if isinstance(found, GoogleLogin) else None


def _refused(context: Context, kind: str, *prefixes: str) -> Refused | None:
    for name, answer in context.facts.items():
        asked = name.startswith(prefixes or ("google.",))
        if asked and isinstance(answer, Refused) and answer.kind == kind:
            return answer
    return None


def login_absent(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """No usable Application Default Credentials: the submit script or client will stop.

    gcloud itself uses its own login, so a job that gcloud submits is only noted.
    """
    login = _login(context)
    if login is None or not login.problem:
        return
    reasons = {
        "absent": f"{login.path} does not exist",
        "unreadable": f"{login.path} cannot be read",
        "not-json": f"{login.path} is not JSON",
        "no-type": f"{login.path} has no valid type",
    }
    values = {"reason": reasons[login.problem], "path": login.path}
    by_gcloud = context.job.form in ("vertex-yaml", "vertex-gcloud", "vertex-json", "terraform")
    if by_gcloud and login.gcloud_account and login.problem == "absent":
        return
    if login.problem == "absent":
        yield Unsure(f"no Google login on this machine ({values['reason']})", "a Google login")
        return
    yield Hit(context.job.place, values, values)


def login_expired(context: Context, **_: object) -> Iterator[Hit]:
    """The login must be renewed."""
    answer = _refused(context, "reauth")
    if answer is not None:
        yield Hit(
            context.job.place, {"said": answer.said}, {"said": answer.said, "call": answer.call}
        )


def accounts_differ(context: Context, **_: object) -> Iterator[Hit]:
    """gcloud and the client libraries are logged in as two accounts."""
    login = _login(context)
    if login is None or login.problem or not (login.account and login.gcloud_account):
        return
    if login.account != login.gcloud_account:
        values = {"adc": login.account, "gcloud": login.gcloud_account}
        yield Hit(context.job.place, values, values)


def api_disabled(context: Context, **_: object) -> Iterator[Hit]:
    """The Vertex AI API is not enabled in the project."""
    answer = _refused(context, "api-disabled", "google.api", "google.submitter")
    if answer is not None:
        project = get(context.job.project) or ""
        place = context.job.project.place if context.job.project else context.job.place
        values = {"said": answer.said, "project": project}
        yield Hit(place, values, values | {"call": answer.call})


def _granted(answer: Any) -> Granted | None:
    return answer if isinstance(answer, Granted) else None


def submitter_lacks(context: Context, permissions: list[str], **_: object) -> Iterator[Hit]:
    """The submitter lacks permissions on the project."""
    granted = _granted(context.facts.get("google.submitter"))
    missing = [p for p in granted.missing if p in permissions] if granted else []
    if granted is not None and missing:
        values = {"missing": ", ".join(missing), "role": _ROLES[missing[0]]}
        project = get(context.job.project) or ""
        evidence = values | {"call": granted.call}
        yield Hit(context.job.place, values | {"project": project}, evidence)


def cannot_act_as(context: Context, **_: object) -> Iterator[Hit]:
    """The submitter may not run jobs as the service account."""
    account = context.job.service_account
    answer = context.facts.get("google.actas")
    granted = _granted(answer)
    refused = isinstance(answer, Refused) and answer.kind == "not-found"
    if account is not None and ((granted and granted.missing) or refused):
        values = {"account": get(account) or "", "exists": "no" if refused else "yes"}
        yield Hit(account.place, values, values)


def bucket(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """A bucket that does not exist, or that the caller may not write to.

    What the *run-as* account may do cannot be asked by another account, so only a missing bucket
    is certain; a lack of the caller's own rights is told as not known.
    """
    for name, answer in context.facts.items():
        if not name.startswith("google.bucket:"):
            continue
        bucket_name = name.partition(":")[2]
        if isinstance(answer, Refused) and answer.kind == "not-found":
            values = {"bucket": bucket_name}
            place = context.job.base_output_dir or context.job.staging_bucket
            yield Hit(place.place if place else context.job.place, values, values)
        elif isinstance(answer, Refused) or (isinstance(answer, Granted) and answer.missing):
            yield Unsure(
                f"whether the job's account may write to gs://{bucket_name} is not yours to ask",
                "roles/storage.legacyBucketReader on the bucket",
            )


def image_missing(context: Context, **_: object) -> Iterator[Hit]:
    """The image is not in Artifact Registry."""
    answer = context.facts.get("google.image")
    pool = context.job.pool
    if isinstance(answer, Refused) and answer.kind == "not-found" and pool and pool.image:
        values = {"image": get(pool.image) or ""}
        yield Hit(pool.image.place, values, values | {"said": answer.said})


def quota(context: Context, **_: object) -> Iterator[Hit]:
    """The quota of the GPU in this region is smaller than the job needs."""
    for name, answer in context.facts.items():
        asked = name.startswith("google.quota:")
        if asked and isinstance(answer, Quota) and 0 <= answer.limit < answer.needed:
            values = {
                "metric": answer.metric,
                "region": answer.region,
                "limit": answer.limit,
                "needed": answer.needed,
            }
            place = context.job.region.place if context.job.region else context.job.place
            summary = "The quota for this GPU in {region} is {limit}; the job needs {needed}."
            yield Hit(place, values, values | {"call": answer.call}, summary=summary)
