"""What pip would install: from the releases, their Python floors and their requirements.

Pre-releases and yanked releases are left out, as pip leaves them out; a release newer than the
asked day does not exist yet.
"""

from __future__ import annotations

from functools import cache

from ftdoctor.api.table import import_name, inside, load


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
