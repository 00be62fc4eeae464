"""Lock files: uv.lock, poetry.lock, pdm.lock, Pipfile.lock, pylock.toml, compiled requirements.

Each package becomes an exact requirement with source "lock".
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ftdoctor.job.model import Requirement
from ftdoctor.job.requirements import normal, read_requirements
from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from ftdoctor.job.source import Place, Source

_TOML_LOCKS = ("uv.lock", "poetry.lock", "pdm.lock")
_PACKAGE = lazy(
    r"(?m)^\[\[packages?\]\][ \t]*\n(?P<body>(?:(?!^\[\[packages?\]\]|^\[(?!packages?\.)).*\n?)*)"
)
_FIELD = lazy(r"(?m)^(name|version|source|marker)\s*=\s*(?:\"([^\"]*)\"|(\{[^\n]*))")
_REGISTRY = lazy(r"(?:registry|index|url|git)\s*=\s*\"([^\"]*)\"")
_INDEX = lazy(r"https?://\S+?/whl/[A-Za-z0-9.]+")


def is_lock(path: str) -> bool:
    """Whether a file name is that of a lock file that is read here."""
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    return (
        name in _TOML_LOCKS
        or name == "Pipfile.lock"
        or bool(re.fullmatch(r"pylock(?:\.[\w-]+)?\.toml", name))
        or bool(re.fullmatch(r"requirements?[\w.-]*[-_.]?lock[\w.-]*(?:\.txt)?", name))
    )


def read_lock(source: Source) -> list[Requirement]:
    """Return the packages of a lock file, exact. A file that is broken gives what can be read."""
    name = source.path.replace("\\", "/").rsplit("/", 1)[-1]
    if name == "Pipfile.lock" or source.text.lstrip()[:1] == "{":
        return _pipfile(source)
    if name in _TOML_LOCKS or name.endswith(".toml") or "[[package" in source.text[:20_000]:
        return _toml(source)
    return [
        Requirement(r.name, r.specifier, "lock", r.place, r.extras, r.url, r.marker)
        for r in read_requirements(source)
    ]


def _toml(source: Source) -> list[Requirement]:
    """Read `[[package]]` tables by their first lines: whole TOML parsing of a lock is slow."""
    found: list[Requirement] = []
    seen: dict[str, int] = {}
    for match in _PACKAGE.finditer(source.text):
        fields: dict[str, str] = {}
        where: Place | None = None
        for item in _FIELD.finditer(match["body"]):
            key = item[1]
            if key in fields:
                continue
            fields[key] = item[2] if item[2] is not None else item[3]
            if key == "version":
                start = match.start("body") + item.start()
                where = source.span(start, match.start("body") + item.end())
        package, version = fields.get("name"), fields.get("version")
        origin = fields.get("source", "")
        if not package or "editable" in origin or "virtual" in origin or "directory" in origin:
            continue
        url = _REGISTRY.search(origin)
        git = url[1] if url is not None and origin.startswith("{ git") else ""
        index = url[1] if url is not None and _INDEX.match(url[1]) else ""
        requirement = Requirement(
            normal(package), f"=={version}" if version else "", "lock", where, url=git, index=index
        )
        # One package may be locked in several versions, by marker: which one is not told here.
        if requirement.name in seen:
            other = found[seen[requirement.name]]
            if other.specifier != requirement.specifier:
                found[seen[requirement.name]] = _forked(other, requirement)
            continue
        seen[requirement.name] = len(found)
        found.append(requirement)
    return found


def _forked(one: Requirement, two: Requirement) -> Requirement:
    """Return one requirement for two locked versions: the CUDA build where one is a CPU build."""
    cpu = re.compile(r"\+cpu\b")
    if cpu.search(one.specifier) and not cpu.search(two.specifier):
        return two
    if cpu.search(two.specifier):
        return one
    marker = "several versions are locked"
    return Requirement(one.name, "", "lock", one.place, marker=marker)


def _pipfile(source: Source) -> list[Requirement]:
    try:
        data = json.loads(source.text)
    except (ValueError, RecursionError):
        return []
    section = data.get("default") if isinstance(data, dict) else None
    found: list[Requirement] = []
    for name, entry in section.items() if isinstance(section, dict) else ():
        if not isinstance(entry, dict):
            continue
        version = entry.get("version")
        at = source.text.find(f'"{name}"')
        place = source.span(at, at + len(name) + 2) if at >= 0 else None
        found.append(
            Requirement(
                normal(str(name)),
                version if isinstance(version, str) and version != "*" else "",
                "lock",
                place,
                tuple(str(e) for e in _listed(entry.get("extras"))),
                str(entry.get("git") or ""),
                str(entry.get("markers") or ""),
            )
        )
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
