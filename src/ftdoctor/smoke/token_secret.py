"""Where the job keeps its Hugging Face token: a secret of Secret Manager, read off the job."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ftdoctor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.job.model import Job

_SOURCE = Path(__file__).with_name("fetch_secret.py")
_NAME = r"[A-Za-z0-9_-]{1,255}"
_WHOLE = re.compile(
    rf"projects/(?P<project>[a-z0-9:.-]+)/secrets/(?P<secret>{_NAME})"
    rf"(?:/versions/(?P<version>[A-Za-z0-9_-]+))?"
)
#: `gcloud secrets versions access latest --secret=NAME`, in any order of its words.
_GCLOUD = re.compile(
    r"secrets\s+versions\s+access\s+(?P<version>[A-Za-z0-9_-]+)(?P<rest>[^\n;&|)]*)"
)
_FLAG = re.compile(rf"--secret[= ]['\"]?(?P<secret>{_NAME})")
_PROJECT = re.compile(r"--project[= ]['\"]?(?P<project>[a-z0-9:.-]+)")
_TOKEN = re.compile(r"(?i)hf|hugging|hub[_-]?token")


def whole_name(text: str, project: str) -> str:
    """Return projects/P/secrets/S/versions/V for a name that may lack its ends.

    Raises:
        UsageError: it is no name of a secret.
    """
    match = _WHOLE.fullmatch(text)
    if match:
        return _joined(match["project"], match["secret"], match["version"])
    if re.fullmatch(_NAME, text) and project:
        return _joined(project, text, None)
    raise UsageError(
        f"--token-secret {text!r} is no name of a secret.",
        "Write projects/PROJECT/secrets/NAME, or NAME for one of the job's own project.",
    )


def _joined(project: str, secret: str, version: str | None) -> str:
    return f"projects/{project}/secrets/{secret}/versions/{version or 'latest'}"


def of_job(job: Job | None, project: str) -> str:
    """Return the secret from which the job itself reads its Hugging Face token, "" for none."""
    if job is None:
        return ""
    found = dict.fromkeys(_named(job, project))
    about = [name for name in found if _TOKEN.search(name.split("/")[3])]
    return about[0] if len(about) == 1 else ""


def _named(job: Job, project: str) -> Iterator[str]:
    texts = [step.text for step in job.steps if step.where == "container"]
    for value in [v for pool in job.pools for v in (*pool.command, *pool.args)]:
        if value.known and isinstance(value.value, str):
            texts.append(value.value)
    texts += [s.source.text for s in job.scripts if s.role != "submit"]
    for text in texts:
        for match in _WHOLE.finditer(text):
            yield _joined(match["project"], match["secret"], match["version"])
        for match in _GCLOUD.finditer(text):
            secret = _FLAG.search(match["rest"])
            named = _PROJECT.search(match["rest"])
            owner = named["project"] if named else project
            if secret and owner:
                yield _joined(owner, secret["secret"], match["version"])


def code(name: str, variable: str = "HF_TOKEN") -> str:
    """Return Python that sets a variable to a secret's value, to stand in front of the payload."""
    return f"{_SOURCE.read_text('utf-8')}\n\nfetch({name!r}, {variable!r})\n"
