"""What each path of Google's REST services answers, by the state of the emulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.emulators.google_bodies import Reply, disabled, error, older, refusal
from tests.emulators.google_state import QUOTA_IDS, TOKEN, GoogleState

if TYPE_CHECKING:
    import re

Route = Callable[[GoogleState, "re.Match[str]", dict[str, list[str]], dict[str, Any]], Reply]


def _project_permissions(state: GoogleState, match: Any, _query: Any, body: Any) -> Reply:
    if "cloudresourcemanager" in state.disabled:
        return disabled("cloudresourcemanager.googleapis.com", "Cloud Resource Manager", match[1])
    if match[1] not in state.projects:
        return error(403, "PERMISSION_DENIED", "The caller does not have permission")
    return 200, {"permissions": [p for p in body.get("permissions", []) if p in state.permissions]}


def _project(state: GoogleState, match: Any, _query: Any, _body: Any) -> Reply:
    if match[1] not in state.projects:
        return error(403, "PERMISSION_DENIED", "The caller does not have permission")
    found = {
        "projectNumber": state.projects[match[1]],
        "projectId": match[1],
        "lifecycleState": state.states.get(match[1], "ACTIVE"),
    }
    parent = state.parents.get(match[1])
    return 200, found | ({"parent": parent} if parent else {})


def _act_as(state: GoogleState, match: Any, _query: Any, body: Any) -> Reply:
    account = unquote(match[1])
    if account not in state.accounts:
        return error(404, "NOT_FOUND", f"Unknown service account {account}")
    held = state.accounts[account]
    return 200, {"permissions": [p for p in body.get("permissions", []) if p in held]}


def _jobs(state: GoogleState, match: Any, _query: Any, _body: Any) -> Reply:
    project, region, number = match[1], match[2], match[3]
    if state.refuses:
        return refusal(state.refuses, project, region)
    needed = f"aiplatform.customJobs.{'get' if number else 'list'}"
    if needed not in state.permissions:
        return error(
            403,
            "PERMISSION_DENIED",
            f"Permission '{needed}' denied on resource '//aiplatform.googleapis.com/projects/"
            f"{project}/locations/{region}' (or it may not exist).",
            "IAM_PERMISSION_DENIED",
            permission=needed,
        )
    parent = f"projects/{project}/locations/{region}/customJobs/"
    if number:
        found = state.jobs.get(parent + number)
        return (200, found) if found else error(404, "NOT_FOUND", "The CustomJob does not exist.")
    return 200, {"customJobs": [job for name, job in state.jobs.items() if name.startswith(parent)]}


def _locations(state: GoogleState, match: Any, _query: Any, _body: Any) -> Reply:
    rows = [
        {"name": f"projects/{match[1]}/locations/{n}", "locationId": n} for n in state.locations
    ]
    return 200, {"locations": rows}


def _bucket_permissions(state: GoogleState, match: Any, query: Any, _body: Any) -> Reply:
    if match[1] not in state.buckets:
        return older(404, "The specified bucket does not exist.", "notFound")
    held = state.buckets[match[1]]
    return 200, {"permissions": [p for p in query.get("permissions", []) if p in held]}


def _bucket(state: GoogleState, match: Any, _query: Any, _body: Any) -> Reply:
    if match[1] not in state.homes:
        return older(403, "The caller does not have storage.buckets.get access.", "forbidden")
    return 200, {"projectNumber": state.homes[match[1]]}


def _bucket_policy(state: GoogleState, match: Any, _query: Any, _body: Any) -> Reply:
    found = state.policies.get(f"b/{match[1]}")
    if found is None:
        text = "The caller does not have storage.buckets.getIamPolicy access."
        return older(403, text, "forbidden")
    return 200, found


def _policy(state: GoogleState, match: Any, _query: Any, _body: Any) -> Reply:
    found = state.policies.get(match[1])
    if found is None:
        return error(
            403,
            "PERMISSION_DENIED",
            f"Permission to read the IAM policy of {match[1]} denied",
            "IAM_PERMISSION_DENIED",
        )
    return 200, found


def _image(state: GoogleState, match: Any, _query: Any, _body: Any) -> Reply:
    if "artifactregistry" in state.disabled:
        return disabled("artifactregistry.googleapis.com", "Artifact Registry", "p")
    if unquote(match[1]) in state.images:
        return 200, {"name": match[1]}
    return error(404, "NOT_FOUND", "Requested entity was not found.")


def _repository(state: GoogleState, match: Any, _query: Any, _body: Any) -> Reply:
    mode = state.modes.get(match[1], "STANDARD_REPOSITORY")
    if not mode:
        return error(404, "NOT_FOUND", "Requested entity was not found.")
    return 200, {"name": match[1], "format": "DOCKER", "mode": mode}


def _secret(state: GoogleState, match: Any, _query: Any, _body: Any) -> Reply:
    if match[1] in state.secrets:
        return 200, {"name": match[1]}
    return error(404, "NOT_FOUND", f"Secret [{match[1]}] not found.")


def _quota_info(state: GoogleState, match: Any, _query: Any, _body: Any) -> Reply:
    if "cloudquotas" in state.disabled:
        return disabled("cloudquotas.googleapis.com", "Cloud Quotas", "p")
    rows = []
    for (metric, region), limit in state.quotas.items():
        if QUOTA_IDS.get(metric) != match[1]:
            continue
        # proto3 JSON: int64 is text, and zero is left out.
        details = {"value": str(limit)} if limit else {}
        places = [region] if region else ["asia-east1", "us-east4", "us-west1"]
        dimensions = {"region": region} if region else {}
        row = {"dimensions": dimensions, "details": details, "applicableLocations": places}
        rows.append(row)
    return 200, {"quotaId": match[1], "dimensionsInfos": rows}


def _quota_metric(state: GoogleState, match: Any, _query: Any, _body: Any) -> Reply:
    if "serviceusage" in state.disabled:
        return disabled("serviceusage.googleapis.com", "Service Usage", "p")
    name = unquote(match[1]).removeprefix("aiplatform.googleapis.com/")
    buckets = [
        ({"dimensions": {"region": region}} if region else {})
        | ({"effectiveLimit": str(limit)} if limit else {})
        for (metric, region), limit in state.quotas.items()
        if metric == name
    ]
    limit = {"metric": name, "unit": "1/{project}/{region}", "quotaBuckets": buckets}
    return 200, {"metric": name, "consumerQuotaLimits": [limit]}


def _service(state: GoogleState, match: Any, _query: Any, _body: Any) -> Reply:
    if "serviceusage" in state.disabled:
        return disabled("serviceusage.googleapis.com", "Service Usage", "p")
    word = "DISABLED" if state.refuses == "disabled" else "ENABLED"
    return 200, {"name": match[1], "state": word}


def _entries(state: GoogleState, _match: Any, _query: Any, _body: Any) -> Reply:
    if state.entries_denied:
        return error(
            403,
            "PERMISSION_DENIED",
            "Permission denied for all log views",
            "IAM_PERMISSION_DENIED",
            permission="logging.logEntries.list",
        )
    return 200, {"entries": state.entries}


_PLACE = r"(projects/[^/:]+(?:/(?:locations/[^/]+/repositories|secrets)/[^/:]+)?)"


def _impersonate(state: GoogleState, match: Any, _query: Any, _body: Any) -> Reply:
    """https://cloud.google.com/iam/docs/reference/credentials/rest"""
    if not state.may_impersonate:
        return error(
            403,
            "PERMISSION_DENIED",
            "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not "
            "exist).",
            "IAM_PERMISSION_DENIED",
            permission="iam.serviceAccounts.getAccessToken",
        )
    return 200, {"accessToken": TOKEN, "expireTime": "2036-01-01T00:00:00Z"}


