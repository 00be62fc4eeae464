"""The names and signatures of the versions that a job will run.

A `World` joins the tables of several packages: a dataclass of trl inherits the fields of the
`TrainingArguments` of the transformers that the job has. Every question is answered with yes, no,
or None for "cannot be told", and no only when it is certain.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from ftdoctor.api.exports import Exports, History
from ftdoctor.api.table import PACKAGES, inside, pick
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter at one version. `kind` is "p", "o" or "k"; `default` its source text."""

    name: str
    kind: str
    default: str | None
    package: str


class World(Exports):
    """Names and signatures of the versions of a job."""

    def callable_line(self, path: str) -> Any:
        """Return the table line of a callable by its public path, or None."""
        table = self.table(path.split(".", 1)[0])
        return table.line("C", path) if table else None

    def locate(self, path: str) -> str:
        """Return the path under which the table has a callable ("" when it does not).

        "transformers.trainer.Trainer" is kept as "transformers.Trainer".
        """
        if self.callable_line(path) is not None:
            return path
        module, _, name = path.rpartition(".")
        if not module:
            return ""
        found = self.canonical(module, name)
        return found if found != path and self.callable_line(found) is not None else ""

    def exists(self, path: str) -> bool | None:
        """Whether a callable is there at the version that runs."""
        line = self.callable_line(path)
        positions = self.positions(path.split(".", 1)[0])
        if line is None or not positions:
            return None
        states = {inside(line["i"], index) for index in positions}
        return states.pop() if len(states) == 1 else None

    def accepts(self, path: str, keyword: str, depth: int = 0) -> bool | None:
        """Whether a callable takes a keyword; False when every version that may run says no."""
        path = self.locate(path)
        positions = self.positions(path.split(".", 1)[0]) if path else ()
        line = self.callable_line(path) if path else None
        if line is None or not positions or depth > 6:
            return None
        states = {self._accepts_at(line, keyword, index, depth) for index in positions}
        return states.pop() if len(states) == 1 else None

    def _accepts_at(self, line: Any, keyword: str, index: int, depth: int) -> bool | None:
        if not inside(line["i"], index):
            return None
        here = pick(line["p"].get(keyword, ()), index)
        if here is not None:
            return True if here[2] != "o" else None
        if inside(line.get("o", ()), index):
            return None
        base = pick(line.get("b", ()), index)
        if base is not None:
            to, mode, drop = base[2]
            if keyword in drop:
                return False if mode == "d" else None
            return self.accepts(to, keyword, depth + 1)
        return False

    def reads(self, path: str, keyword: str) -> bool | None:
        """Whether a callable with `**kwargs` names or reads a keyword at the version that runs."""
        line = self.callable_line(path)
        positions = self.positions(path.split(".", 1)[0])
        if line is None or not positions:
            return None
        states = {inside(line["p"].get(keyword, ()), index) for index in positions}
        return states.pop() if len(states) == 1 else None

    def is_open(self, path: str, depth: int = 0) -> bool:
        """Whether a callable may take keywords that its signature does not name."""
        path = self.locate(path)
        line = self.callable_line(path) if path else None
        if line is None or depth > 6:
            return True
        for index in self.positions(path.split(".", 1)[0]):
            if inside(line.get("o", ()), index):
                return True
            base = pick(line.get("b", ()), index)
            if base is not None and self.is_open(base[2][0], depth + 1):
                return True
        return False

    def keyword_history(self, path: str, keyword: str, depth: int = 0) -> History:
        """Return which releases of which package take a keyword of a callable."""
        path = self.locate(path) or path
        package = path.split(".", 1)[0]
        line = self.callable_line(path)
        if line is None or depth > 6:
            return History(package, self.version(package), self.spoken(package))
        own = line["p"].get(keyword)
        if not own:
            for index in reversed(self.positions(package)):
                base = pick(line.get("b", ()), index)
                if base is not None:
                    below = self.keyword_history(base[2][0], keyword, depth + 1)
                    if below.last_ok or below.first_ok:
                        return below
        found = self._history(package, own or [])
        if own and not (found.last_ok or found.first_ok):
            # Taken through a base class once, or listed only where the callable was another one.
            return History(package, found.version, found.spoken)
        return found

    def parameters(self, path: str, depth: int = 0) -> dict[str, Parameter]:
        """Return the parameters at the version that runs, bases joined, in order."""
        path = self.locate(path)
        package = path.split(".", 1)[0]
        line = self.callable_line(path) if path else None
        positions = self.positions(package) if path else ()
        if line is None or not positions or depth > 6:
            return {}
        index = positions[-1]
        found: dict[str, Parameter] = {}
        base = pick(line.get("b", ()), index)
        own = {
            name: Parameter(name, run[2], run[3], package)
            for name, runs in line["p"].items()
            if (run := pick(runs, index)) is not None
        }
        if base is not None:
            to, mode, drop = base[2]
            below = {
                name: parameter
                for name, parameter in self.parameters(to, depth + 1).items()
                if name not in drop
            }
            found = below | own if mode == "d" else own | below
        else:
            found = own
        return found

    def position(self, path: str, name: str) -> int:
        """Return the place of a parameter among the positional ones; past all when not there."""
        names = [p.name for p in self.parameters(path).values() if p.kind in "op"]
        return names.index(name) if name in names else len(names)

    def most_positional(self, path: str, depth: int = 0) -> int | None:
        """Return how many positional arguments a callable takes at most; None when not known."""
        path = self.locate(path)
        line = self.callable_line(path) if path else None
        positions = self.positions(path.split(".", 1)[0]) if path else ()
        if line is None or not positions or depth > 6:
            return None
        counts: set[int | None] = set()
        for index in positions:
            run = pick(line.get("n", ()), index)
            if run is None or run[2] < 0:
                return None
            base = pick(line.get("b", ()), index)
            if base is None:
                counts.add(run[2])
                continue
            to, mode, _ = base[2]
            below = self.most_positional(to, depth + 1)
            if below is None:
                return None
            counts.add(len(self.parameters(path)) if mode == "d" else max(below, run[2]))
        return counts.pop() if len(counts) == 1 else None

    def bases(self, path: str) -> Iterator[str]:
        """Yield the public paths of the bases in other packages."""
        line = self.callable_line(path)
        for index in self.positions(path.split(".", 1)[0])[-1:]:
            run = pick(line.get("m", ()), index) if line else None
            yield from run[2] if run else ()

    def method(self, path: str, name: str, depth: int = 0) -> str:
        """Return the table path of a method, looked for along the bases; "" when not there."""
        located = self.locate(path)
        if not located or depth > 6:
            return ""
        if self.exists(f"{located}.{name}"):
            return f"{located}.{name}"
        for base in self.bases(located):
            found = self.method(base, name, depth + 1)
            if found:
                return found
        return ""

    def enum_values(self, path: str, field: str, depth: int = 0) -> tuple[str, set[str]] | None:
        """Return (package, values) that a field is converted with, or None when it is not checked.

        A value is in the set when any version that may run has it.
        """
        path = self.locate(path)
        line = self.callable_line(path) if path else None
        if line is None or depth > 6:
            return None
        package = path.split(".", 1)[0]
        values: set[str] = set()
        owner = package
        for index in self.positions(package):
            run = pick(line.get("e", {}).get(field, ()), index)
            base = pick(line.get("b", ()), index)
            if run is not None:
                table = self.table(package)
                members = table.line("E", run[2]) if table else None
                if not members:
                    return None
                values |= {value for value, spans in members.items() if inside(spans, index)}
            elif base is not None:
                below = self.enum_values(base[2][0], field, depth + 1)
                if below is None:
                    return None
                owner, more = below
                values |= more
            else:
                return None
        return (owner, values) if values else None

    def value_history(self, path: str, field: str, value: str, depth: int = 0) -> History:
        """Return which releases know a value of an enum field."""
        path = self.locate(path)
        package = path.split(".", 1)[0]
        line = self.callable_line(path) if path else None
        if line is None or depth > 6:
            return History(package, self.version(package), self.spoken(package))
        for index in self.positions(package)[-1:]:
            run = pick(line.get("e", {}).get(field, ()), index)
            base = pick(line.get("b", ()), index)
            table = self.table(package)
            if run is not None and table:
                return self._history(package, table.line("E", run[2]).get(value, []))
            if base is not None:
                return self.value_history(base[2][0], field, value, depth + 1)
        return History(package, self.version(package), self.spoken(package))

    @cached_property
    def known(self) -> frozenset[str]:
        """Packages whose version is known well enough to say something."""
        return frozenset(package for package in PACKAGES if self.positions(package))
