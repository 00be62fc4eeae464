"""The `after` halves as one table for the matcher, built once and kept until a rule changes.

The table is JSON beside the compiled rulebook (in the wheel) or in the cache folder (for a
checkout and for a team's own rules): reading it takes a few milliseconds, building it a second.
"""

from __future__ import annotations

import json
import os
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ftdoctor.logs.literals import Literal, required, words_of
from ftdoctor.paths import cache_dir, compiled_rulebook, rules_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

#: Raise when the shape of the table changes.
FORMAT = 7
ANY, UNLESS = 0, 1


def build(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the table for raw rule rows: rules, patterns, literals and the words that select them."""
    rules: list[list[Any]] = []
    patterns: list[list[Any]] = []
    literals: dict[str, list[Any]] = {}
    unfiltered: list[int] = []
    for row in rows:
        after = row.get("after")
        if not after:
            rules.append([row["code"], row["name"], row.get("parent") or "", "", [], "", False, []])
            continue
        number = len(rules)
        rules.append(
            [
                row["code"],
                row["name"],
                row.get("parent") or "",
                after.get("role") or "cause",
                list(after.get("near") or ()),
                after.get("decide") or "",
                bool(row.get("before")),
                list(row.get("platforms") or ()),
            ]
        )
        for kind, texts in ((ANY, after["any"]), (UNLESS, after.get("unless") or ())):
            for text in texts:
                patterns.append([text, number, kind])
                needed = required(text)
                if not needed:
                    unfiltered.append(len(patterns) - 1)
                for literal in needed:
                    _add(literals, literal, len(patterns) - 1)
    return {
        "format": FORMAT,
        "rules": rules,
        "patterns": patterns,
        "literals": [[text, *rest] for text, rest in literals.items()],
        "unfiltered": unfiltered,
    }


def _add(literals: dict[str, list[Any]], literal: Literal, pattern: int) -> None:
    """Add a pattern under its literal; [pattern ids, word, word without digits, stripped text]."""
    entry = literals.get(literal.text)
    if entry is None:
        words = words_of(literal)
        bare = words_of(literal, digits=False)
        stripped = re.sub(r"[0-9]", "", literal.text)
        entry = literals[literal.text] = [
            [],
            words[0].decode() if words else "",
            bare[0].decode() if bare else "",
            stripped if len(stripped.strip()) >= 3 else "",
        ]
    else:
        words, bare = words_of(literal), words_of(literal, digits=False)
        # Two patterns share the text but not its edges: only what both guarantee may select.
        if entry[1] and entry[1].encode() not in words:
            entry[1] = ""
        if entry[2] and entry[2].encode() not in bare:
            entry[2] = ""
    entry[0].append(pattern)


class Patterns:
    """The table, ready to use. Patterns are compiled when their literal was seen, not before."""

    def __init__(self, table: dict[str, Any], rulebook: Any = None) -> None:
        self.rules: list[list[Any]] = table["rules"]
        self.texts: list[list[Any]] = table["patterns"]
        self.literals: list[list[Any]] = table["literals"]
        self.unfiltered: list[int] = table["unfiltered"]
        self._compiled: dict[int, re.Pattern[str]] = {}
        self._rulebook = rulebook
        self._extra: Sequence[Path] = ()

    def regex(self, number: int) -> re.Pattern[str]:
        """Return one compiled pattern."""
        found = self._compiled.get(number)
        if found is None:
            found = self._compiled[number] = re.compile(self.texts[number][0])
        return found

    @cached_property
    def by_name(self) -> dict[str, int]:
        """Rule numbers by name."""
        return {rule[1]: number for number, rule in enumerate(self.rules)}

    def ancestors(self, name: str) -> list[str]:
        """Return the parent, its parent and so on; a loop in the rules ends the walk."""
        found: list[str] = []
        while name in self.by_name:
            name = self.rules[self.by_name[name]][2]
            if not name or name in found:
                break
            found.append(name)
        return found

    def rulebook(self) -> Any:
        """Return the whole rulebook (texts, fixes), loaded when first asked for."""
        if self._rulebook is None:
            from ftdoctor.rulebook.load import load

            self._rulebook = load(self._extra)
        return self._rulebook


def _stamp(folders: Sequence[Path]) -> list[Any]:
    """Return what changes when a rule changes."""
    packed = compiled_rulebook()
    stamp: list[Any] = [FORMAT]
    if packed.is_file():
        seen = packed.stat()
        stamp.append([str(packed), seen.st_mtime_ns, seen.st_size])
    else:
        folders = [rules_dir(), *folders]
    for folder in folders:
        stack = [str(folder)]
        while stack:
            try:
                with os.scandir(stack.pop()) as entries:
                    for entry in entries:
                        if entry.name.endswith((".yaml", ".yml")):
                            seen = entry.stat()
                            stamp.append([entry.path, seen.st_mtime_ns, seen.st_size])
                        elif entry.is_dir() and entry.name != "tables" and entry.name[0] != ".":
                            stack.append(entry.path)
            except OSError:
                continue
    return [stamp[0], *sorted(stamp[1:])]


def load_patterns(extra: Sequence[Path] = ()) -> Patterns:
    """Return the table for the rulebook (and a team's rule folders), from the cache when it is new.

    Raises:
        RuleError: a rule file is broken.
    """
    packed = compiled_rulebook().with_name("_patterns.json")
    if packed.is_file() and not extra:
        table = json.loads(packed.read_bytes())
        if table.get("format") == FORMAT:
            return Patterns(table)
    import zlib

    stamp = _stamp(extra)
    cache = (
        cache_dir() / f"patterns-{zlib.crc32(repr([str(rules_dir()), *extra]).encode()):08x}.json"
    )
    text = json.dumps(stamp)
    try:
        kept = cache.read_text(encoding="utf-8")
        head, _, body = kept.partition("\n")
        if head == text:
            found = Patterns(json.loads(body))
            found._extra = extra
            return found
    except (OSError, ValueError):
        pass
    from ftdoctor.rulebook.load import load

    rulebook = load(extra)
    table = build(rulebook.rows)
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        partial = cache.with_suffix(f".{os.getpid()}")
        partial.write_text(f"{text}\n{json.dumps(table, separators=(',', ':'))}", encoding="utf-8")
        partial.replace(cache)
    except OSError:
        pass  # a read-only home only costs time
    found = Patterns(table, rulebook)
    found._extra = extra
    return found
