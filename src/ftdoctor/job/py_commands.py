"""Commands that a submit script runs: gcloud and hf through subprocess or os.system."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.job.py_run import Run
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Source


def command_jobs(run: Run, source: Source, env: ReadEnv) -> list[Job]:
    """Return the jobs behind the commands that a script runs."""
    return []
