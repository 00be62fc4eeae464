"""Questions to Google Cloud for one job; nothing is changed, nothing costs.

Methods: https://cloud.google.com/resource-manager/reference/rest/v1/projects (get,
testIamPermissions, getIamPolicy), https://cloud.google.com/iam/docs/reference/rest/v1/
projects.serviceAccounts/testIamPermissions, https://cloud.google.com/storage/docs/json_api/v1/buckets
(testIamPermissions, getIamPolicy, get), https://cloud.google.com/artifact-registry/docs/reference/
rest/v1, https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets,
`customJobs.list` and `locations.list` of aiplatform v1. Each question is one call, so that all
together take as long as the slowest.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ftdoctor.facts import google_things as things
from ftdoctor.facts.google_call import Answer, Caller, Closed, closed
from ftdoctor.facts.google_endpoint import endpoint
from ftdoctor.facts.google_quota import needs, quota
from ftdoctor.facts.google_refusal import Refused
from ftdoctor.facts.google_script import logins, project_set
from ftdoctor.facts.google_sign import anonymous
from ftdoctor.facts.google_whose import machine_account, person
from ftdoctor.facts.value import Unknown
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftdoctor.facts.google_login import GoogleLogin
    from ftdoctor.job.model import Job

    Questions = dict[str, Callable[[], Any]]

ACT_AS = "iam.serviceAccounts.actAs"
_OBJECTS = ("storage.objects.create", "storage.objects.get", "storage.objects.list")


@dataclass(frozen=True)
class Granted:
    """Which of the permissions asked for the caller has on a resource."""

    resource: str
    asked: tuple[str, ...]
    held: frozenset[str] = field(default_factory=frozenset)
    call: str = ""

    @property
    def missing(self) -> list[str]:
        """The permissions that the caller lacks."""
        return [p for p in self.asked if p not in self.held]


@dataclass(frozen=True)
class Locations:
    """The regions that Vertex AI has for a project."""

    names: frozenset[str]
    call: str = ""


def usable(login: GoogleLogin) -> bool:
    """Whether there is something to sign with, or a server on this machine that may need none."""
    if anonymous() or not login.problem:
        return True
    return any(endpoint(name).loopback for name in ("aiplatform", "cloudresourcemanager"))


def questions(job: Job, *, online: bool) -> Questions:
    """Return what to ask of Google for a job; the logins themselves are read here, at once."""
    if job.platform != "vertex":
        return {}
    found = logins(job)
    asked: Questions = {
        "google.login": lambda: found.submitter,
        "google.library": lambda: found.library,
    }
    if not usable(found.asker):
        return asked
    caller = Caller(found.asker)
    # A server on this machine may need no login, so that the lack of one is no hindrance.
    asked["google.unsigned"] = lambda: anonymous() or bool(found.asker.problem)
    if found.same:
        asked |= _account_question(caller, found.library)
    project = things.project_of(job, found.asker, project_set(job))
    if project:
        asked["google.project-id"] = lambda: project
        asked |= _project_questions(caller, job, project, same=found.same)
        asked |= _region_questions(caller, job, project)
    else:
        why = job.project.unknown if job.project is not None else "it is not written"
        reason = f"the project of the job is not known ({why or 'it is no project id'})"
        asked["google.submitter"] = lambda: Closed(reason, "", "a project in the job or in gcloud")
    for bucket in things.buckets(job):
        asked |= _bucket_questions(caller, bucket, project)
    for image in things.images(job):
        asked |= _image_questions(caller, image, project)
    for place, name in things.secrets(job, project):
        path = f"/v1/projects/{place}/secrets/{name}"
        key = f"{place}/{name}"
        asked[f"google.secret:{key}"] = partial(caller.ask, "GET", "secretmanager", path)
        asked[f"google.secret-policy:{key}"] = partial(
            _policy, caller, "GET", "secretmanager", f"{path}:getIamPolicy", f"the secret {name}"
        )
    return asked


def _region_questions(caller: Caller, job: Job, project: str) -> Questions:
    """Ask Vertex AI itself, and for the quota, where the region is known."""
    region = things.region_of(job)
    if not region:
        return {}
    asked: Questions = {"google.api": partial(_api, caller, project, region)}
    if endpoint("logging").given and not endpoint("cloudresourcemanager").given:
        # A proxy for these two alone: reading logs can be tried, permissions not asked for.
        asked["google.logs"] = partial(_logs, caller, project)
    if not _known_region(region):
        asked["google.locations"] = partial(_locations, caller, project)
    for need in needs(job):
        asked[f"google.quota:{need.metric}"] = partial(quota, caller, project, region, need)
    return asked


def _known_region(region: str) -> bool:
    """Whether Vertex AI is known to have a region, so that its list need not be asked for."""
    from ftdoctor.tables import table

    return region in table("regions")["regions"]


def _account_question(caller: Caller, library: GoogleLogin) -> Questions:
    """Ask whose login the libraries' is, when only Google can tell and it matters."""
    if anonymous() or library.problem or library.name:
        return {}
    asker = caller if caller.login is library else Caller(library)
    if library.kind == "metadata" and caller.login is library:
        return {"google.account": partial(machine_account, asker)}
    if library.kind == "authorized_user" and library.gcloud_account:
        return {"google.account": partial(person, asker)}
    return {}


