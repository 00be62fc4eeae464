"""Which environment a job runs in: told from its platform, image and commands."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftdoctor.job.environment import Environment
from ftdoctor.job.images import Image, colab_image, read_image
from ftdoctor.job.pep440 import matches
from ftdoctor.job.value import get

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.job.environment import Kind
    from ftdoctor.job.model import Job, Step

#: Image of `hf jobs uv run` when none is given (huggingface_hub 2.4.0, _jobs_api.py).
UV_IMAGE = "ghcr.io/astral-sh/uv:python3.12-bookworm"
_HEADER = r"^# /// script\s*$(.*?)^# ///\s*$"
_REQUIRES_PYTHON = r"^#\s*requires-python\s*=\s*[\"']([^\"']+)[\"']"
#: Minor versions that uv offers, in the order in which it looks for one to download.
_PYTHONS = ("3.14", "3.13", "3.12", "3.11", "3.10", "3.9", "3.8")
_UV_FORMS = frozenset({"uv-script"})
_ARM_MACHINES = r"a4x-|c4a-|t2a-"


def words(step: Step) -> list[str]:
    """Return the known words of a command; a word that is not known is ""."""
    return [value.value if value.known and value.value is not None else "" for value in step.argv]


def job_steps(job: Job) -> Iterator[tuple[Step, list[str]]]:
    """Yield the commands that run in the job itself, with their words."""
    for step in job.steps:
        if step.where != "submit":
            texts = words(step)
            if texts:
                yield step, texts


def header_of(text: str) -> str:
    """Return the PEP 723 header of a script without its markers, "" when it has none."""
    match = re.search(_HEADER, text, re.M | re.S)
    return match[1] if match else ""


def _headers(job: Job) -> list[str]:
    scripts = [s.source.text for s in job.scripts if s.role != "submit"]
    return [header for header in map(header_of, scripts) if header]


def image_of(job: Job) -> str:
    """Return the image of the chief pool, "" when it is not written or not known.

    Of an image that a Dockerfile beside the job builds, it is the image that it starts from.
    """
    base = job.extra.get("base_image")
    if base is not None and get(base):
        return str(get(base))
    pool = job.pool
    return (get(pool.image) if pool else None) or ""


def environment_of(job: Job) -> Environment:
    """Return the environment of a job, packages not yet resolved."""
    kind = _kind(job)
    environment = Environment(kind=kind)
    if kind == "colab":
        environment.image = colab_image()
        environment.python = environment.image.python
        environment.python_source = "Colab"
        return environment
    uri = image_of(job)
    if not uri and job.platform == "hf-jobs" and _uses_uv(job) and not _image_written(job):
        uri = UV_IMAGE
    if uri:
        environment.image = read_image(uri)
    machine = get(job.pool.machine_type) if job.pool else None
    if machine and re.match(_ARM_MACHINES, machine):
        environment.arch = "aarch64"
    environment.python, environment.python_source = _python(job, kind, environment.image)
    return environment


def _image_written(job: Job) -> bool:
    return bool(job.pool and job.pool.image is not None)


def _uses_uv(job: Job) -> bool:
    if job.form in _UV_FORMS:
        return True
    if any(r.source in ("pep723", "uv-with") for r in job.requirements):
        return True
    if job.extra.get("uv"):
        return True
    return any(posixpath.basename(t[0]) == "uv" and t[1:2] == ["run"] for _, t in job_steps(job))


def _kind(job: Job) -> Kind:
    if job.platform == "colab":
        return "colab"
    has_header = bool(_headers(job)) or any(r.source == "pep723" for r in job.requirements)
    in_container = [posixpath.basename(t[0]) + " " + " ".join(t[1:2]) for _, t in job_steps(job)]
    runs_uv = "uv run" in in_container
    if job.platform in ("hf-jobs", "vertex"):
        if job.platform == "hf-jobs" and _uses_uv(job):
            custom = bool(image_of(job)) and not image_of(job).startswith("ghcr.io/astral-sh/uv")
            return "uv-script" if has_header or not custom else "image"
        if runs_uv and has_header:
            return "uv-script"
        if runs_uv or "uv sync" in in_container or "poetry run" in in_container:
            return "uv-project"
        if _makes_venv(job):
            return "venv"
        return "image" if job.pool else "unknown"
    if job.form == "uv-script" or (has_header and (runs_uv or job.form in ("script", "uv-script"))):
        return "uv-script"
    return "local"


def _makes_venv(job: Job) -> bool:
    for _, texts in job_steps(job):
        line = " ".join(texts)
        if re.search(r"(?:^|\s)(?:-m\s+venv|virtualenv|uv venv)\b", line):
            return "--system-site-packages" not in line
        if re.match(r"(?:conda|mamba|micromamba)\s+create\b", line):
            return True
    return False


def _python(job: Job, kind: Kind, image: Image | None) -> tuple[str, str]:
    stated = get(job.python)
    wanted = ""
    for header in _headers(job):
        match = re.search(_REQUIRES_PYTHON, header, re.M)
        wanted = match[1] if match else wanted
    minor = re.match(r"(?:cpython-?|python)?(3\.\d+)", stated or "")
    if minor:
        return minor[1], "as the job asks"
    if stated and re.match(r"[<>=~!]", stated):
        wanted = wanted or stated
    base = image.python if image else ""
    for _, texts in job_steps(job):
        if re.match(r"(?:conda|mamba|micromamba)\b", texts[0]) and "create" in texts[1:2]:
            named = next((t for t in texts if re.fullmatch(r"python=+3\.\d+(?:\.\d+)?", t)), "")
            if named:
                return ".".join(named.split("=")[-1].split(".")[:2]), "conda create"
    if kind == "uv-script" and wanted:
        if base and matches(base, wanted):
            return base, "the image"
        if base or image is None:
            fits = [p for p in _PYTHONS if matches(p, wanted) or matches(f"{p}.1", wanted)]
            if fits and (base or len(fits) == 1):
                return fits[0], f"requires-python {wanted}"
        return "", "uv takes any Python that requires-python allows"
    if kind == "uv-project" and (image is None or image.family not in ("python", "uv")):
        return "", "uv takes any Python that the project allows"
    if kind == "venv" and any(t[:2] == ["uv", "venv"] for _, t in job_steps(job)):
        return "", "uv chooses the Python"
    if base:
        return base, "the image"
    return (
        "",
        image.reason if image and image.reason else "the job does not say which Python runs it",
    )
