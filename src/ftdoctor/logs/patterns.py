"""The `after` halves as one table for the matcher, built once and kept until a rule changes.

The table lies beside the compiled rulebook (in the wheel) or in the cache folder (for a checkout
and for a team's own rules): reading it takes a few milliseconds, building it a second.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from ftdoctor.paths import PACKAGE, cache_folder, checkout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Raise when the shape of the table changes.
FORMAT = 9
ANY, UNLESS = 0, 1


class Patterns:
    """The table, ready to use. Patterns are compiled when their literal was seen, not before.

    rules:      [code, name, parent, role, near, decide, has a `before` half, platforms]
    texts:      [pattern, rule number, ANY or UNLESS]
    literals:   [text, pattern numbers, word, word without digits, text without digits]
    unfiltered: numbers of the patterns that have no literal
    """

    def __init__(
        self, table: dict[str, Any], rows: list[dict[str, Any]] | None = None, path: str = ""
    ) -> None:
        self.rules: list[list[Any]] = table["rules"]
        self.texts: list[list[Any]] = table["patterns"]
        self.literals: list[list[Any]] = table["literals"]
        self.unfiltered: list[int] = table["unfiltered"]
        self._offsets: list[int] = table.get("offsets") or []
        self._rows = rows
        self._path = path
        self._compiled: dict[int, re.Pattern[str]] = {}
        self._names: dict[str, int] | None = None

    def regex(self, number: int) -> re.Pattern[str]:
        """Return one compiled pattern."""
        found = self._compiled.get(number)
        if found is None:
            found = self._compiled[number] = re.compile(self.texts[number][0])
        return found

    @property
    def by_name(self) -> dict[str, int]:
        """Rule numbers by name."""
        if self._names is None:
            self._names = {rule[1]: number for number, rule in enumerate(self.rules)}
        return self._names

    def ancestors(self, name: str) -> list[str]:
        """Return the parent, its parent and so on; a loop in the rules ends the walk."""
        found: list[str] = []
        while name in self.by_name:
            name = self.rules[self.by_name[name]][2]
            if not name or name in found:
                break
            found.append(name)
        return found

    def row(self, number: int) -> dict[str, Any]:
        """Return a rule as its file states it (summary, explain, fixes, ...)."""
        row: dict[str, Any]
        if self._rows is not None:
            row = self._rows[number]
            return row
        with open(self._path, "rb") as file:
            file.readline()
            file.readline()
            file.seek(file.tell() + self._offsets[number])
            row = json.loads(file.readline())
        if row.get("code") != self.rules[number][0]:
            raise ValueError("the table of rules changed while it was read")
        return row


def _stamp(folders: Sequence[Path]) -> str:
    """Return what changes when a rule changes."""
    files: list[list[Any]] = []
    packed = os.path.join(PACKAGE, "_rulebook.json")
    roots = [str(folder) for folder in folders]
    if os.path.isfile(packed):
        seen = os.stat(packed)
        files.append([packed, seen.st_mtime_ns, seen.st_size])
    else:
        roots.append(os.path.join(checkout(), "rules"))
    while roots:
        try:
            with os.scandir(roots.pop()) as entries:
                for entry in entries:
                    if entry.name.endswith((".yaml", ".yml")):
                        seen = entry.stat()
                        files.append([entry.path, seen.st_mtime_ns, seen.st_size])
                    elif entry.is_dir() and entry.name != "tables" and entry.name[0] != ".":
                        roots.append(entry.path)
        except OSError:
            continue
    return json.dumps([FORMAT, *sorted(files)], separators=(",", ":"))


def _read(path: str, stamp: str | None) -> Patterns | None:
    """Return the table of a file when its stamp is the expected one (None: any)."""
    try:
        with open(path, "rb") as file:
            head = file.readline()
            if stamp is not None and head.rstrip(b"\n") != stamp.encode():
                return None
            table = json.loads(file.readline())
    except (OSError, ValueError):
        return None
    return Patterns(table, path=path) if table.get("format") == FORMAT else None


def load_patterns(extra: Sequence[Path] = ()) -> Patterns:
    """Return the table for the rulebook (and a team's rule folders), from the cache when it is new.

    Raises:
        RuleError: a rule file is broken.
    """
    if not extra:
        shipped = _read(os.path.join(PACKAGE, "_patterns.jsonl"), None)
        if shipped is not None:
            return shipped
    import zlib

    stamp = _stamp(extra)
    key = zlib.crc32(repr([PACKAGE, *map(str, extra)]).encode())
    cache = os.path.join(cache_folder(), f"patterns-{key:08x}.jsonl")
    kept = _read(cache, stamp)
    if kept is not None:
        return kept
    from ftdoctor.logs.table import write
    from ftdoctor.rulebook.load import load

    rows = load(extra).rows
    return Patterns(write(cache, rows, stamp), rows)
