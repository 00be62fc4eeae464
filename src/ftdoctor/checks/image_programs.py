"""Programs that a command calls and that its image does not bring along."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import program, remote, step_text
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context

_HUB = r"(?:docker\.io/)?(?:library/)?"
#: What published images are known to lack (their Dockerfiles, November 2026): pattern of the image,
#: programs of the system, programs that come with Python packages.
_LACKS: tuple[tuple[str, str, str], ...] = (
    (
        rf"{_HUB}python:[\w.]+-slim[\w.-]*\Z",
        "git curl wget gcc make",
        "uv torchrun accelerate trl hf",
    ),
    (rf"{_HUB}python:(?!.*(?:slim|alpine))[\w.-]+\Z", "", "uv torchrun accelerate trl hf"),
    (r"(?:docker\.io/)?pytorch/pytorch:", "", "uv accelerate trl hf"),
    (
        r"(?:docker\.io/)?nvidia/cuda:",
        "python python3 pip pip3 git",
        "uv torchrun accelerate trl hf",
    ),
    (
        rf"{_HUB}(?:ubuntu|debian):",
        "python pip pip3 git curl wget",
        "uv torchrun accelerate trl hf",
    ),
)
_SYSTEM = lazy(r"apt(?:-get)?\s+(?:-\S+\s+)*install|apk\s+add|(?:micro)?(?:mamba|conda)\s+install")
_PACKAGES = lazy(
    r"\bpip[\d.]*\s+install|\buv\s+(?:pip|sync|tool)|install\.sh|poetry\s+install|get-pip"
)


def missing(context: Context, **_: object) -> Iterator[Hit]:
    """A step calls a program before anything installs it."""
    job = context.job
    if not remote(job) or len({get(p.image) for p in job.pools}) != 1:
        return
    image = get(job.pools[0].image) or ""
    found = next((row for row in _LACKS if re.match(row[0], image)), None)
    if found is None:
        return
    system, packaged = set(found[1].split()), set(found[2].split())
    for step in job.steps:
        if step.where != "container":
            continue
        text = step_text(step)
        name = program(step)
        if _SYSTEM.search(text):
            system = set()
        if re.match(r"command\b|which\b|type\b|if\b", text) or "condition" in step.inside:
            return  # the script looks for itself what there is
        if name in system | packaged and step.argv:
            values = {"tool": name, "image": image}
            yield Hit(step.argv[0].place or step.place, values, values)
            return
        if _PACKAGES.search(text):
            packaged = set()
