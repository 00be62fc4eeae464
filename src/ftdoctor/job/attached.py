"""Files beside a job that belong to it: the Dockerfile of its image, its requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftdoctor.job.model import Job, WorkerPool
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.value import Value


def entry_point(job: Job, pool: WorkerPool, env: ReadEnv) -> list[Value[str]]:
    """Return the ENTRYPOINT and CMD of the Dockerfile that builds a pool's image; [] if unknown."""
    return []


def attach_project(job: Job, env: ReadEnv, folder: str, cloned: bool) -> None:
    """Read the project files that `uv sync` or `pip install .` would install from."""
