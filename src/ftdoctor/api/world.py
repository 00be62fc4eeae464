"""The names and signatures of the versions that a job will run.

A `World` joins the tables of several packages: a dataclass of trl inherits the fields of the
`TrainingArguments` of the transformers that the job has. Every question is answered with yes, no,
or None for "cannot be told", and no only when it is certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ftdoctor.api.table import PACKAGES, Table, import_name, inside, load, pick

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Names that transformers >= 5 serves although no file lists them: `_LazyModule.__getattr__`
#: (transformers 5.23, utils/import_utils.py:2801 and :2816) falls back for these endings.
_SERVED_ENDINGS = ("TokenizerFast", "ImageProcessorFast", "Tokenizer", "ImageProcessor")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter at one version. `kind` is "p", "o" or "k"; `default` its source text."""

    name: str
    kind: str
    default: str | None
    package: str


@dataclass(frozen=True, slots=True)
class History:
    """Which releases of `package` have something, around the version at hand."""

    package: str
    version: str
    #: The version in words ("trl 0.19.1").
    spoken: str = ""
    last_ok: str = ""
    first_bad: str = ""
    first_ok: str = ""


class World:
    """The versions of a job; `versions` maps package names to a version or None."""

    def __init__(self, versions: Mapping[str, str | None]) -> None:
        self.versions: dict[str, str | None] = {
            import_name(name): version for name, version in versions.items()
        }
        self._positions: dict[str, tuple[int, ...]] = {}

    # --- versions ----------------------------------------------------------------------------

    def table(self, package: str) -> Table | None:
        """Return the table of a package, or None."""
        return load(package) if package in PACKAGES else None

    def version(self, package: str) -> str:
        """Return the version of a package in words for a message ("" when it is not known)."""
        return self.versions.get(package) or ""

    def spoken(self, package: str) -> str:
        """Return "trl 0.19.1", or what stands for the version where it is not known."""
        version = self.versions.get(package)
        if version:
            return f"{package} {version}"
        return f"any {package} that trl {self.versions.get('trl')} allows"

    def positions(self, package: str) -> tuple[int, ...]:
        """Return the table positions that may run; () when nothing is known of the version."""
        if package not in self._positions:
            table = self.table(package)
            version = self.versions.get(package)
            found: tuple[int, ...] = ()
            if table and version:
                found = table.candidates(version)
            elif table and package in ("transformers",):
                found = self._demanded(package, table)
            self._positions[package] = found
        return self._positions[package]

    def _demanded(self, package: str, table: Table) -> tuple[int, ...]:
        """Every release that the known trl's own requirements allow.

        With the version of transformers not known, what no allowed release accepts is still
        certain.
        """
        if not self.versions.get("trl"):
            return ()
        from ftdoctor.api.resolver import allowed

        return allowed("trl", str(self.versions["trl"]), package)

    def why_unknown(self, package: str) -> str:
        """Say why `positions` has no answer."""
        version = self.versions.get(package)
        if not version:
            return f"the version of {package} that will run is not known"
        table = self.table(package)
        newest = f" (the table ends at {table.newest})" if table else ""
        return f"{package} {version} is not in the table{newest}"

    # --- names -------------------------------------------------------------------------------

    def module_line(self, module: str) -> Any:
        """Return the table line of a module, or None."""
        table = self.table(module.split(".", 1)[0])
        return table.line("M", module) if table else None

    def name_spans(self, module: str, name: str) -> list[list[Any]] | None:
        """Return the spans in which a module has a name, each with its target; None if never."""
        line = self.module_line(module)
        if line is None:
            return None
        package = module.split(".", 1)[0]
        if name in line.get("x", ()):
            return [
                [*run[:2], f"{package}.{name}" if run[2] == "." else run[2]]
                if len(run) > 2
                else [*run, ""]
                for run in line["x"][name]
            ]
        for key, target in (("a", ""), ("r", f"{package}.{name}")):
            if key in line:
                words = line[key]
                if isinstance(words, str):
                    words = line[key] = frozenset(words.split(" "))
                if name in words:
                    return [[*run, target] for run in line["i"]]
        return None

    def has_module(self, module: str) -> bool | None:
        """Whether a module can be imported."""
        package = module.split(".", 1)[0]
        positions = self.positions(package)
        if not positions:
            return None
        line = self.module_line(module)
        if line is None:
            return None
        states = {inside(line["i"], index) for index in positions}
        return states.pop() if len(states) == 1 else None

    def has_name(self, module: str, name: str) -> bool | None:
        """Whether `from module import name` works."""
        package = module.split(".", 1)[0]
        positions = self.positions(package)
        line = self.module_line(module)
        if not positions or line is None or name.startswith("_"):
            return None
        spans = self.name_spans(module, name) or []
        submodule = self.module_line(f"{module}.{name}")
        states: set[bool | None] = set()
        for index in positions:
            if not inside(line["i"], index):
                states.add(None)
            elif inside(spans, index) or (submodule and inside(submodule["i"], index)):
                states.add(True)
            elif inside(line.get("o", ()), index) or (
                package == "transformers" and name.endswith(_SERVED_ENDINGS)
            ):
                states.add(None)
            else:
                states.add(False)
        return states.pop() if len(states) == 1 else None

    def name_history(self, module: str, name: str) -> History:
        """Return which releases export a name."""
        package = module.split(".", 1)[0]
        return self._history(package, self.name_spans(module, name) or [])

    def module_history(self, module: str) -> History:
        """Return which releases have a module."""
        line = self.module_line(module)
        return self._history(module.split(".", 1)[0], line["i"] if line else [])

    def _history(self, package: str, spans: list[Any]) -> History:
        table = self.table(package)
        positions = self.positions(package)
        version, spoken = self.version(package), self.spoken(package)
        if table is None or not positions:
            return History(package, version, spoken)
        here_first, here_last = positions[0], positions[-1]
        last_ok = first_bad = first_ok = ""
        for span in spans:
            if 0 <= span[1] <= here_first:
                last_ok, first_bad = table.versions[span[1] - 1], table.versions[span[1]]
            if span[0] > here_last and not first_ok:
                first_ok = table.versions[span[0]]
        return History(package, version, spoken, last_ok, first_bad, first_ok)

    def canonical(self, module: str, name: str) -> str:
        """Return the public path of a name of a module, the path itself when it has no other."""
        own = f"{module}.{name}"
        spans = self.name_spans(module, name)
        if not spans:
            return own
        positions = self.positions(module.split(".", 1)[0])
        targets = {span[2] for index in positions if (span := pick(spans, index)) is not None}
        target = targets.pop() if len(targets) == 1 else ""
        return target if target and not target.startswith("@") else own

    def submodule(self, module: str, name: str) -> str:
        """Return the module that an attribute of a module is, or ""."""
        spans = self.name_spans(module, name) or []
        for span in spans:
            if span[2] == "@":
                return f"{module}.{name}"
            if span[2].startswith("@"):
                return str(span[2][1:])
        return f"{module}.{name}" if self.module_line(f"{module}.{name}") else ""

    # --- signatures --------------------------------------------------------------------------

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
        """Whether a callable takes a keyword. False only when every version that may run says no."""
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
