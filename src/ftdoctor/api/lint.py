"""Holds every import and call of a script against the versions that will run it.

Only the syntax tree is read; nothing is imported or run. What is not certain is left alone, with a
note that says why.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING

from ftdoctor.api.calls import CallCheck
from ftdoctor.api.guards import Guards
from ftdoctor.api.imports import check_imports
from ftdoctor.api.model import ApiFinding, Note, Report
from ftdoctor.api.names import Names
from ftdoctor.api.scopes import Tree
from ftdoctor.api.table import PACKAGES
from ftdoctor.api.text import Text
from ftdoctor.api.world import World
from ftdoctor.lazy import lazy
from ftdoctor.records import replace

if TYPE_CHECKING:
    from collections.abc import Mapping


class Script:
    """A parsed script together with the world that it is held against."""

    def __init__(self, source: str, world: World, root: ast.Module) -> None:
        self.world = world
        self.text = Text(source)
        self.tree = Tree(root)
        self.guards = Guards(self.tree, world.versions)
        self.names = Names(self.tree, world, self.guards)
        self.report = Report()
        #: Calls that an edit already adds keywords to: two edits there would collide.
        self.taken: set[ast.Call] = set()
        #: unsloth drops arguments that trl has retired, with a warning
        #: (github.com/unslothai/unsloth/pull/8330).
        self.unsloth = any(
            (alias.name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
            == "unsloth"
            for node in self.tree.imports
            for alias in node.names
        )

    def leave(self, node: ast.AST, what: str, reason: str) -> None:
        """Note that something was left alone."""
        line, column = self.text.start(node)
        self.report.left_alone.append(Note(line, column, what, reason))

    def add(self, finding: ApiFinding) -> None:
        """Record a finding; under unsloth nothing about trl and transformers is certain."""
        if self.unsloth and finding.severity == "error" and finding.kind != "missing-import":
            finding = replace(
                finding,
                severity="warning",
                message=finding.message + " (unsloth, which this script imports, may drop it)",
            )
        self.report.findings.append(finding)


def parse(source: str) -> ast.Module | None:
    """Return the tree of a script, or None when it is not Python that this interpreter reads."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def read_script(source: str, versions: Mapping[str, str | None]) -> Script | None:
    """Parse a script; lines of a notebook that are not Python (`!pip`, `%env`) are blanked."""
    root = parse(source)
    if root is None and any(line.lstrip().startswith(_MAGIC) for line in source.split("\n")):
        source = _without_magic(source)
        root = parse(source)
    if root is None and _ELLIPSIS.search(source):
        # `f(a=1, ...)` as documentation writes it.
        source = _ELLIPSIS.sub(lambda found: " " * len(found[0]), source)
        root = parse(source)
    return Script(source, World(versions), root) if root is not None else None


#: Lines of a notebook for the shell or for IPython itself.
_MAGIC = ("!", "%")


#: An ellipsis that stands for further arguments: alone on its line, or last in the brackets.
_ELLIPSIS = lazy(r"^[ \t]*\.\.\.,?[ \t]*$|,[ \t]*\.\.\.(?=[ \t]*\))", re.M)


def _without_magic(source: str) -> str:
    """Put `pass` in place of magic lines and their continuations; line numbers stay."""
    lines = []
    continued = False
    for line in source.split("\n"):
        magic = continued or line.lstrip().startswith(_MAGIC)
        indent = "" if continued else line[: len(line) - len(line.lstrip())]
        lines.append(f"{indent}pass" if magic and not continued else "" if magic else line)
        continued = magic and line.rstrip().endswith("\\")
    return "\n".join(lines)


def examine(source: str, path: str, versions: Mapping[str, str | None]) -> Report:
    """Lint a script and return findings, notes on what was left alone, and what was skipped."""
    try:
        script = read_script(source, versions)
        if script is None:
            return Report(broken=f"{path} is not Python that can be parsed")
        from ftdoctor.api.traps import check_traps

        check_imports(script)
        check = CallCheck(script)
        for call in script.tree.calls:
            check.call(call)
        check.overrides()
        check_traps(script)
    except RecursionError:
        return Report(broken=f"{path} is nested too deeply to be read")
    report = script.report
    used = {
        name.split(".")[0]
        for node in script.tree.imports
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
    }
    for package in PACKAGES:
        if package in used and not script.world.positions(package):
            report.skipped.append(script.world.why_unknown(package))
    report.findings = sorted(
        dict.fromkeys(report.findings), key=lambda f: (f.line, f.column, f.symbol, f.parameter)
    )
    return report


def lint(source: str, path: str, versions: Mapping[str, str | None]) -> list[ApiFinding]:
    """Return what in a script does not fit the versions that will run it, in order of lines.

    `versions` maps package names to a version, or None where it is not known: of such a package
    nothing is said. `path` is used in messages only.
    """
    return examine(source, path, versions).findings
