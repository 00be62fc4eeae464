"""What runs inside a container: its command and arguments as steps, installs, scripts, training."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftdoctor.job.model import Job, WorkerPool
    from ftdoctor.job.readenv import ReadEnv


def attach_command(job: Job, pool: WorkerPool, env: ReadEnv) -> None:
    """Read what a worker pool runs into the job: steps, requirements, scripts and trainings."""
