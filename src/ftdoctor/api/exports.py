"""The versions of a job, and the names that their modules have.

Every question is answered with yes, no, or None for "cannot be told", and no only when it is
certain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.api.table import PACKAGES, Table, import_name, inside, load, pick
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names that transformers >= 5 serves although no file lists them: `_LazyModule.__getattr__`
#: (transformers 5.23, utils/import_utils.py:2801 and :2816) falls back for these endings.
_SERVED_ENDINGS = ("TokenizerFast", "ImageProcessorFast", "Tokenizer", "ImageProcessor")

#: Names that come with the dummy objects for a missing backend (transformers, utils/dummy_*.py).
_SERVED_NAMES = {"DummyObject", "requires_backends"}


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


class Exports:
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
            parent, _, name = module.rpartition(".")
            # Of these two every module is read: what no release has is not there.
            certain = package in ("trl", "peft") and parent and "._" not in module
            return False if certain and self.has_name(parent, name) is False else None
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
                package == "transformers"
                and (name.endswith(_SERVED_ENDINGS) or name in _SERVED_NAMES)
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

    def spans_history(self, package: str, spans: list[Any]) -> History:
        """Return the history that some spans of a package's releases tell."""
        return self._history(package, spans)

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
