"""Where results are kept: `.ftdoctor/smoke/`, one JSON file a run, and which job each proves."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftdoctor.smoke.home import FOLDER, folder_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Source

#: Files of which a job is a part: the text around it (prose, outputs of cells) is not the job.
_AROUND = (".md", ".mdx", ".markdown", ".rst", ".qmd", ".ipynb")
#: A mark of ours says nothing to the job, and blanks at the end of a line say nothing to anybody.
_NOTHING = re.compile(r"[ \t]*#[ \t]*ftdoctor:.*$|[ \t]+$", re.MULTILINE)
#: Letters of a digest that are kept of each text.
_LETTERS = 16


def _texts(job: Job) -> Iterator[tuple[str, str]]:
    """Yield (file name, text) of all that was read of a job."""
    sources: list[Source] = [job.source, *job.sources, *(s.source for s in job.scripts)]
    for source in sources:
        if not source.path.lower().endswith(_AROUND):
            yield os.path.basename(source.path), source.whole or source.text
        elif not source.is_file:
            yield os.path.basename(source.path), source.text


def fingerprint(job: Job | None) -> str:
    """Return a mark of all that was read of a job, one part a text, sorted, joined by "-".

    A change of any of its files changes it; other files, prose around a job in a document, outputs
    of a notebook, and `# ftdoctor:` comments do not. File names count without their folders, so
    that a copy of the tree (the hook looks at the staged one) has the same mark.
    """
    if job is None:
        return "no job"
    parts = set()
    for name, text in _texts(job):
        kept = "\n".join(line for line in _NOTHING.sub("", text).splitlines() if line)
        parts.add(hashlib.sha256(f"{name}\0{kept}".encode()).hexdigest()[:_LETTERS])
    return "-".join(sorted(parts))


def proves(mark: str, job: str) -> bool:
    """Whether a run with the fingerprint `mark` was of the job that has the fingerprint `job`.

    All that is seen of the job must have been there. The hook may see less of it than the run did
    (a file that lies outside the folders of the commit): that is no change.
    """
    return bool(job) and set(job.split("-")) <= set(mark.split("-"))


def keep(document: dict[str, Any], job: Job | None, mark: str | None = None) -> Path:
    """Write the result of a run and return its path. `mark` is the job's fingerprint if known."""
    folder = Path(folder_of(), FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    ignored = folder.parent / ".gitignore"
    if not ignored.exists():  # results are of this machine; a commit of them would prove nothing
        ignored.write_text("*\n", "utf-8")
    stamp = time.time()
    second = time.strftime("%Y%m%dT%H%M%S", time.gmtime(stamp))
    path = folder / f"{second}.{int(stamp % 1 * 1e6):06d}-{os.getpid()}.json"
    kept = {**document, "job": mark or fingerprint(job), "ended": stamp}
    if job is not None:
        kept["path"] = job.place.path
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(kept, indent=2), "utf-8")
    partial.replace(path)
    return path


#: So many of the newest results count.
MOST = 200


def results(start: Path | str | None = None) -> list[dict[str, Any]]:
    """Return the kept results, newest first; what cannot be read is left out.

    `start` is the folder from which `.ftdoctor` is looked for upwards; the present one if None.
    """
    found = []
    for path in sorted(Path(folder_of(start), FOLDER).glob("*.json"), reverse=True)[:MOST]:
        try:
            data = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(data, dict):
            found.append(data)
    return found
