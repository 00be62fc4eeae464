"""Compare versions without importing `packaging` for the plain ones.

Nearly every version and specifier of a job is plain (`2.3.1`, `>=4.45,<5`); importing
`packaging.specifiers` costs as much as reading the whole job. Plain ones are compared here by
tuples, all others go to `packaging`. The rules are those of PEP 440.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ftdoctor.lazy import lazy

_PLAIN = lazy(r"v?(\d+(?:\.\d+)*)(?:\.post(\d+))?(?:\+([a-z0-9.]+))?\Z")
_CLAUSE = lazy(r"\s*(===|==|~=|!=|<=|>=|<|>)\s*([^\s,;]+)\s*\Z")
#: (release without trailing zeros, post release or -1)
Key = tuple[tuple[int, ...], int]


@lru_cache(maxsize=4096)
def plain(version: str) -> Key | None:
    """Return a sort key of a final or post release, or None for any other version."""
    match = _PLAIN.match(version.strip().lower())
    if not match:
        return None
    numbers = [int(part) for part in match[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers), int(match[2]) if match[2] else -1


def local_label(version: str) -> str:
    """Return the local part of a version: "cu126" of "2.10.0+cu126"."""
    return version.partition("+")[2].lower()


def public(version: str) -> str:
    """Return a version without its local part."""
    return version.partition("+")[0]


@lru_cache(maxsize=4096)
def matches(version: str, specifier: str) -> bool:
    """Whether a version satisfies a PEP 440 specifier ("" is satisfied by all).

    A pre-release is judged like any other version: the caller decides whether to offer it.
    A specifier that PEP 440 does not know is satisfied by nothing.
    """
    specifier = specifier.strip().strip("()").strip()
    if not specifier or specifier == "*":
        return True
    key = plain(version)
    if key is not None:
        answer = True
        for clause in specifier.split(","):
            if not clause.strip():
                continue
            one = _clause(version, key, clause)
            if one is None:
                break
            answer = answer and one
        else:
            return answer
    return _with_packaging(version, specifier)


def _with_packaging(version: str, specifier: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def _clause(version: str, key: Key, clause: str) -> bool | None:
    """Judge one clause, or return None when it is not plain."""
    match = _CLAUSE.match(clause)
    if not match:
        return None
    operator, text = match[1], match[2]
    if text.endswith(".*"):
        prefix = plain(text[:-2])
        if prefix is None or prefix[1] >= 0 or operator not in ("==", "!="):
            return None
        wanted = tuple(int(part) for part in text[:-2].lower().lstrip("v").split("."))
        numbers = key[0] + (0,) * max(0, len(wanted) - len(key[0]))
        same = numbers[: len(wanted)] == wanted
        return same if operator == "==" else not same
    other = plain(text)
    if other is None or operator == "===":
        return None
    if "+" in text:
        if operator not in ("==", "!="):
            return None
        same = key == other and local_label(version) == local_label(text)
        return same if operator == "==" else not same
    if operator == "==":
        return key == other
    if operator == "!=":
        return key != other
    if operator == ">=":
        return key >= other
    if operator == "<=":
        return key <= other
    if operator == "<":
        # `<V` leaves out pre-releases of V; a plain version is never one.
        return key < other
    if operator == ">":
        # `>V` leaves out post releases of V, unless V is one itself.
        return key > other and not (other[1] < 0 and key[0] == other[0])
    parts = text.lower().lstrip("v").split(".post")[0].split(".")
    if operator != "~=" or len(parts) < 2:
        return None
    wanted = tuple(int(part) for part in parts[:-1])
    numbers = key[0] + (0,) * max(0, len(wanted) - len(key[0]))
    return key >= other and numbers[: len(wanted)] == wanted


def newer(left: str, right: str) -> bool:
    """Whether `left` is a later version than `right`."""
    a, b = plain(left), plain(right)
    if a is not None and b is not None:
        return a > b
    from packaging.version import InvalidVersion, Version

    try:
        return Version(left) > Version(right)
    except InvalidVersion:
        return False


def at_least(version: str, floor: str) -> bool:
    """Whether `version` is `floor` or later; a pre-release of `floor` counts as earlier."""
    return version == floor or not newer(floor, version)


def is_prerelease(version: str) -> bool:
    """Whether a version is a development, alpha, beta or candidate release."""
    if plain(version) is not None:
        return False
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version).is_prerelease
    except InvalidVersion:
        return True


def exact_pin(specifier: str) -> str:
    """Return the version that a specifier pins ("==4.57.1" -> "4.57.1"), or ""."""
    match = re.fullmatch(r"\s*\(?\s*={2,3}\s*([^\s,*()]+)\s*\)?\s*", specifier)
    return match[1] if match else ""
