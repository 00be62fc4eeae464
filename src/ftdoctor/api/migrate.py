"""What changes for a script between two sets of versions, and the script with the edits made."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ftdoctor.api.lint import examine, read_script
from ftdoctor.api.resolver import companions
from ftdoctor.api.table import PACKAGES, import_name, load
from ftdoctor.api.text import Text
from ftdoctor.api.world import World
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.api.model import ApiEdit, ApiFinding, Note

#: Rounds of "lint, edit, lint again": an edit may uncover the next.
_ROUNDS = 8
#: Defaults that all say "off": a change between them changes nothing.
_NOTHING = {"None", "False", "''", "{}", "[]", "dict()", "list()"}


@dataclass(frozen=True, slots=True)
class DefaultChange:
    """A setting that the script leaves at its default, and whose default changed."""

    symbol: str
    parameter: str
    package: str
    old: str
    new: str
    line: int


@dataclass(slots=True)
class Migration:
    """The answer of `migrate`.

    `found` is what the new versions refuse or treat otherwise, in the script as it was; `edits` are
    the edits made; `left` is what the edited script still has; `already` is what the old versions
    refuse as well (the script did not run with them, or they are not the ones it was written for).
    """

    path: str
    old: dict[str, str | None]
    new: dict[str, str | None]
    source: str
    edited: str
    found: list[ApiFinding] = field(default_factory=list)
    edits: list[ApiEdit] = field(default_factory=list)
    left: list[ApiFinding] = field(default_factory=list)
    already: list[ApiFinding] = field(default_factory=list)
    defaults: list[DefaultChange] = field(default_factory=list)
    left_alone: list[Note] = field(default_factory=list)
    broken: str = ""


def complete(versions: Mapping[str, str], *, then: bool) -> dict[str, str | None]:
    """Fill in the packages that are not given.

    `then` takes what an install on the day of the given release brought; otherwise what an install
    brings today (on the day of the tables).
    """
    given: dict[str, str | None] = {}
    for name, version in versions.items():
        table = load(name)
        position = table.index(version) if table else None
        exact = table.versions[position] if table and position is not None else version
        given[import_name(name)] = exact
    return {**companions({k: str(v) for k, v in given.items()}, then=then), **given}


def migrate(
    source: str, path: str, old: Mapping[str, str | None], new: Mapping[str, str | None]
) -> Migration:
    """Hold a script against two sets of versions and make the edits that are safe."""
    before = examine(source, path, old)
    after = examine(source, path, new)
    result = Migration(path, dict(old), dict(new), source, source)
    if after.broken:
        result.broken = after.broken
        return result
    known = {_key(finding) for finding in before.findings}
    result.found = [finding for finding in after.findings if _key(finding) not in known]
    result.already = [finding for finding in after.findings if _key(finding) in known]
    result.left_alone = after.left_alone
    result.defaults = default_changes(source, old, new)
    text = source
    newline = "\r\n" if "\r\n" in source else "\n"
    for _ in range(_ROUNDS):
        edited, made = _apply(text, path, new)
        if not made:
            break
        text = edited
        result.edits += made
    if result.edits:
        result.edited = text.replace("\n", newline) if newline != "\n" else text
    result.left = examine(result.edited, path, new).findings
    return result


def _key(finding: ApiFinding) -> tuple[str, str, str, int, int]:
    return finding.kind, finding.symbol, finding.parameter, finding.line, finding.column


def _apply(text: str, path: str, versions: Mapping[str, str | None]) -> tuple[str, list[ApiEdit]]:
    """Make the edits of one round that do not touch each other."""
    findings = examine(text, path, versions).findings
    made: list[ApiEdit] = []
    changes: dict[tuple[int, int, int, int, str], None] = {}
    for finding in findings:
        edit = finding.edit
        if edit is None or not edit.safe or edit in made:
            continue
        new = [(c.line, c.column, c.end_line, c.end_column, c.text) for c in edit.changes]
        if any(_collide(a, b) for a in new for b in changes if a != b):
            continue
        changes.update(dict.fromkeys(new))
        made.append(edit)
    if not made:
        return text, []
    from ftdoctor.api.model import Change

    result = Text(text).applied(tuple(Change(*change) for change in changes))
    return (result, made) if result is not None else (text, [])


def _collide(a: tuple[int, int, int, int, str], b: tuple[int, int, int, int, str]) -> bool:
    first, last = (a[0], a[1]), (a[2], a[3])
    start, end = (b[0], b[1]), (b[2], b[3])
    if first == last == start == end:
        return True
    return first < end and start < last


def default_changes(
    source: str, old: Mapping[str, str | None], new: Mapping[str, str | None]
) -> list[DefaultChange]:
    """Return the settings left at a default that is another one in the new versions."""
    script = read_script(source, new)
    if script is None:
        return []
    past, present = World(old), World(new)
    found: list[DefaultChange] = []
    for call in script.tree.calls:
        ref = script.names.resolve(call.func)
        if ref is None or ref.kind != "symbol" or any(k.arg is None for k in call.keywords):
            continue
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            continue
        if not (past.exists(ref.path) and present.exists(ref.path)):
            continue
        given = {k.arg for k in call.keywords}
        before, now = past.parameters(ref.path), present.parameters(ref.path)
        for position, (name, parameter) in enumerate(now.items()):
            other = before.get(name)
            if name in given or position < len(call.args) or other is None:
                continue
            a, b = other.default, parameter.default
            if a == b or a is None or b is None or "..." in (a, b) or {a, b} <= _NOTHING:
                continue
            line, _ = script.text.start(call)
            found.append(DefaultChange(ref.path, name, parameter.package, a, b, line))
    return found


def packages_of(versions: Mapping[str, str | None]) -> str:
    """Return the versions in one line for a report."""
    return ", ".join(f"{name} {versions[name]}" for name in PACKAGES if versions.get(name))
