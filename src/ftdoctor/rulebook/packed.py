"""The rules of the wheel as `check` needs them: texts are read only for the rules that fire.

`_before.json` holds, for each rule with a `before` half, its code, name, platforms, that half, and
where its whole mapping stands in `_rulebook.json` (first byte, length). Both are written by the
build (hatch_build.py).
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, cast

from ftdoctor.paths import PACKAGE
from ftdoctor.rulebook.model import Before

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ftdoctor.rulebook.load import Rulebook
    from ftdoctor.rulebook.model import Rule


def pack(rows: list[dict[str, Any]]) -> tuple[str, str]:
    """Return the contents of `_rulebook.json` and `_before.json`; both are pure ASCII."""
    texts = [json.dumps(row, separators=(",", ":")) for row in rows]
    brief = []
    at = 1
    for row, text in zip(rows, texts, strict=True):
        before = row.get("before")
        if before:
            platforms = row.get("platforms") or []
            check, params = before["check"], before.get("params") or {}
            brief.append([row["code"], row["name"], platforms, check, params, at, len(text)])
        at += len(text) + 1
    return f"[{','.join(texts)}]", json.dumps(brief, separators=(",", ":"))


class _PackedRule:
    """Stands for a Rule; what is not in the brief row is read from the rulebook on use."""

    def __init__(self, folder: str, row: list[Any]) -> None:
        self.code, self.name, platforms, check, params, *self._span = row
        self.platforms = tuple(platforms)
        self.before = Before(check, params)
        self._folder = folder

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        from ftdoctor.rulebook.parse import parse_rule

        with open(os.path.join(self._folder, "_rulebook.json"), "rb") as file:
            file.seek(self._span[0])
            row = json.loads(file.read(self._span[1]))
        rule = parse_rule(row, self.code, trusted=True)
        self.__dict__ |= vars(rule)
        return getattr(rule, name)


class PackedBook:
    """The rules that `check` can run."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def with_before(self) -> Iterator[Rule]:
        """Yield the rules, in the order of their codes."""
        with open(os.path.join(self.folder, "_before.json"), "rb") as file:
            rows = json.loads(file.read())
        return (cast("Rule", _PackedRule(self.folder, row)) for row in rows)


def checks(extra: Iterable[Path] = ()) -> PackedBook | Rulebook:
    """Return the rules for a check: those of the wheel in brief, or the rulebook as it is loaded.

    Raises:
        RuleError: a rule file of a team is broken.
    """
    if not extra and os.path.isfile(os.path.join(PACKAGE, "_before.json")):
        return PackedBook(PACKAGE)
    from ftdoctor.rulebook.load import load

    return load(extra)
