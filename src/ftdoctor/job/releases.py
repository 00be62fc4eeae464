"""The releases of a package, as the index had them on the day of our tables."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

from ftdoctor.job.pep440 import is_prerelease, matches, newer
from ftdoctor.tables import table


class Need(NamedTuple):
    """One Requires-Dist line, its marker already found to hold on Linux."""

    name: str
    specifier: str
    extras: tuple[str, ...] = ()
    #: The extra that asks for it, "" for none.
    extra: str = ""


class Release(NamedTuple):
    """One release. `python` is its Requires-Python."""

    version: str
    date: str
    python: str
    requires: tuple[str, ...]
    yanked: bool = False


_NAME = r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?\s*(.*)"
_EXTRA = r"extra\s*==\s*[\"']([^\"']+)[\"']"
_SIMPLE_MARKERS = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
}
_COMPARE = r"(\w+)\s*(==|!=|<=|>=|<|>|in|not in)\s*[\"']([^\"']*)[\"']\Z"
_REVERSED = r"[\"']([^\"']*)[\"']\s*(in)\s*(\w+)\Z"


def canonical(name: str) -> str:
    """Return the normalised name of a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def known_package(name: str) -> bool:
    """Whether the tables list the releases of this package."""
    return bool(releases(canonical(name)))


@cache
def releases(name: str) -> tuple[Release, ...]:
    """Return the final releases of a package, oldest first; () when the tables do not have it."""
    if name == "torch":
        return tuple(
            Release(row["version"], row["date"], row["requires_python"], _torch_needs(row))
            for row in table("torch")["releases"]
        )
    if name in _other_names():
        rows = table("others")["packages"][name]
        return tuple(Release(r[0], r[1], r[2], tuple(r[3]), len(r) > 4) for r in rows)
    try:
        data = table(f"releases/{name}")
    except FileNotFoundError:
        return ()
    pool = data["requires"]
    return tuple(
        Release(row[0], row[1], row[2], tuple(pool[row[3]]), len(row) > 4)
        for row in data["releases"]
    )


def _torch_needs(row: dict[str, Any]) -> tuple[str, ...]:
    """Return what torch requires of the packages that the tables follow (x86_64 wheels)."""
    bound = row["triton"]
    return (f"triton{bound}; platform_machine == 'x86_64'",) if bound else ()


@cache
def _other_names() -> frozenset[str]:
    """Names of table `others` without reading its 50 kB for packages that it does not have."""
    names = "deepspeed flash-attn liger-kernel torchao torchaudio torchvision triton vllm xformers"
    return frozenset(names.split())


def find(name: str, version: str) -> Release | None:
    """Return one release, or None when the tables do not have it."""
    bare = version.partition("+")[0]
    for release in reversed(releases(name)):
        if release.version == bare:
            return release
    for release in releases(name):
        if matches(release.version, f"=={bare}"):
            return release
    return None


@cache
def needs(name: str, version: str, python: str, arch: str = "x86_64") -> tuple[Need, ...]:
    """Return what a release requires on Linux with this Python ("3.11"), extras marked as such."""
    release = find(name, version)
    if release is None:
        return ()
    found = []
    for line in release.requires:
        need = parse_need(line, python, arch)
        if need is not None:
            found.append(need)
    return tuple(found)


def parse_need(line: str, python: str, arch: str = "x86_64") -> Need | None:
    """Return a Requires-Dist line, or None when its marker does not hold or it has no name."""
    body, _, marker = line.partition(";")
    extra = ""
    if marker.strip():
        named = re.search(_EXTRA, marker)
        extra = canonical(named[1]) if named else ""
        if not _holds(marker, python, arch):
            return None
    match = re.match(_NAME, body)
    if not match:
        return None
    extras = tuple(canonical(e) for e in (match[2] or "").split(",") if e.strip())
    return Need(canonical(match[1]), match[3].strip().strip("()").strip(), extras, extra)


def _holds(marker: str, python: str, arch: str) -> bool:
    """Evaluate a marker for Linux; `extra == ...` counts as true (the caller looks at it)."""
    nested = "(" in marker and " or " in marker
    text = marker.replace("(", " ").replace(")", " ").strip()
    if not nested:  # `and` binds tighter than `or` (PEP 508)
        choices = [
            [_term(term.strip(), python, arch) for term in choice.split(" and ")]
            for choice in text.split(" or ")
        ]
        if all(answer is not None for choice in choices for answer in choice):
            return any(all(choice) for choice in choices)
    return _marker_with_packaging(marker, python, arch)


def _term(term: str, python: str, arch: str) -> bool | None:
    turned = re.match(_REVERSED, term)
    if turned:
        values = {**_SIMPLE_MARKERS, "platform_machine": arch}
        return turned[1] in values[turned[3]] if turned[3] in values else None
    match = re.match(_COMPARE, term)
    if not match:
        return None
    name, operator, value = match[1], match[2], match[3]
    if name == "extra":
        return operator == "=="
    if name in ("python_version", "python_full_version"):
        return matches(python or "3.12", f"{operator}{value}") if operator[0] in "<>=!" else None
    actual = arch if name == "platform_machine" else _SIMPLE_MARKERS.get(name)
    if actual is None or operator not in ("==", "!="):
        return None
    return (actual == value) is (operator == "==")


def _marker_with_packaging(marker: str, python: str, arch: str) -> bool:
    from packaging.markers import InvalidMarker, Marker

    named = re.search(_EXTRA, marker)
    environment: dict[str, Any] = {
        **_SIMPLE_MARKERS,
        "platform_machine": arch,
        "python_version": python or "3.12",
        "python_full_version": f"{python or '3.12'}.0",
        "extra": named[1] if named else "",
    }
    try:
        return bool(Marker(marker.strip()).evaluate(environment))
    except (InvalidMarker, KeyError, ValueError):
        return False


def candidates(name: str, python: str) -> list[Release]:
    """Return the releases that pip would consider with this Python, newest first.

    Pre-releases and yanked releases are left out. With an unknown Python none is ruled out.
    """
    found = [
        release
        for release in releases(name)
        if not release.yanked
        and not is_prerelease(release.version)
        and (not python or matches(python, release.python))
    ]
    return found[::-1]


def newest(name: str, specifier: str, python: str) -> Release | None:
    """Return the release that pip would take for one requirement alone, or None."""
    for release in candidates(name, python):
        if matches(release.version, specifier):
            return release
    return None


def newest_of_all(name: str) -> str:
    """Return the newest version of a package in the tables, "" when it is not there."""
    best = ""
    for release in releases(name):
        if not release.yanked and (not best or newer(release.version, best)):
            best = release.version
    return best


def tables_date() -> str:
    """Return the day of the release tables."""
    return str(table("torch")["date"])
