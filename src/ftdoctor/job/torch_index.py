"""Which index torch comes from: the command, the header or the requirements file may name one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.job.pep440 import matches, public
from ftdoctor.job.releases import releases
from ftdoctor.job.surroundings import header_of
from ftdoctor.job.torch_build import index_label, offered

if TYPE_CHECKING:
    from ftdoctor.job.environment import Environment
    from ftdoctor.job.installs import Install
    from ftdoctor.job.model import Job


def torch_offer(
    index: str, command: Install | None, environment: Environment
) -> tuple[str, ...] | None:
    """Return the builds of torch on the index that a command names, None for the default."""
    python, arch = environment.python, environment.arch
    label = index_label(index)
    beside = False
    if command is not None:
        own = index_label(command.index)
        extra = next(filter(None, map(index_label, command.extra_indexes)), "")
        label = own or extra or label
        # pip takes the highest version of all indexes, uv the first index that has the package.
        beside = not own and bool(extra) and command.tool == "pip"
    if not label or label.startswith(("rocm", "xpu")):
        return None
    builds = offered(label, python, arch)
    if not beside:
        return builds
    have = {public(build): build for build in builds}
    merged: list[str] = []
    for release in reversed(releases("torch")):
        if not python or matches(python, release.python):
            merged += [have[release.version]] if release.version in have else []
            merged.append(release.version)
    return tuple(merged)


def torch_indexes(job: Job) -> dict[str, str]:
    """Return path -> label of the torch index that a PEP 723 header or requirements file names."""
    texts = {s.source.path: header_of(s.source.text) for s in job.scripts if s.role != "submit"}
    for source in job.sources:
        if source.path not in texts and "whl/" in source.text[:20_000]:
            names_file = re.search(
                r"requirements[^/]*\.(?:txt|in)\Z|pyproject\.toml\Z", source.path
            )
            if names_file:
                texts[source.path] = source.text
    found: dict[str, str] = {}
    for path, text in texts.items():
        for line in text.splitlines():
            words = re.split(r"[\s'\"=]+", line)
            label = next(filter(None, map(index_label, words)), "")
            if label and ("whl/" in line or "torch-backend" in line):
                found.setdefault(path, label)
                if text.startswith(("\n#", "#")):
                    found.setdefault("", label)
    return found
