"""The PEP 723 header of a script that uv runs, and cannot read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.rulebook.model import Hit, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.pep723 import Header


def broken(context: Context, **_: object) -> Iterator[Hit]:
    """The header is not closed, or is no TOML: uv stops at it (uv 0.13.9, `uv run`).

    A script of which only the file is seen may be started with plain Python, to which the header is
    a comment: then it is a warning.
    """
    job = context.job
    header: Header | None = job.extra.get("header")
    if header is None or not header.broken or "requirement" in header.broken:
        return
    if not header.place.path.endswith(".py"):
        return
    launches = job.extra.get("launches", [])
    by_uv = any({"uv run", "uvx"} & set(launch.launchers) for launch in launches)
    if launches and not by_uv and job.platform != "hf-jobs":
        return
    severity: Severity | None = None if by_uv or job.platform == "hf-jobs" else "warning"
    yield Hit(header.place, {"why": header.broken}, {"why": header.broken}, severity=severity)
