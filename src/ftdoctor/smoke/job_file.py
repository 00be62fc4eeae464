"""The job that a smoke run is about: read from the file that is named, or read again later."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ftdoctor.errors import FtdoctorError, UsageError

if TYPE_CHECKING:
    from ftdoctor.job.model import Job


def job_at(named: str | None, *, here: bool = False) -> Job | None:
    """Return the job of a file: the one at FILE:LINE, else the first that trains; None for None.

    Its versions are those that `check` would resolve, with what the configuration sets. `here`: it
    runs on the GPU of this machine, which is looked at as `check --local` does.

    Raises:
        UsageError: there is no such file, or no job in it.
    """
    if named is None:
        return None
    from ftdoctor.commands.options import pins
    from ftdoctor.config import find
    from ftdoctor.job.read import read
    from ftdoctor.job.versions import resolve_job

    path, colon, line = named.rpartition(":")
    if os.path.exists(named) or not (colon and line.isdigit()):
        path, line = named, ""
    if not os.path.exists(path):
        raise UsageError(f"{path}: no such file or folder.", "Give a job file, or none at all.")
    jobs = read([path]).jobs
    if not jobs:
        raise UsageError(f"{path}: no job was found in it.", "Give a job file, or none at all.")
    at = [j for j in jobs if line and j.place.line == int(line)]
    found = next((j for j in at or jobs if j.training is not None), (at or jobs)[0])
    if here and found.platform == "local":
        from ftdoctor.facts.look import looker

        found.machine = looker(local=True)(found)
    resolve_job(found, pins(find().with_))
    return found


def job_again(state: dict[str, Any]) -> Job | None:
    """Return the job of a run that is resumed, None where its files are gone or have changed.

    `state` is the state file's: `path`, `line` and `fingerprint` are looked at.
    """
    from ftdoctor.smoke.state import fingerprint

    path = state.get("path")
    if not isinstance(path, str) or not os.path.exists(path):
        return None
    try:
        job = job_at(f"{path}:{state.get('line') or 1}")
    except FtdoctorError:
        return None
    return job if fingerprint(job) == state.get("fingerprint") else None
