"""What pip would install: from the releases, their Python floors and their requirements.

Pre-releases and yanked releases are left out, as pip leaves them out; a release newer than the
asked day does not exist yet.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ftdoctor.api.table import PACKAGES, import_name, inside, load

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def requirements(package: str, position: int) -> tuple[tuple[str, str, str], ...]:
    """Return (name, specifier, marker) of what a release requires; extras are left out.

    Several lines of one name stay several entries: all of them hold.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    found = load(package)
    rows = found.line("R", "requires") if found else None
    result = []
    for text, spans in (rows or {}).items():
        if not inside(spans, position):
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        marker = str(requirement.marker or "")
        if "extra" in marker:
            continue
        result.append((import_name(requirement.name), str(requirement.specifier), marker))
    return tuple(result)


def allowed(package: str, version: str, dependency: str) -> tuple[int, ...]:
    """Return the positions of `dependency` that one release of `package` may be installed with."""
    from packaging.specifiers import SpecifierSet

    owner, other = load(package), load(dependency)
    if owner is None or other is None:
        return ()
    position = owner.index(version)
    if position is None:
        return ()
    wanted = SpecifierSet()
    for name, specifier, marker in requirements(package, position):
        if name == dependency and not marker:
            wanted &= SpecifierSet(specifier)
    return tuple(i for i, release in enumerate(other.versions) if wanted.contains(release))


def companions(given: Mapping[str, str], *, then: bool) -> dict[str, str | None]:
    """Return versions of the other packages that fit the given ones.

    `then` looks at the releases that were there on the day of the newest given release, as an
    install on that day did; otherwise at all releases in the tables. A package that nothing given
    requires, or of which no release fits, is None.
    """
    day = ""
    for package, version in given.items():
        table = load(package)
        position = table.index(version) if table else None
        if table is not None and position is not None:
            day = max(day, days(package)[position])
    chosen: dict[str, str | None] = {import_name(name): version for name, version in given.items()}
    todo = [name for name in PACKAGES if name in chosen]
    while todo:
        package = todo.pop(0)
        for name in dict.fromkeys(n for n, _, _ in _needs(package, chosen[package])):
            if name in PACKAGES and name not in chosen:
                chosen[name] = _newest(name, chosen, day if then else "")
                todo.append(name)
    return chosen


def _needs(package: str, version: str | None) -> tuple[tuple[str, str, str], ...]:
    table = load(package)
    position = table.index(version) if table and version else None
    return requirements(package, position) if position is not None else ()


def _newest(name: str, chosen: Mapping[str, str | None], day: str) -> str | None:
    """The newest release that all chosen packages allow, and that allows all of them."""
    from packaging.specifiers import SpecifierSet

    table = load(name)
    if table is None:
        return None
    wanted = SpecifierSet()
    for package, version in chosen.items():
        for needed, specifier, marker in _needs(package, version):
            if needed == name and not marker:
                wanted &= SpecifierSet(specifier)
    uploaded = days(name)
    gone = yanked(name)
    for position in range(len(table.versions) - 1, -1, -1):
        release = table.versions[position]
        if position in gone or (day and uploaded[position] > day) or not wanted.contains(release):
            continue
        if all(
            SpecifierSet(specifier).contains(str(chosen[needed]))
            for needed, specifier, marker in requirements(name, position)
            if not marker and chosen.get(needed)
        ):
            return release
    return None


def days(package: str) -> list[str]:
    """Return the day of upload of each release in the table ("" where the index did not say)."""
    table = load(package)
    row = table.line("R", "releases") if table else None
    return list(row["days"]) if row else []


def yanked(package: str) -> frozenset[int]:
    """Return the positions of yanked releases."""
    table = load(package)
    row = table.line("R", "releases") if table else None
    return frozenset(row["yanked"]) if row else frozenset()
