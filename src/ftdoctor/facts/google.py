"""Questions to Google Cloud over REST, with google-auth doing the signing; nothing is changed.

Methods: https://cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions,
https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/testIamPermissions,
https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions,
https://cloud.google.com/docs/quotas/reference/rest (quotaInfos), and `customJobs.list`.
REST rather than the clients: five calls, exact error bodies, and no second of importing.
"""

from __future__ import annotations

import os
import re
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ftdoctor.facts.google_login import GoogleLogin, read_login
from ftdoctor.facts.value import Unknown
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftdoctor.job.model import Job

SUBMITTER = ("aiplatform.customJobs.create", "aiplatform.customJobs.get", "logging.logEntries.list")
ACT_AS = "iam.serviceAccounts.actAs"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_PROJECT = lazy(r"[a-z][a-z0-9-]{4,28}[a-z0-9]\Z|\d{6,}\Z")
_ACCOUNT = lazy(r"[\w.-]+@[\w.-]+\.iam\.gserviceaccount\.com\Z|\d+-compute@developer\.\S+\Z")
_REGISTRY = lazy(
    r"(?P<location>[a-z0-9-]+)-docker\.pkg\.dev/(?P<project>[^/]+)/(?P<repository>[^/]+)/"
    r"(?P<image>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:\w+))?\Z"
)
#: Accelerator -> the part of a quota id that names it (vertex-ai-samples, model_garden
#: common_util.py: CustomModelTraining{L4GPUs,...}PerProjectPerRegion).
QUOTA_PART = {
    "NVIDIA_L4": "L4GPUs",
    "NVIDIA_TESLA_A100": "A100GPUs",
    "NVIDIA_A100_80GB": "A10080GBGPUs",
    "NVIDIA_H100_80GB": "H100GPUs",
    "NVIDIA_H100_MEGA_80GB": "H100MEGAGPUs",
    "NVIDIA_H200_141GB": "H200GPUs",
    "NVIDIA_B200": "B200GPUs",
    "NVIDIA_GB200": "GB200GPUs",
    "NVIDIA_TESLA_T4": "T4GPUs",
    "NVIDIA_TESLA_V100": "V100GPUs",
    "NVIDIA_TESLA_P100": "P100GPUs",
    "NVIDIA_RTX_PRO_6000": "RTXPRO6000GPUs",
}


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
class Refused:
    """A clear no: `kind` is api-disabled, permission, not-found, region, scopes, reauth."""

    kind: str
    said: str
    call: str = ""


@dataclass(frozen=True)
class Quota:
    """The limit of one quota metric in one region."""

    metric: str
    region: str
    limit: int
    needed: int
    call: str = ""


def base(service: str, region: str = "") -> str:
    """Return the address of a service; gcloud's own override variables and ours are honoured."""
    ours = {"aiplatform": "FTDOCTOR_VERTEX_ENDPOINT", "logging": "FTDOCTOR_LOGGING_ENDPOINT"}
    for name in (ours.get(service, ""), f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service.upper()}"):
        address = os.environ.get(name, "") if name else ""
        if address:
            return (address if "//" in address else f"http://{address}").rstrip("/")
    host = f"{region}-{service}" if service == "aiplatform" and region else service
    return f"https://{host}.googleapis.com"


