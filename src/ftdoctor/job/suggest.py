"""A set of releases that works together, as near as possible to the one that the job asks for.

It satisfies what the releases require of each other (Requires-Dist, Requires-Python), the table of
known-bad pairs and the floors that transformers checks when it runs.
"""

from __future__ import annotations

from datetime import date
from itertools import combinations
from typing import TYPE_CHECKING

from ftdoctor.job.pep440 import at_least, matches, public
from ftdoctor.job.releases import candidates, canonical, find, releases
from ftdoctor.job.resolver import Ask, resolve
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from ftdoctor.job.resolver import Plan

#: What may be moved; torch and what is compiled against it stay as they are.
MOVABLE = (
    "trl transformers peft accelerate datasets huggingface-hub bitsandbytes tokenizers"
).split()
#: Moving more than this is another stack, not a neighbour of the one that was asked for.
_MOST_MOVED = 3
#: Runs of the resolver (a few milliseconds each) after which there is no answer.
_RUNS = 90
#: A pair that breaks only scripts that give a plain TrainingArguments to a trainer of trl.
_NARROW = frozenset({"trl-training-arguments"})


def suggest(
    asked: Mapping[str, str],
    python: str,
    *,
    loose: Collection[str] = (),
    beside: Mapping[str, str | None] | None = None,
    free: Collection[str] = (),
    ignore: Collection[str] = _NARROW,
    arch: str = "x86_64",
) -> dict[str, str] | None:
    """Return versions for the packages of `asked` that work together, or None when none are near.

    `asked` maps packages to the versions that the job would get; those in `loose` are not pinned
    by the job and move first. `beside` is what is there and stays (torch of an image), `free` is
    asked for in any version. Rows of table `pairs` with a `when` in `ignore` do not count. A
    package that has to be named so that pip does not take a newer one is added.
    """
    wanted = {canonical(name): public(version) for name, version in asked.items()}
    weak = {canonical(name) for name in loose}
    movable = [name for name in wanted if name in MOVABLE and releases(name)]
    search = _Suggestion(wanted, python, arch, dict(beside or {}), tuple(free), frozenset(ignore))
    sets = [
        moved
        for size in range(min(_MOST_MOVED, len(movable)) + 1)
        for moved in combinations(movable, size)
    ]
    rank = {moved: (sum(name not in weak for name in moved), len(moved)) for moved in sets}
    best: tuple[tuple[int, int], int, dict[str, str]] | None = None
    for moved in sorted(sets, key=lambda names: rank[names]):
        if best is not None and rank[moved] != best[0]:
            break
        found = search.moving(moved)
        if found is None:
            continue
        far = sum(_days(name, wanted[name], found[name]) for name in moved)
        if best is None or far < best[1]:
            best = (rank[moved], far, found)
    return best[2] if best is not None else None


class _Suggestion:
    def __init__(
        self,
        wanted: dict[str, str],
        python: str,
        arch: str,
        beside: dict[str, str | None],
        free: tuple[str, ...],
        ignore: frozenset[str],
    ) -> None:
        self.wanted, self.python, self.arch = wanted, python, arch
        self.beside = {k: v for k, v in beside.items() if k not in wanted}
        self.free = tuple(name for name in free if name not in wanted)
        self.ignore = ignore
        self.runs = 0

    def moving(self, moved: tuple[str, ...]) -> dict[str, str] | None:
        """Return the nearest good set that leaves all but `moved` as they are."""
        offers = {name: self.near(name) for name in moved}
        named = list(self.wanted)
        while self.runs < _RUNS:
            self.runs += 1
            asks = [Ask(n, "" if n in offers else f"=={self.wanted[n]}") for n in named]
            asks += [Ask(name) for name in self.free if name not in named]
            plan = resolve(asks, self.beside, self.python, self.arch, offers)
            if plan.conflict is not None or plan.gave_up:
                return None
            if any(plan.versions.get(name) != v for name, v in self.beside.items() if v):
                return None
            bad = next(clashes(plan.versions, self.ignore), None)
            if bad is None:
                return {n: v for n in named if (v := plan.versions[n]) is not None}
            if not self.narrow(bad, plan, offers, named):
                return None
        return None

    def narrow(
        self,
        bad: tuple[str, str],
        plan: Plan,
        offers: dict[str, tuple[str, ...]],
        named: list[str],
    ) -> bool:
        """Take a version that clashes out of what is offered; False when nothing can give way."""
        for name in bad:
            version = plan.versions[name]
            if name not in offers and name not in named and name in MOVABLE:
                named.append(name)
                offers[name] = tuple(r.version for r in candidates(name, self.python))
            elif name not in offers:
                continue
            other = bad[1] if name == bad[0] else bad[0]
            fixed = other not in offers and other in self.wanted
            offers[name] = tuple(
                v
                for v in offers[name]
                if v != version
                and not (fixed and self.clash({name: v, other: plan.versions[other]}))
            )
            return bool(offers[name])
        return False

    def clash(self, versions: Mapping[str, str | None]) -> bool:
        """Whether two releases do not work together."""
        return next(clashes(versions, self.ignore), None) is not None

    def near(self, name: str) -> tuple[str, ...]:
        """Return the other releases of a package: last patches first, then by nearness in time."""
        here = self.wanted[name]
        lines: set[str] = set()
        ranked: list[tuple[bool, int, str]] = []
        for release in candidates(name, self.python):
            line = ".".join(release.version.split(".")[:2])
            if release.version != here:
                far = _days(name, here, release.version)
                ranked.append((line in lines, far, release.version))
            lines.add(line)
        return tuple(version for _, _, version in sorted(ranked, key=lambda row: row[:2]))


def clashes(
    versions: Mapping[str, str | None], ignore: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield the packages of a set that do not work together though pip installs them."""
    for row in table("pairs")["pairs"]:
        names = canonical(row["package"]), canonical(row["other"])
        ours, theirs = (versions.get(name) for name in names)
        if not ours or not theirs or row["when"] in ignore:
            continue
        if matches(public(ours), row["range"]) and matches(public(theirs), row["other_range"]):
            yield names
    transformers = versions.get("transformers")
    if transformers is None:
        return
    for name, rows in table("floors")["transformers"].items():
        here = versions.get(name)
        floor = next((low for since, low in reversed(rows) if at_least(transformers, since)), None)
        if here and floor and not at_least(public(here), floor):
            yield name, "transformers"


def _days(name: str, before: str, after: str) -> int:
    """Return how many days lie between two releases of a package."""
    rows = [find(name, before), find(name, after)]
    try:
        first, second = (date.fromisoformat(r.date[:10]) if r else None for r in rows)
    except ValueError:
        return 10_000
    return abs((second - first).days) if first and second else 10_000
