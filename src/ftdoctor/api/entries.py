"""Entries of a call or of a dict, and edits that take some out and put something in."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from ftdoctor.api.model import Change
    from ftdoctor.api.text import Text

Position = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """One `name=value` of a call or one `"name": value` of a dict. `name` is "" for others."""

    name: str
    value: ast.expr
    #: The node to point at: the keyword, or the key.
    place: ast.AST
    start: Position
    end: Position


def entries_of(text: Text, container: ast.expr) -> list[Entry]:
    """Return the entries of a call (arguments) or of a dict literal, in the order of the text."""
    found: list[Entry] = []
    if isinstance(container, ast.Call):
        for argument in container.args:
            found.append(Entry("", argument, argument, text.start(argument), text.end(argument)))
        for keyword in container.keywords:
            start, end = text.start(keyword), text.end(keyword)
            found.append(Entry(keyword.arg or "", keyword.value, keyword, start, end))
    elif isinstance(container, ast.Dict):
        for key, value in zip(container.keys, container.values, strict=True):
            name = key.value if isinstance(key, ast.Constant) else ""
            start = text.start(key) if key is not None else text.start(value)
            if key is None:  # **other
                start = (start[0], start[1] - 2)
            name = name if isinstance(name, str) else ""
            found.append(Entry(name, value, key or value, start, text.end(value)))
    return sorted(found, key=lambda entry: entry.start)


def written(container: ast.expr, name: str, value: str) -> str:
    """Return an entry's text in the form of its container."""
    return f'"{name}": {value}' if isinstance(container, ast.Dict) else f"{name}={value}"


def removals(text: Text, entries: list[Entry], gone: list[Entry]) -> list[Change]:
    """Take entries out with their commas; entries alone on their lines take the lines with them."""
    changes = []
    index = 0
    while index < len(entries):
        if entries[index] not in gone:
            index += 1
            continue
        last = index
        while last + 1 < len(entries) and entries[last + 1] in gone:
            last += 1
        changes.append(_removal(text, entries, index, last))
        index = last + 1
    return changes


def _removal(text: Text, entries: list[Entry], first: int, last: int) -> Change:
    start, end = entries[first].start, entries[last].end
    before = text.lines[start[0] - 1][: start[1] - 1]
    after = text.lines[end[0] - 1][end[1] - 1 :]
    rest = after.lstrip()
    if (
        not before.strip()
        and rest.startswith(",")
        and (not rest[1:].strip() or rest[1:].strip().startswith("#"))
    ):
        return text.replace((start[0], 1), (end[0] + 1, 1), "")
    if last + 1 < len(entries):
        return text.replace(start, entries[last + 1].start, "")
    if first > 0:
        return text.replace(entries[first - 1].end, end, "")
    comma = after.index(",") + 1 if rest.startswith(",") else 0
    return text.replace(start, (end[0], end[1] + comma), "")


def append(text: Text, container: ast.expr, items: list[str]) -> Change:
    """Add entries at the end of a call or dict, in the layout that it has."""
    entries = entries_of(text, container)
    if not entries:
        end = text.end(container)
        close = (end[0], end[1] - 1)
        return text.replace(close, close, ", ".join(items))
    last = entries[-1]
    before = text.lines[last.start[0] - 1][: last.start[1] - 1]
    glue = f",\n{before}" if not before.strip() else ", "
    return text.replace(last.end, last.end, "".join(f"{glue}{item}" for item in items))