def _session(login: GoogleLogin) -> Any:
    """Return a session that signs its requests.

    Raises:
        MissingExtra: google-auth is not installed.
    """
    from ftdoctor.errors import MissingExtra

    try:
        import google.auth
        from google.auth.credentials import AnonymousCredentials
        from google.auth.transport.requests import AuthorizedSession
    except ImportError:
        raise MissingExtra("vertex", "Asking Google Cloud") from None
    if os.environ.get("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "").lower() in ("1", "true"):
        return AuthorizedSession(AnonymousCredentials(), refresh_status_codes=())
    credentials, _ = google.auth.load_credentials_from_file(login.path, scopes=[_SCOPE])
    if login.quota_project and hasattr(credentials, "with_quota_project"):
        credentials = credentials.with_quota_project(login.quota_project)
    return AuthorizedSession(credentials, refresh_timeout=10)


def request(login: GoogleLogin, method: str, url: str, body: Any = None) -> Any:
    """Send one request; returns the JSON, or Refused, or Unknown."""
    from google.auth.exceptions import GoogleAuthError

    call = f"{method} {url.split('?')[0]}"
    try:
        response = _session(login).request(method, url, json=body, timeout=10)
    except GoogleAuthError as error:
        text = str(error)
        if re.search(r"[Rr]eauthentication|invalid_rapt|rapt_required|invalid_grant", text):
            return Refused("reauth", text[:200], call)
        return Unknown(f"signing failed: {text[:160]}", call, "a working Google login")
    try:
        data = response.json()
    except ValueError:
        return Unknown(f"the answer ({response.status_code}) is not JSON", call)
    if response.status_code < 400:
        return data
    return _refused(response.status_code, data, call)


def _refused(status: int, data: Any, call: str) -> Refused | Unknown:
    error = data.get("error", {}) if isinstance(data, dict) else {}
    error = error if isinstance(error, dict) else {}
    said = str(error.get("message", ""))
    details = [d for d in error.get("details", ()) if isinstance(d, dict)]
    reasons = {str(d.get("reason", "")) for d in details}
    if "SERVICE_DISABLED" in reasons or re.search(
        r"has not been used in project|is disabled", said
    ):
        return Refused("api-disabled", said, call)
    if "ACCESS_TOKEN_SCOPE_INSUFFICIENT" in reasons:
        return Refused("scopes", said, call)
    if status == 401:
        return Refused("reauth", said, call)
    if status == 403:
        return Refused("permission", said, call)
    if status == 404:
        return Refused("not-found", said, call)
    if status == 429 or status >= 500:
        return Unknown(f"Google answered {status}: {said[:120]}", call, "trying again later")
    return Unknown(f"Google answered {status}: {said[:160]}", call)


def _granted(login: GoogleLogin, resource: str, url: str, asked: tuple[str, ...]) -> Any:
    answer = request(login, "POST", url, {"permissions": list(asked)})
    if not isinstance(answer, dict):
        return answer
    held = frozenset(map(str, answer.get("permissions", ())))
    return Granted(resource, asked, held, f"POST {url}")


def _bucket(login: GoogleLogin, bucket: str) -> Any:
    asked = ("storage.objects.create", "storage.objects.get", "storage.objects.list")
    query = "&".join(f"permissions={p}" for p in asked)
    url = f"{base('storage')}/storage/v1/b/{quote(bucket, safe='')}/iam/testPermissions?{query}"
    answer = request(login, "GET", url)
    if not isinstance(answer, dict):
        return answer
    return Granted(bucket, asked, frozenset(map(str, answer.get("permissions", ()))), f"GET {url}")


def _api(login: GoogleLogin, project: str, region: str) -> Any:
    """Listing one custom job proves the API, the region and the right to look in one call."""
    url = f"{base('aiplatform', region)}/v1/projects/{project}/locations/{region}/customJobs"
    return request(login, "GET", f"{url}?pageSize=1")


def _image(login: GoogleLogin, image: str) -> Any:
    match = _REGISTRY.match(image)
    assert match is not None
    parent = (
        f"projects/{match['project']}/locations/{match['location']}"
        f"/repositories/{match['repository']}/packages/{quote(match['image'], safe='')}"
    )
    leaf = f"versions/{match['digest']}" if match["digest"] else f"tags/{match['tag'] or 'latest'}"
    return request(login, "GET", f"{base('artifactregistry')}/v1/{parent}/{leaf}")


def _quota(login: GoogleLogin, project: str, region: str, quota_id: str, needed: int) -> Any:
    url = (
        f"{base('cloudquotas')}/v1/projects/{project}/locations/global/services/"
        f"aiplatform.googleapis.com/quotaInfos/{quota_id}"
    )
    answer = request(login, "GET", url)
    if not isinstance(answer, dict):
        return answer
    for info in answer.get("dimensionsInfos", ()):
        places = [*info.get("applicableLocations", ()), info.get("dimensions", {}).get("region")]
        if region in places:
            limit = int(info.get("details", {}).get("value", 0) or 0)
            return Quota(quota_id, region, limit, needed, f"GET {url}")
    return Unknown(f"the answer names no limit for {region}", f"GET {url}")


def usable(login: GoogleLogin) -> bool:
    """Whether there is something to sign with."""
    anonymous = os.environ.get("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "").lower() in ("1", "true")
    return anonymous or not login.problem


def questions(job: Job, *, online: bool) -> dict[str, Callable[[], Any]]:
    """Return what to ask of Google for a job; the login itself is read here, at once."""
    if job.platform != "vertex":
        return {}
    login = read_login()
    asked: dict[str, Callable[[], Any]] = {"google.login": lambda: login}
    if not usable(login):
        return asked
    project = get(job.project) or login.gcloud_project or login.project
    region = get(job.region) or ""
    if not _PROJECT.match(project):
        return asked
    manager = base("cloudresourcemanager")
    url = f"{manager}/v1/projects/{project}:testIamPermissions"
    asked["google.submitter"] = partial(_granted, login, project, url, SUBMITTER)
    if re.fullmatch(r"[a-z]+-[a-z]+\d+", region):
        asked["google.api"] = partial(_api, login, project, region)
        asked |= _quota_questions(job, login, project, region)
    account = get(job.service_account) or ""
    if _ACCOUNT.match(account):
        url = f"{base('iam')}/v1/projects/-/serviceAccounts/{account}:testIamPermissions"
        asked["google.actas"] = partial(_granted, login, account, url, (ACT_AS,))
    for bucket in sorted(_buckets(job)):
        asked[f"google.bucket:{bucket}"] = partial(_bucket, login, bucket)
    image = get(job.pool.image) if job.pool and job.pool.image else None
    if isinstance(image, str) and _REGISTRY.match(image) and "deeplearning-platform" not in image:
        asked["google.image"] = partial(_image, login, image)
    return asked


def _buckets(job: Job) -> set[str]:
    found = set()
    for value in (job.base_output_dir, job.staging_bucket):
        text = get(value) or ""
        match = re.match(r"gs://([a-z0-9][a-z0-9._-]{1,220})(?:/|\Z)", text)
        if match:
            found.add(match[1])
    return found


def _quota_questions(
    job: Job, login: GoogleLogin, project: str, region: str
) -> dict[str, Callable[[], Any]]:
    preemptible = (get(job.strategy) or "").upper() in ("SPOT", "FLEX_START")
    prefix = "CustomModelTraining" + ("Preemptible" if preemptible else "")
    needed: dict[str, int] = {}
    for pool in job.pools:
        part = QUOTA_PART.get(str(get(pool.accelerator_type)))
        count = get(pool.accelerator_count)
        if part and isinstance(count, int):
            number = count * (get(pool.replica_count) or 1)
            quota_id = f"{prefix}{part}PerProjectPerRegion"
            needed[quota_id] = needed.get(quota_id, 0) + number
    return {
        f"google.quota:{quota_id}": partial(_quota, login, project, region, quota_id, number)
        for quota_id, number in needed.items()
    }