def _project_questions(caller: Caller, job: Job, project: str, *, same: bool) -> Questions:
    """Ask about the project; of permissions only where the answer is about who submits."""
    path = f"/v1/projects/{project}"
    asked: Questions = {
        "google.project": partial(_project, caller, project),
        "google.service": partial(_service, caller, project),
    }
    if same:
        asked["google.submitter"] = partial(
            _granted,
            caller,
            "cloudresourcemanager",
            path,
            project,
            (*things.permissions(job), "logging.logEntries.list"),
            project,
        )
    if job.service_account is not None or things.buckets(job):
        asked[f"google.policy:{project}"] = partial(_project_policy, caller, project, project)
    account = things.account_of(job)
    if account and same:
        path = f"/v1/projects/-/serviceAccounts/{account}"
        asked["google.actas"] = partial(_granted, caller, "iam", path, account, (ACT_AS,), project)
    return asked


def _bucket_questions(caller: Caller, found: things.Bucket, project: str) -> Questions:
    bucket, name = found.name, quote(found.name, safe="")
    query = "&".join(f"permissions={p}" for p in _OBJECTS)
    path = f"/storage/v1/b/{name}"
    there = partial(_bucket, caller, bucket, f"{path}/iam", query, project)
    if found.use == "named" or not project:
        return {f"google.bucket:{bucket}": there}
    return {
        f"google.bucket:{bucket}": there,
        f"google.bucket-policy:{bucket}": partial(
            _policy, caller, "GET", "storage", f"{path}/iam", f"gs://{bucket}", project
        ),
        f"google.bucket-home:{bucket}": partial(
            caller.ask, "GET", "storage", f"{path}?fields=projectNumber", pays=project
        ),
    }


def _image_questions(caller: Caller, image: things.Image, project: str) -> Questions:
    asked: Questions = {f"google.image:{image.name}": partial(_image, caller, image, project)}
    if project and image.project != project:
        path = f"/v1/{image.repository_path}:getIamPolicy"
        asked[f"google.repository:{image.name}"] = partial(
            _policy, caller, "GET", "artifactregistry", path, image.repository_path, project
        )
        asked[f"google.policy:{image.project}"] = partial(
            _project_policy, caller, image.project, project
        )
        asked[f"google.home:{image.project}"] = partial(_project, caller, image.project)
    return asked


def _granted(
    caller: Caller, service: str, path: str, resource: str, asked: tuple[str, ...], pays: str
) -> Any:
    url = f"{path}:testIamPermissions"
    answer = caller.ask("POST", service, url, {"permissions": list(asked)}, pays=pays)
    if not isinstance(answer, Answer):
        if isinstance(answer, Refused) and answer.kind == "not-found":
            return answer
        return closed(answer, f"what you may do on {resource}", "roles/browser")
    return _held(answer, resource, asked)


def _held(answer: Answer, resource: str, asked: tuple[str, ...]) -> Any:
    held = answer.data.get("permissions", [])
    if not isinstance(held, list):
        return Unknown("the answer holds no list of permissions", answer.call)
    return Granted(resource, asked, frozenset(map(str, held)), answer.call)