ROUTES: tuple[tuple[str, Route], ...] = (
    (r"/v1/projects/-/serviceAccounts/(.+):generateAccessToken", _impersonate),
    (r"/v1/projects/-/serviceAccounts/(.+):testIamPermissions", _act_as),
    (r"/v1/projects/([^/:]+):testIamPermissions", _project_permissions),
    (rf"/v1/{_PLACE}:getIamPolicy", _policy),
    (r"/v1/projects/([^/:]+)", _project),
    (r"/v1/projects/([^/]+)/locations/([^/]+)/customJobs(?:/(\d+))?", _jobs),
    (r"/v1/projects/([^/]+)/locations", _locations),
    (r"/storage/v1/b/([^/]+)/iam/testPermissions", _bucket_permissions),
    (r"/storage/v1/b/([^/]+)/iam", _bucket_policy),
    (r"/storage/v1/b/([^/]+)", _bucket),
    (r"/v1/(projects/[^/]+/locations/[^/]+/repositories/[^/]+/packages/[^/]+/\w+/.+)", _image),
    (r"/v1/(projects/[^/]+/locations/[^/]+/repositories/[^/:]+)", _repository),
    (r"/v1/(projects/[^/]+/secrets/[^/:]+)", _secret),
    (r"/v1/(projects/[^/]+/services/[^/]+)", _service),
    (r".*/quotaInfos/(\w+)", _quota_info),
    (r".*/consumerQuotaMetrics/([^/]+)", _quota_metric),
    (r"/v2/entries:list", _entries),
)
