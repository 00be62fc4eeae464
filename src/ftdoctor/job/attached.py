"""Files beside a job that belong to it: the Dockerfile of its image, its project and lock files."""

from __future__ import annotations

import posixpath
from functools import partial
from typing import TYPE_CHECKING

from ftdoctor.lazy import lazy
from ftdoctor.records import replace

if TYPE_CHECKING:
    from ftdoctor.job.dockerfile import Dockerfile
    from ftdoctor.job.model import Job, WorkerPool
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Source
    from ftdoctor.job.value import Value

#: Images that somebody else built: the Dockerfile beside the job is not theirs.
_PUBLIC = lazy(
    r"(?:\w+-docker\.pkg\.dev|gcr\.io)/(?:vertex-ai|deeplearning-platform-release|cloud-aiplatform)/"
    r"|nvcr\.io/|ghcr\.io/(?:astral-sh|huggingface)/|public\.ecr\.aws/|quay\.io/|mcr\.microsoft\.com/"
    r"|registry\.hf\.space/|hf\.co/|docker\.io/"
)
_DOCKERFILES = (
    "Dockerfile",
    "docker/Dockerfile",
    "Dockerfile.gpu",
    "Dockerfile.train",
    "Dockerfile.training",
    "Dockerfile.cuda",
    "train.Dockerfile",
)
_LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml")


def is_public(image: str) -> bool:
    """Whether an image is one that the job's owner did not build."""
    first = image.split("/", 1)[0]
    has_host = "." in first or ":" in first or first == "localhost"
    return bool(_PUBLIC.match(image)) or not has_host


def attach_dockerfile(job: Job, pool: WorkerPool, env: ReadEnv) -> Dockerfile | None:
    """Read the Dockerfile that builds a pool's image: base image, installs, environment.

    It is taken to be the only Dockerfile beside the job, when the image lies in a registry of its
    own. What it holds is kept in `Job.extra["dockerfile"]`, the image that it starts from in
    `Job.extra["base_image"]`.
    """
    if "dockerfile" in job.extra:
        kept: Dockerfile | None = job.extra["dockerfile"]
        return kept
    job.extra["dockerfile"] = None
    source = _dockerfile(pool, env)
    if source is None:
        return None
    from ftdoctor.job.dockerfile import read_dockerfile
    from ftdoctor.job.steps import install_steps

    found = read_dockerfile(source)
    if found.base is None:
        return None
    job.extra["dockerfile"] = found
    job.extra["base_image"] = found.base
    job.extra["image_files"] = partial(_image_files, found)
    job.sources.append(source)
    install_steps(job, found.steps, env)
    if any("TOKEN" in name or name.startswith("HF_") for name in found.env):
        pool.env_open = pool.env_open or "the Dockerfile of the image sets variables too"
    return found


def _image_files(found: Dockerfile) -> tuple[set[str], str] | None:
    from ftdoctor.job.image_files import image_files

    return image_files(found)


def _dockerfile(pool: WorkerPool, env: ReadEnv) -> Source | None:
    image = pool.image
    if image is None or (image.known and is_public(image.value or "")):
        return None
    if not image.known and image.default and is_public(str(image.default)):
        return None
    written = [s for p, s in env.written.items() if "Dockerfile" in posixpath.basename(p)]
    if written:
        return written[0] if len(written) == 1 else None
    found = [source for name in _DOCKERFILES if (source := env.read_file(name)) is not None]
    if not found:
        return env.read_file("../Dockerfile")
    return found[0] if len(found) == 1 else None


def entry_point(
    job: Job, pool: WorkerPool, env: ReadEnv
) -> tuple[list[Value[str]], list[Value[str]]]:
    """Return the ENTRYPOINT and the CMD of the image that the Dockerfile beside the job builds."""
    found = attach_dockerfile(job, pool, env)
    if found is None:
        return [], []
    return found.entrypoint, found.command


def attach_project(job: Job, env: ReadEnv, folder: str) -> bool:
    """Read the project that `uv sync`, `uv run` or `pip install .` installs; False without one.

    A lock file decides over the project file's ranges. Code that the job clones brings project
    files of its own, which are not here.
    """
    if any(item.what == "cloned code" for item in job.unread):
        return False
    from ftdoctor.job.locks import read_lock
    from ftdoctor.job.pyproject import read_pyproject

    base = f"{folder}/" if folder not in ("", ".") else ""
    lock = next((s for name in _LOCKS if (s := env.read_file(base + name)) is not None), None)
    project = env.read_file(base + "pyproject.toml")
    known = {source.path for source in job.sources}
    if lock is not None and lock.path not in known:
        job.sources.append(lock)
        job.requirements.extend(read_lock(lock))
    if project is not None and project.path not in known:
        job.sources.append(project)
        read = read_pyproject(project)
        job.extra.setdefault("project", read)
        job.requirements.extend(read.requirements)
        for name in read.default_groups:
            job.requirements.extend(read.groups.get(name, []))
        if job.python is None and read.requires_python is not None:
            job.python = read.requires_python
    setup = env.read_file(base + "setup.py") if lock is None and project is None else None
    if setup is not None and setup.path not in known:
        from ftdoctor.job.pyproject import read_setup

        job.sources.append(setup)
        job.requirements.extend(read_setup(setup, env).requirements)
    return lock is not None or project is not None or setup is not None


def attach_requirements(job: Job, env: ReadEnv) -> None:
    """Read the requirements file beside a script that says nothing else about its packages."""
    if job.requirements or job.platform != "local":
        return
    from ftdoctor.job.requirements import read_requirements

    source = env.read_file("requirements.txt")
    if source is not None:
        job.requirements.extend(
            replace(r, source="requirements") for r in read_requirements(source, env)
        )
        job.sources.append(source)
