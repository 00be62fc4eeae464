"""A script that the job starts and that the Dockerfile of its image does not put there."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from ftdoctor.checks.about import near_names
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Edit, Hit, Severity, TextEdit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context


def script_missing(context: Context, **_: object) -> Iterator[Hit]:
    """The command names a script that no COPY or ADD of the Dockerfile brings into the image.

    Said only when the Dockerfile shows all that it puts there: no other stage, nothing fetched or
    written by RUN, a public base image, sources without patterns and variables.
    """
    job = context.job
    launches = [x for x in job.extra.get("launches", []) if x.kind == "python"]
    if not launches or job.volumes or "image_files" not in job.extra:
        return
    there = job.extra["image_files"]()
    if there is None:
        return
    files, workdir = there
    for launch in launches:
        target = launch.target
        if launch.step.where != "container" or target is None:
            continue
        path = get(target)
        if not path or not path.endswith(".py") or path.startswith(("/gcs/", "~", "$", "/mnt/")):
            continue
        if "://" in path or any(
            "cd" == get(step.argv[0]) == "cd" for step in job.steps if step.argv
        ):
            continue
        full = posixpath.normpath(posixpath.join(workdir, path))
        if full in files:
            continue
        near = near_names(full, sorted(f for f in files if f.endswith(".py")), 1, 0.6)
        right = near[0] if near else ""
        values = {
            "script": path,
            "full": full,
            "near": f"; it has {right}" if right else "",
        }
        edits = {}
        if right and path.startswith("/") and target.place and target.place.end_line:
            change = TextEdit(target.place, f"\0{right}\0")
            edits["right"] = Edit(f"Write {right}", (change,))
        summary = "{full} is not in the image: the Dockerfile copies no such file{near}."
        # Without a file that is meant, the image may have been built from another Dockerfile.
        severity: Severity | None = None if right else "warning"
        place = target.place or launch.step.place
        yield Hit(place, values, values, edits, severity, summary)
        return
