"""What belongs together in a document: the script that a call sends, the packages of a list."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftdoctor.job.model import Job
from ftdoctor.job.value import get

if TYPE_CHECKING:
    from ftdoctor.job.fences import Fence
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Source

_STANDS_FOR = (
    r"(?i)\s*(?:\.{3}|<[^<>\n]{1,60}>|\[[^\[\]\n]{1,60}\]|(?:your|the)[ _]?script\b.{0,40})\s*"
)


def link_scripts(jobs: list[Job], env: ReadEnv) -> list[Job]:
    """Give a call that says "<script content>" the one whole script that the document shows.

    Only a call that names its hardware is such a launch; others illustrate one argument.
    """
    shown = [job for job in jobs if job.form == "uv-script" and job.platform == "local"]
    calls = [job for job in jobs if job.form == "hf-jobs-call" and _leaves_out(job)]
    if len(shown) != 1 or not calls:
        return jobs
    from ftdoctor.job.steps import add_script, read_script_header

    script = shown[0].source
    for job in calls:
        job.unread = [item for item in job.unread if item.what != "script"]
        read_script_header(job, script)
        add_script(job, script, [], env)
    return [job for job in jobs if job is not shown[0]]


def _leaves_out(job: Job) -> bool:
    text = get(job.extra.get("script"))
    return (
        isinstance(text, str) and job.flavor is not None and bool(re.fullmatch(_STANDS_FOR, text))
    )


def listed_packages(blocks: list[Fence], source: Source, env: ReadEnv) -> list[Job]:
    """Return the job of a document that shows a requirements file and nothing that is launched."""
    from ftdoctor.job.requirements import read_requirements

    for fence in blocks:
        named = any(
            re.fullmatch(r"requirements[\w.-]*\.txt", posixpath.basename(name))
            for name in fence.names[:1]
        )
        if not named or fence.language not in ("", "python", "other"):
            continue
        requirements = read_requirements(fence.source)
        if len(requirements) < 2 or any("=" in r.name for r in requirements):
            continue
        job = Job("unknown", "other", fence.source.place(1), fence.source)
        job.name = fence.names[0]
        job.sources.extend([fence.source, source])
        job.requirements.extend(requirements)
        return [job]
    return []
