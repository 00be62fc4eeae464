"""Job ids in every form that people paste: numbers, resource names, console and Hub URLs."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from ftdoctor.lazy import lazy
from ftdoctor.platforms.base import JobId

_RESOURCE = lazy(
    r"(?:^|/)projects/(?P<project>[^/\s]+)/locations/(?P<region>[a-z0-9-]+)"
    r"/(?P<kind>customJobs|trainingPipelines)/(?P<id>\d{6,25})"
)
#: vertex-ai/locations/L/training/ID (SDK 1.x), agent-platform/locations/L/training/ID (SDK 2.7,
#: aiplatform/jobs.py:208), vertex-ai/training/custom-jobs/locations/L/ID, ai/platform/locations/...
_CONSOLE = lazy(
    r"/(?:vertex-ai|agent-platform|ai/platform)/(?:training/(?P<page>custom-jobs|training-pipelines)/)?"
    r"locations/(?P<region>[a-z0-9-]+)/(?:training/|custom-jobs/|training-pipelines/)?(?P<id>\d{6,25})"
)
_NUMBER = lazy(r"\d{6,25}\Z")
_HEX = lazy(r"[0-9a-f]{24}\Z")
_OWNED = lazy(r"(?P<owner>[A-Za-z0-9][\w.-]{0,95})/(?P<id>[0-9a-f]{24})\Z")
_HUB = lazy(r"/jobs/(?P<owner>[^/]+)/(?P<id>[0-9a-f]{24})(?:/|\Z)")
_LOG_FILTER = lazy(r'(?:ml_job/job_id/|resource\.labels\.job_id="?)(\d{6,25})')


def parse_id(
    text: str, *, platform: str = "auto", project: str = "", region: str = "", namespace: str = ""
) -> JobId | None:
    """Return the job that a text names, None when it names none.

    `project`, `region` and `namespace` fill in what a bare id does not say.
    """
    text = text.strip().strip("'\"")
    if platform in ("auto", "vertex"):
        found = _vertex(text, project, region)
        if found is not None:
            return found
    if platform in ("auto", "hf-jobs"):
        return _hub(text, namespace)
    return None


def _vertex(text: str, project: str, region: str) -> JobId | None:
    plain = unquote(text)
    match = _RESOURCE.search(plain)
    if match:
        return JobId("vertex", match["id"], match["project"], match["region"], match["kind"])
    if "://" in text:
        url = urlsplit(text)
        query = parse_qs(url.query)
        owner = query.get("project", [project])[0]
        match = _CONSOLE.search(url.path)
        if match and "google.com" in url.netloc:
            kind = "trainingPipelines" if match["page"] == "training-pipelines" else "customJobs"
            return JobId("vertex", match["id"], owner, match["region"], kind)
        match = _LOG_FILTER.search(plain)
        if match and "google.com" in url.netloc:
            return JobId("vertex", match[1], owner, region, "customJobs")
        return None
    if _NUMBER.match(text):
        return JobId("vertex", text, project, region, "customJobs")
    return None


def _hub(text: str, namespace: str) -> JobId | None:
    if "://" in text:
        match = _HUB.search(urlsplit(text).path)
        return JobId("hf-jobs", match["id"], match["owner"]) if match else None
    match = _OWNED.match(text)
    if match:
        return JobId("hf-jobs", match["id"], match["owner"])
    return JobId("hf-jobs", text, namespace) if _HEX.match(text) else None
