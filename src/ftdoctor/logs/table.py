"""Build the matcher's table from rule rows, and write it where `patterns.py` finds it.

The file has one JSON text a line: the stamp, the table, then the rows of the rules as they stand in
their files. The table holds each row's offset, so that a report reads the one rule that it names.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from ftdoctor.logs.literals import Literal, required, words_of
from ftdoctor.logs.patterns import ANY, FORMAT, UNLESS

if TYPE_CHECKING:
    from collections.abc import Iterable


def build(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the table of raw rule rows: rules, patterns, literals, words that select them."""
    rules: list[list[Any]] = []
    patterns: list[list[Any]] = []
    literals: dict[str, list[Any]] = {}
    unfiltered: list[int] = []
    for row in rows:
        number = len(rules)
        after = row.get("after") or {}
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
        for kind, texts in ((ANY, after.get("any")), (UNLESS, after.get("unless"))):
            for text in texts or ():
                patterns.append([text, number, kind])
                needed = required(text)
                if not needed:
                    unfiltered.append(len(patterns) - 1)
                for literal in needed:
                    _add(literals, literal, len(patterns) - 1)
    return {
        "rules": rules,
        "patterns": patterns,
        "literals": [[text, *rest] for text, rest in literals.items()],
        "unfiltered": unfiltered,
    }


def _add(literals: dict[str, list[Any]], literal: Literal, pattern: int) -> None:
    """Add a pattern under its literal: [pattern ids, word, word without digits, bare text]."""
    entry = literals.get(literal.text)
    words, bare = words_of(literal), words_of(literal, digits=False)
    if entry is None:
        stripped = re.sub(r"[0-9]", "", literal.text)
        entry = literals[literal.text] = [
            [],
            words[0].decode() if words else "",
            bare[0].decode() if bare else "",
            stripped if len(stripped.strip()) >= 3 else "",
        ]
    else:
        # Two patterns share the text but not its edges: only what both guarantee may select.
        if entry[1] and entry[1].encode() not in words:
            entry[1] = ""
        if entry[2] and entry[2].encode() not in bare:
            entry[2] = ""
    entry[0].append(pattern)


def write(path: str, rows: list[dict[str, Any]], stamp: str) -> dict[str, Any]:
    """Write the table file and return its table; a folder that cannot be written is no error."""
    table = build(rows)
    table["format"] = FORMAT
    packed = [json.dumps(row, separators=(",", ":")).encode() for row in rows]
    offsets: list[int] = []
    at = 0
    for row in packed:
        offsets.append(at)
        at += len(row) + 1
    table["offsets"] = offsets
    head = f"{stamp}\n{json.dumps(table, separators=(',', ':'))}\n".encode()
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        partial = f"{path}.{os.getpid()}"
        with open(partial, "wb") as file:
            file.write(head + b"\n".join(packed) + b"\n")
        os.replace(partial, path)
    except OSError:
        pass  # a read-only home only costs time
    return table
