"""Where results are kept: `.ftdoctor/smoke/`, one JSON file a run, and which job each proves."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftdoctor.job.model import Job

FOLDER = Path(".ftdoctor") / "smoke"


def fingerprint(job: Job | None) -> str:
    """Return a mark of all that was read of a job: a change of any of its files changes it."""
    if job is None:
        return "no job"
    digest = hashlib.sha256()
    seen = set()
    for source in [job.source, *job.sources, *(s.source for s in job.scripts)]:
        if source.path not in seen:
            seen.add(source.path)
            digest.update(
                f"{os.path.basename(source.path)}\0{source.whole or source.text}\0".encode()
            )
    return digest.hexdigest()[:24]


def keep(document: dict[str, Any], job: Job | None, mark: str | None = None) -> Path:
    """Write the result of a run and return its path. `mark` is the job's fingerprint if known."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    stamp = time.time()
    path = FOLDER / f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(stamp))}-{os.getpid()}.json"
    kept = {**document, "job": mark or fingerprint(job), "ended": stamp}
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(kept, indent=2), "utf-8")
    partial.replace(path)
    return path


def results() -> list[dict[str, Any]]:
    """Return the kept results, newest first; what cannot be read is left out."""
    found = []
    for path in sorted(FOLDER.glob("*.json"), reverse=True):
        try:
            data = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(data, dict):
            found.append(data)
    return found