def _bucket(caller: Caller, bucket: str, path: str, query: str, pays: str) -> Any:
    answer = caller.ask("GET", "storage", f"{path}/testPermissions?{query}", pays=pays)
    return _held(answer, bucket, _OBJECTS) if isinstance(answer, Answer) else answer


def _api(caller: Caller, project: str, region: str) -> Any:
    """Listing one custom job proves the API, the region and the right to look in one call."""
    path = f"/v1/projects/{project}/locations/{region}/customJobs?pageSize=1"
    return caller.ask("GET", "aiplatform", path, region=region)


def _logs(caller: Caller, project: str) -> Any:
    """Read at most one log entry of custom jobs."""
    body = {
        "resourceNames": [f"projects/{project}"],
        "filter": 'resource.type="ml_job"',
        "pageSize": 1,
    }
    return caller.ask("POST", "logging", "/v2/entries:list", body)


def _locations(caller: Caller, project: str) -> Any:
    found: set[str] = set()
    page = ""
    for _ in range(5):
        path = f"/v1/projects/{project}/locations?pageSize=200{page}"
        answer = caller.ask("GET", "aiplatform", path)
        if not isinstance(answer, Answer):
            return closed(answer, "the list of regions", "roles/aiplatform.viewer")
        rows = answer.data.get("locations")
        for row in rows if isinstance(rows, list) else ():
            name = row.get("locationId", "") if isinstance(row, dict) else ""
            if isinstance(name, str) and re.fullmatch(r"[a-z0-9-]+", name):
                found.add(name)
        following = answer.data.get("nextPageToken")
        if not following:
            break
        page = f"&pageToken={quote(str(following), safe='')}"
    if not found:
        return Unknown("the list of regions is empty", answer.call)
    return Locations(frozenset(found), answer.call)


def _project(caller: Caller, project: str) -> Any:
    path = f"/v1/projects/{project}"
    answer = caller.ask("GET", "cloudresourcemanager", path, pays=project)
    return closed(answer, f"the project {project}", "roles/browser")


def _service(caller: Caller, project: str) -> Any:
    """https://cloud.google.com/service-usage/docs/reference/rest/v1/services/get: the state."""
    path = f"/v1/projects/{project}/services/aiplatform.googleapis.com"
    answer = caller.ask("GET", "serviceusage", path, pays=project)
    return closed(answer, "whether the API is enabled", "roles/serviceusage.serviceUsageViewer")


def _project_policy(caller: Caller, project: str, pays: str) -> Any:
    path = f"/v1/projects/{project}:getIamPolicy"
    what = f"the project {project}"
    return _policy(caller, "POST", "cloudresourcemanager", path, what, pays)


def _policy(caller: Caller, method: str, service: str, path: str, what: str, pays: str = "") -> Any:
    body: dict[str, Any] | None = {} if method == "POST" else None
    answer = caller.ask(method, service, path, body, pays=pays)
    if isinstance(answer, Answer) and not isinstance(answer.data.get("bindings", []), list):
        return Unknown(f"the answer is no IAM policy of {what}", answer.call)
    return closed(answer, f"the IAM policy of {what}", "roles/iam.securityReviewer")


def _image(caller: Caller, image: things.Image, pays: str) -> Any:
    answer = caller.ask("GET", "artifactregistry", f"/v1/{image.path}", pays=pays)
    what, role = f"whether {image.name} exists", "roles/artifactregistry.reader"
    if not (isinstance(answer, Refused) and answer.kind == "not-found"):
        return closed(answer, what, role)
    # A remote or virtual repository holds an image only once somebody has pulled it through.
    home = caller.ask("GET", "artifactregistry", f"/v1/{image.repository_path}", pays=pays)
    if image.repository.endswith("gcr.io") and not isinstance(home, Answer):
        # A project of Container Registry may have no repository of that name to be asked about.
        return Closed(f"{what} could not be told: {image.repository} is not listed", "", role)
    mode = home.data.get("mode", "") if isinstance(home, Answer) else ""
    if mode in ("REMOTE_REPOSITORY", "VIRTUAL_REPOSITORY"):
        kind = mode.partition("_")[0].lower()
        reason = f"{image.repository} is a {kind} repository, which fetches images from elsewhere"
        return Closed(f"{what} could not be told: {reason}", answer.call, "a pull of the image")
    return answer
