"""What a Vertex job names of Google Cloud: project, region, accounts, buckets, images, secrets.

Read from the Job alone; nothing is asked here.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.platforms import gcloud_defaults
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from ftdoctor.facts.google_login import GoogleLogin
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place
    from ftdoctor.job.value import Value

#: Forms that a gcloud command submits: its own login counts, not that of the libraries.
_BY_GCLOUD = ("vertex-yaml", "vertex-gcloud", "vertex-json")
_PROJECT = lazy(r"(?:[a-z0-9.-]+\.[a-z]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]\Z|\d{6,}\Z")
_REGION = lazy(r"[a-z]+-[a-z]+\d+\Z")
_ACCOUNT = lazy(
    r"[\w.-]+@(?:[\w.-]+\.iam|appspot)\.gserviceaccount\.com\Z"
    r"|\d+-compute@developer\.gserviceaccount\.com\Z"
)
_REGISTRY = lazy(
    r"(?P<location>[a-z0-9-]+)-docker\.pkg\.dev/(?P<project>[a-z0-9-]+)/(?P<repository>[^/]+)/"
    r"(?P<image>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:\w+))?\Z"
)
#: Container Registry is served by repositories of this name in Artifact Registry
#: (https://cloud.google.com/artifact-registry/docs/transition/setup-gcr-repo).
_OLD_REGISTRY = lazy(
    r"(?P<repository>(?:(?P<location>us|eu|asia)\.)?gcr\.io)/(?P<project>[a-z0-9-]+)/"
    r"(?P<image>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:\w+))?\Z"
)
_OLD_PLACES = {"us": "us", "eu": "europe", "asia": "asia", None: "us"}
#: A text that is one variable and nothing else, in a shell or in Python.
_WHOLE = lazy(
    r"\$\{?\w+(?::?[-=][^{}]*)?\}?\Z|\$\([^()`]*\)\Z"
    r"|os\.(?:environ(?:\[|\.get\()|getenv\()[^()\[\]]*[)\]]\Z"
)
_VARIABLE = lazy(
    r"shell variable (\w+) is not set|environment variable (\w+) of the machine that submits"
)
_ASKED_GCLOUD = lazy(
    r"printed by `\$\(gcloud config (?:get(?:-value)? (?:core/)?project"
    r"|list .*value\((?:core\.)?project\).*)"
)
_PLACEHOLDER = lazy(
    r"your|placeholder|example|change-?me|replace|x{3,}"
    r"|\A(?:my-|gcp-|the-|some-)*(?:project|project-id|bucket|bucket-name|staging-bucket|path|path-to)\Z"
)
#: Google's public images: readable by everybody, listed by few.
_PUBLIC = ("deeplearning-platform-release", "vertex-ai", "cloud-builders", "google-containers")
#: `gs://b/...`, or the mount of it that every job has, `/gcs/b/...`.
_BUCKET = lazy(r"\A(?:gs://|/gcs/)([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?=/|\Z)")
_BUCKET_WITHIN = lazy(
    r"(?<![\w/.])(?:gs://|/gcs/)([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?=[/\s'\";]|\Z)"
)
_SECRET = lazy(r"projects/(?P<project>[a-z0-9-]{6,30})/secrets/(?P<name>[A-Za-z0-9_-]{1,255})")
_SECRET_COMMAND = lazy(r"gcloud\s+secrets\s+versions\s+access\b[^\n;|&)]*")
#: Kind of resource that the form of a job creates; a training pipeline has a custom job behind it.
_RESOURCES = {"kfp": "pipelineJobs", "tuning": "tuningJobs"}


@dataclass(frozen=True)
class Bucket:
    """A bucket, what the job does with it, and where it is written."""

    name: str
    use: str
    place: Place | None


@dataclass(frozen=True)
class Image:
    """An image in Artifact Registry."""

    name: str
    project: str
    location: str
    repository: str
    package: str
    leaf: str

    @property
    def repository_path(self) -> str:
        """The resource name of its repository."""
        return f"projects/{self.project}/locations/{self.location}/repositories/{self.repository}"

    @property
    def path(self) -> str:
        """The resource name of its tag or version."""
        return f"{self.repository_path}/packages/{quote(self.package, safe='')}/{self.leaf}"


def settled(job: Job, value: Value[str] | None) -> str:
    """Return a text of the job; a variable that the submitting shell gives is looked up here.

    The files leave it open, and the files' other readers must: here this machine is asked what it
    would submit. Not for a workflow, which runs elsewhere.
    """
    if value is None:
        return ""
    if value.known:
        return value.value or ""
    if "workflow" in job.extra and os.environ.get("GITHUB_ACTIONS") != "true":
        return ""
    if not _WHOLE.match(value.raw):
        return ""
    named = _VARIABLE.search(value.unknown)
    if named:
        default = value.default if isinstance(value.default, str) else ""
        return os.environ.get(named[1] or named[2]) or default
    if _ASKED_GCLOUD.search(value.unknown):
        return os.environ.get("CLOUDSDK_CORE_PROJECT") or gcloud_defaults.setting("core", "project")
    return ""


def by_gcloud(job: Job) -> bool:
    """Whether a gcloud command submits the job; Python and Terraform use the libraries' login."""
    return "gcloud" in job.extra or job.form in _BY_GCLOUD


