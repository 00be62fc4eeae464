"""What pip or uv would install for a set of requests, on the day of the release tables.

A depth-first search with backtracking over the releases that the tables hold, newest first, as
pip's own resolver does it. Packages outside the tables are noted as installed without a version.
Installed packages are kept when they satisfy what is asked (pip's "only if needed").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ftdoctor.job.environment import Conflict
from ftdoctor.job.pep440 import exact_pin, is_prerelease, matches
from ftdoctor.job.releases import Need, candidates, canonical, find, needs, releases

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.job.source import Place

#: Search steps after which the answer is "cannot be told": real sets of requests need a few dozen.
_STEPS = 4000
#: More requests than this are a freeze of a whole environment.
_MOST_ASKS = 300


class Ask(NamedTuple):
    """One requirement that the job itself states."""

    name: str
    specifier: str = ""
    extras: tuple[str, ...] = ()
    upgrade: bool = False
    no_deps: bool = False
    place: Place | None = None


class Plan:
    """The outcome: versions by name (None = present, version not known), and who asked for each.

    `asked_by` maps a name to "the job" or "trl 1.16.0".
    """

    def __init__(self, versions: dict[str, str | None]) -> None:
        self.versions = versions
        self.asked_by: dict[str, str] = {}
        self.conflict: Conflict | None = None
        self.gave_up = False


class _Want(NamedTuple):
    specifier: str
    by: str
    pinned: bool
    #: The package that asks; "" for the job itself.
    of: str = ""


class _Search:
    def __init__(
        self,
        asks: list[Ask],
        installed: Mapping[str, str | None],
        python: str,
        arch: str,
        offers: Mapping[str, tuple[str, ...]],
    ) -> None:
        self.offers = offers
        self.asks = {ask.name: ask for ask in asks}
        self.installed = installed
        self.python = python
        self.arch = arch
        self.steps = 0
        self.cache: dict[tuple[str, tuple[str, ...]], list[str | None]] = {}
        self.noted: tuple[tuple[bool, int], Conflict] | None = None
        #: The packages whose choice makes the last dead end what it is.
        self.blame: set[str] = set()

    def options(self, name: str, wants: list[_Want]) -> list[str | None]:
        """Return the versions to try for a package, best first."""
        key = (name, tuple(want.specifier for want in wants))
        if key not in self.cache:
            self.cache[key] = self._options(name, wants)
        return self.cache[key]

    def _options(self, name: str, wants: list[_Want]) -> list[str | None]:
        ask = self.asks.get(name)
        upgrade = bool(ask and ask.upgrade)
        found: list[str | None] = []
        if name in self.installed and not upgrade:
            here = self.installed[name]
            if here is None:
                # There in a version that is not known: it most likely satisfies a range.
                if not any(exact_pin(want.specifier) for want in wants):
                    return [None]
            elif all(matches(here, want.specifier) for want in wants):
                found.append(here)
        pins = [exact_pin(want.specifier) for want in wants]
        pin = next((p for p in pins if p), "")
        offered = self.offers.get(name)
        if offered is not None:
            found += [v for v in offered if all(matches(v, w.specifier) for w in wants)]
        elif not releases(name):
            found.append(pin or None)
        else:
            for release in candidates(name, self.python):
                if all(matches(release.version, want.specifier) for want in wants):
                    found.append(release.version)
            if not pin and not found and self.outside_tables(name, wants):
                found.append(None)
            if pin and not found and all(matches(pin, want.specifier) for want in wants):
                # A yanked, older or pre-release version that the tables do not offer freely.
                listed = find(name, pin)
                fits = listed is None or not self.python or matches(self.python, listed.python)
                if fits and (listed is not None or is_prerelease(pin) or self.unlisted(name, pin)):
                    found.append(pin)
        unique: list[str | None] = []
        for version in found:
            if version not in unique:
                unique.append(version)
        return unique

    def outside_tables(self, name: str, wants: list[_Want]) -> bool:
        """Whether a release that the tables do not hold may fit: older, or of after their day."""
        rows = releases(name)
        oldest, newest = rows[0].version, rows[-1].version
        clauses = [c.strip() for want in wants for c in want.specifier.split(",") if c.strip()]
        lower = [c.lstrip("~>=").strip() for c in clauses if c[:2] in (">=", "~=") or c[0] == ">"]
        upper = [c.lstrip("~<=").rstrip(".*") for c in clauses if c[0] in "<~" or c.endswith(".*")]
        if any(matches(bound, f">{newest}") for bound in lower):
            return True
        reaches_down = all(matches(bound, f"<{oldest}") for bound in lower)
        if reaches_down and any(matches(bound, f"<={oldest}") for bound in upper):
            return True
        # An old Python: what still installs there may be older than the tables.
        return reaches_down and bool(self.python) and not matches(self.python, rows[0].python)

    def unlisted(self, name: str, pin: str) -> bool:
        """Whether a pin may exist though the tables lack it: older or newer than all they hold."""
        rows = releases(name)
        return matches(pin, f"<{rows[0].version}") or matches(pin, f">{rows[-1].version}")

    def requirements(self, name: str, version: str | None, extras: tuple[str, ...]) -> list[Need]:
        if version is None:
            return []
        return [
            need
            for need in needs(name, version, self.python, self.arch)
            if not need.extra or need.extra in extras
        ]

    def solve(
        self,
        chosen: dict[str, str | None],
        wants: dict[str, list[_Want]],
        extras: dict[str, tuple[str, ...]],
        order: list[str],
    ) -> dict[str, str | None] | None:
        """Return a full choice, or None with `self.blame` set (conflict-directed backjumping)."""
        open_names = [name for name in order if name not in chosen]
        if not open_names:
            return chosen
        self.steps += 1
        if self.steps > _STEPS:
            return None
        for dead in open_names:
            if not self.options(dead, wants[dead]):
                self.note(len(chosen), dead, wants[dead])
                self.blame = self.culprits(dead, wants[dead], chosen)
                return None
        # Like pip: what the user pinned first, then what the user named, then the rest.
        name = min(open_names, key=lambda n: (not self._pinned(wants[n]), n not in self.asks))
        blame = _askers(wants[name])
        for version in self.options(name, wants[name]):
            ask = self.asks.get(name)
            new_wants = wants
            new_order = order
            new_extras = extras
            ok = True
            kept = name in self.installed and version == self.installed[name]
            if not (ask and ask.no_deps) and not (kept and not extras.get(name)):
                by = f"{name} {version}" if version else name
                needs_now = self.requirements(name, version, extras.get(name, ()))
                new_wants = {key: list(value) for key, value in wants.items()}
                new_order = list(order)
                new_extras = dict(extras)
                for need in needs_now:
                    want = _Want(need.specifier, by, bool(exact_pin(need.specifier)), name)
                    new_wants.setdefault(need.name, []).append(want)
                    merged = dict.fromkeys((*new_extras.get(need.name, ()), *need.extras))
                    new_extras[need.name] = tuple(merged)
                    if need.name not in new_order:
                        new_order.append(need.name)
                    there = chosen.get(need.name)
                    if there is not None and not matches(there, need.specifier):
                        ok = False
                        blame.add(need.name)
                        if not self.options(need.name, new_wants[need.name]):
                            self.note(len(chosen), need.name, new_wants[need.name])
                        break
            if not ok:
                continue
            answer = self.solve({**chosen, name: version}, new_wants, new_extras, new_order)
            if answer is not None or self.steps > _STEPS:
                return answer
            if name not in self.blame:
                return None  # another version of this package would meet the same dead end
            blame |= self.blame
        self.blame = blame - {name}
        return None

    def culprits(self, name: str, wants: list[_Want], chosen: dict[str, str | None]) -> set[str]:
        """Return askers that suffice for the dead end, the earliest chosen ones where possible."""
        for other in reversed(list(chosen)):
            rest = [want for want in wants if want.of != other]
            if len(rest) < len(wants) and not self.options(name, rest):
                wants = rest
        return _askers(wants)

    @staticmethod
    def _pinned(wants: list[_Want]) -> bool:
        return any(want.pinned for want in wants)

    def note(self, depth: int, name: str, wants: list[_Want]) -> None:
        """Keep the clash of two askers nearest to what the job asks: it is the one to show."""
        stated = tuple(dict.fromkeys((w.by, w.specifier) for w in wants if w.specifier))
        rank = (len({by for by, _ in stated}) > 1, -depth)
        if self.noted is None or rank > self.noted[0]:
            ask = self.asks.get(name)
            self.noted = (rank, Conflict(name, stated, ask.place if ask else None))


def _askers(wants: list[_Want]) -> set[str]:
    return {want.of for want in wants if want.of}


def resolve(
    asks: list[Ask],
    installed: Mapping[str, str | None],
    python: str,
    arch: str = "x86_64",
    offers: Mapping[str, tuple[str, ...]] | None = None,
) -> Plan:
    """Return what one install command leaves in the environment.

    `installed` is what is there before; `python` is "3.12" or "" when it is not known. Several asks
    for one package count together. `offers` are the versions, best first, of packages that come
    from an index of their own.
    """
    merged: dict[str, Ask] = {}
    for ask in asks:
        before = merged.get(ask.name)
        if before is None:
            merged[ask.name] = ask
            continue
        both = ",".join(s for s in (before.specifier, ask.specifier) if s)
        merged[ask.name] = Ask(
            ask.name,
            both,
            tuple(dict.fromkeys((*before.extras, *ask.extras))),
            before.upgrade or ask.upgrade,
            before.no_deps and ask.no_deps,
            ask.place or before.place,
        )
    direct = {n: a for n, a in merged.items() if _needs_no_search(a)}
    if len(merged) - len(direct) > _MOST_ASKS:
        direct = merged  # a whole freeze: its pins are taken as they stand
    merged = {name: ask for name, ask in merged.items() if name not in direct}
    settled = {name: exact_pin(ask.specifier) or None for name, ask in direct.items()}
    installed = {**installed, **settled}
    search = _Search(list(merged.values()), installed, python, arch, offers or {})
    wants = {
        name: [_Want(ask.specifier, "the job", bool(exact_pin(ask.specifier)))]
        for name, ask in merged.items()
    }
    extras = {name: tuple(canonical(e) for e in ask.extras) for name, ask in merged.items()}
    answer = search.solve({}, wants, extras, list(merged))
    plan = Plan(dict(installed))
    plan.asked_by.update(dict.fromkeys(direct, "the job"))
    if answer is None:
        plan.gave_up = search.steps > _STEPS
        plan.conflict = search.noted[1] if search.noted and not plan.gave_up else None
        for name, ask in merged.items():
            plan.versions[name] = exact_pin(ask.specifier) or None
            plan.asked_by[name] = "the job"
        return plan
    plan.versions.update(answer)
    for name in answer:
        plan.asked_by[name] = "the job" if name in merged else _asker(name, answer, search, extras)
    return plan


def _needs_no_search(ask: Ask) -> bool:
    """Whether a request is settled by itself: a pin that brings nothing along."""
    return bool(exact_pin(ask.specifier)) and (ask.no_deps or not releases(ask.name))


def _asker(
    name: str,
    answer: dict[str, str | None],
    search: _Search,
    extras: dict[str, tuple[str, ...]],
) -> str:
    """Return which chosen package asks for a transitive one, first one that made it change."""
    here = search.installed.get(name)
    asker = ""
    for other, version in answer.items():
        if version is None:
            continue
        for need in search.requirements(other, version, extras.get(other, ())):
            if need.name == name:
                asker = asker or f"{other} {version}"
                if here is not None and not matches(here, need.specifier):
                    return f"{other} {version}"
    return asker
