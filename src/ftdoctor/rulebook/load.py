"""Load the rulebook: the compiled file of the wheel, the folder of a checkout, a team's folders."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftdoctor.errors import RuleError
from ftdoctor.paths import cache_dir, compiled_rulebook, rules_dir
from ftdoctor.records import dataclass, field
from ftdoctor.rulebook.parse import parse_rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftdoctor.rulebook.model import Rule


def _read_yaml(path: Path) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(path.read_bytes(), Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise RuleError(f"{path}{line}: {problem}", "Mend the YAML of this rule file.") from None
    except OSError as error:
        raise RuleError(
            f"{path}: {error.strerror or error}", "Check the path of the rule."
        ) from None


def rule_files(folder: Path) -> list[Path]:
    """Return the rule files under a folder (AREA/CODE-name.yaml or flat), without tables."""
    found: list[Path] = []
    stack = [folder]
    while stack:
        with os.scandir(stack.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    if entry.name != "tables" and not entry.name.startswith("."):
                        stack.append(Path(entry.path))
                elif entry.name.endswith((".yaml", ".yml")):
                    found.append(Path(entry.path))
    return sorted(found)


def compile_folder(folder: Path) -> list[dict[str, Any]]:
    """Read and validate every rule of a folder and return the raw mappings, sorted by code.

    Raises:
        RuleError: a rule is broken, or two rules share a code or a name.
    """
    rows: dict[str, dict[str, Any]] = {}
    names: dict[str, str] = {}
    for path in rule_files(folder):
        data = _read_yaml(path)
        rule = parse_rule(data, str(path))
        if rule.code in rows:
            raise RuleError(
                f"{path}: code {rule.code} is already used", "Take the next free number."
            )
        if rule.name in names:
            raise RuleError(
                f"{path}: name {rule.name!r} is already used by {names[rule.name]}",
                "A root cause has one rule; give this one its own name.",
            )
        rows[rule.code] = data
        names[rule.name] = rule.code
    return [rows[code] for code in sorted(rows)]


def _cached_folder(folder: Path) -> list[dict[str, Any]]:
    """Compile a checkout's folder once and keep the result until a file changes."""
    key = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    stamp = [[str(p), s.st_mtime_ns, s.st_size] for p in rule_files(folder) for s in [p.stat()]]
    cache = cache_dir() / f"rulebook-{key}.json"
    try:
        kept = json.loads(cache.read_bytes())
        if kept["stamp"] == stamp:
            rows: list[dict[str, Any]] = kept["rules"]
            return rows
    except (OSError, ValueError, KeyError, TypeError):
        pass
    compiled = compile_folder(folder)
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        partial = cache.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps({"stamp": stamp, "rules": compiled}))
        partial.replace(cache)
    except OSError:
        pass  # a read-only home only costs time
    return compiled


@dataclass
class Rulebook:
    """All rules, as raw mappings until one is asked for: most runs need a few of them."""

    rows: list[dict[str, Any]]
    _parsed: dict[str, Rule] = field(default_factory=dict)

    @cached_property
    def by_code(self) -> dict[str, dict[str, Any]]:
        """Raw rows by code."""
        return {row["code"]: row for row in self.rows}

    @cached_property
    def code_of(self) -> dict[str, str]:
        """Codes by name."""
        return {row["name"]: row["code"] for row in self.rows}

    def rule(self, code_or_name: str) -> Rule:
        """Return one rule by code or name, upper or lower case.

        Raises:
            KeyError: there is none.
        """
        code = code_or_name.upper()
        if code not in self.by_code:
            code = self.code_of[code_or_name.lower()]
        if code not in self._parsed:
            self._parsed[code] = parse_rule(self.by_code[code], code, trusted=True)
        return self._parsed[code]

    def with_before(self) -> Iterator[Rule]:
        """Yield the rules that `check` can run."""
        return (self.rule(row["code"]) for row in self.rows if row.get("before"))

    def with_after(self) -> Iterator[Rule]:
        """Yield the rules that `explain` can match."""
        return (self.rule(row["code"]) for row in self.rows if row.get("after"))

    def __iter__(self) -> Iterator[Rule]:
        return (self.rule(row["code"]) for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def load(extra: Iterable[Path] = ()) -> Rulebook:
    """Return the rulebook, with a team's own rule folders added.

    Raises:
        RuleError: a rule file is broken, or an extra rule takes a code or name in use.
    """
    packed = compiled_rulebook()
    rows = json.loads(packed.read_bytes()) if packed.is_file() else _cached_folder(rules_dir())
    codes = {row["code"] for row in rows}
    names = {row["name"] for row in rows}
    for folder in extra:
        if not folder.is_dir():
            raise RuleError(f"{folder}: no such rule folder", "Check 'rules' in the configuration.")
        for row in compile_folder(folder):
            if row["code"] in codes or row["name"] in names:
                raise RuleError(
                    f"{folder}: {row['code']} {row['name']} is taken by a rule of ftdoctor",
                    "Give your rule its own area, for instance FT-ACME-001.",
                )
            rows.append(row)
    return Rulebook(rows)