def project_of(job: Job, login: GoogleLogin, before: str = "") -> str:
    """Return the id of the project that the job would run in, "" when it cannot be told.

    `before` is the project that the script sets for gcloud before it submits.
    """
    if job.project is not None:
        named = settled(job, job.project)
    elif by_gcloud(job):
        named = before or login.gcloud_project
    else:
        named = login.project
    return named if _PROJECT.match(named) and not placeholder(named) else ""


def placeholder(name: str) -> bool:
    """Whether a name only stands for one that a reader is to fill in ("your-project-id")."""
    return bool(_PLACEHOLDER.search(name))


def region_of(job: Job) -> str:
    """Return the region, "" when it cannot be told."""
    if job.region is not None:
        named = settled(job, job.region)
    elif by_gcloud(job):
        named = os.environ.get("CLOUDSDK_AI_REGION") or gcloud_defaults.setting("ai", "region")
    else:
        # google-cloud-aiplatform 2.7, initializer.py: the environment, else its default.
        named = os.environ.get("GOOGLE_CLOUD_REGION") or os.environ.get("GOOGLE_CLOUD_LOCATION", "")
        named = named or "us-central1"
    return named if _REGION.match(named) else ""


def permissions(job: Job) -> tuple[str, ...]:
    """Return the permissions that starting the job and looking at it need."""
    kind = _RESOURCES.get(job.form, "customJobs")
    if job.extra.get("training_pipeline"):
        return ("aiplatform.trainingPipelines.create", "aiplatform.trainingPipelines.get")
    return (f"aiplatform.{kind}.create", f"aiplatform.{kind}.get")


def account_of(job: Job) -> str:
    """Return the service account that the job names, "" when none or not known."""
    named = settled(job, job.service_account)
    return named if _ACCOUNT.match(named) and not placeholder(named) else ""


def agent(number: str) -> str:
    """Return the account that pulls images, and runs a job that names no account."""
    return f"service-{number}@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"


def buckets(job: Job) -> list[Bucket]:
    """Return the buckets that the job names, each once with its strongest use, at most six.

    `write`: the output folder, or where the training saves; `read`: packages and data sets that
    the job cannot start without; `stage`: the staging bucket; `named`: somewhere in arguments.
    """
    uses: list[tuple[str, Value[Any] | None]] = [("write", job.base_output_dir)]
    uses += [("write", t.arguments.get("output_dir")) for t in job.trainings]
    uses += [("read", uri) for pool in job.pools for uri in pool.package_uris]
    uses += [("read", d.id) for t in job.trainings for d in t.datasets]
    uses.append(("stage", job.staging_bucket))
    uses += [("named", word) for pool in job.pools for word in (*pool.command, *pool.args)]
    found: dict[str, Bucket] = {}
    for use, value in uses:
        text = get(value)
        if value is None or not isinstance(text, str):
            continue
        pattern = _BUCKET_WITHIN if use == "named" else _BUCKET
        for match in pattern.finditer(text):
            if placeholder(match[1]):
                continue
            found.setdefault(match[1], Bucket(match[1], use, value.place))
    return list(found.values())[:6]


def read_registry(name: str) -> Image | None:
    """Return an image of Artifact Registry, None for another registry or a public one."""
    match = _REGISTRY.match(name) or _OLD_REGISTRY.match(name)
    if match is None or match["project"] in _PUBLIC or placeholder(match["project"]):
        return None
    if re.search(r"[${}<>\s]", name):  # a part that is filled in later
        return None
    location = match["location"]
    if match["repository"].endswith("gcr.io"):
        location = _OLD_PLACES.get(location, location)
    leaf = f"versions/{match['digest']}" if match["digest"] else f"tags/{match['tag'] or 'latest'}"
    return Image(name, match["project"], location, match["repository"], match["image"], leaf)


def images(job: Job) -> list[Image]:
    """Return the images of the job that Artifact Registry can be asked about, at most four."""
    names = dict.fromkeys(get(pool.image) for pool in job.pools)
    found = [read_registry(name) for name in names if isinstance(name, str)]
    return [image for image in found if image is not None][:4]


def secrets(job: Job, project: str) -> list[tuple[str, str]]:
    """Return (project, name) of the secrets in Secret Manager that the job's own code reads."""
    texts = [step.text for step in job.steps if step.where == "container"]
    texts += [str(value.value) for pool in job.pools for value in pool.env.values() if value.known]
    texts += [s.source.text for s in job.scripts if s.role in ("training", "helper")]
    found: dict[tuple[str, str], None] = {}
    for text in texts:
        if "secrets" not in text:
            continue
        for match in _SECRET.finditer(text):
            found[match["project"], match["name"]] = None
        for match in _SECRET_COMMAND.finditer(text):
            named = re.search(r"--secret[= ]['\"]?([A-Za-z0-9_-]+)", match[0])
            place = re.search(r"--project[= ]['\"]?([a-z0-9-]+)", match[0])
            if named and (place or project):
                found[place[1] if place else project, named[1]] = None
    return list(found)[:4]
