"""What must hold for every rule: its fields, its fixtures, its patterns, its commands."""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import TYPE_CHECKING

import pytest
from tests.conftest import FIXTURES

from ftdoctor.paths import rules_dir
from ftdoctor.rulebook.edits import KINDS
from ftdoctor.rulebook.load import compile_folder, load, rule_files
from ftdoctor.rulebook.model import Rule
from ftdoctor.rulebook.run import resolve_check

if TYPE_CHECKING:
    from pathlib import Path

RULES = list(load())
BEFORE = [rule for rule in RULES if rule.before]
AFTER = [rule for rule in RULES if rule.after]


def ids(rule: object) -> str:
    return f"{rule.code}-{rule.name}" if isinstance(rule, Rule) else str(rule)


def test_rulebook_compiles_and_each_file_is_named_after_its_rule() -> None:
    rows = {row["code"]: row["name"] for row in compile_folder(rules_dir())}
    for path in rule_files(rules_dir()):
        code = path.name[: len("FT-") + path.name[3:].index("-") + 4]
        assert code in rows, f"{path.name}: starts with no code"
        assert path.name == f"{code}-{rows[code]}.yaml"
        assert path.parent.name == code.split("-")[1]


def test_there_are_enough_rules() -> None:
    assert len(BEFORE) >= 70
    assert len(AFTER) >= 240


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_fields(rule: Rule) -> None:
    assert rule.parent != rule.name
    if rule.parent:
        assert rule.parent in load().code_of, f"parent {rule.parent} is no rule"
    assert rule.fixes, "a rule without a fix leaves its reader alone"
    for url in rule.references:
        assert url.startswith("https://"), url
    for fix in rule.fixes:
        if fix.edit is not None:
            assert len(set(fix.edit) & set(KINDS)) == 1, fix.edit
    assert "\n" not in rule.summary
    assert len(rule.summary) <= 160


@pytest.mark.parametrize("rule", BEFORE, ids=ids)
def test_check_exists(rule: Rule) -> None:
    assert rule.before is not None
    resolve_check(rule.before.check)


@cache
def _cases(half: str, code: str, kind: str) -> list[Path]:
    folder = FIXTURES / half / code
    return sorted(folder.glob(f"{kind}*")) if folder.is_dir() else []


def test_every_rule_has_a_firing_fixture_and_a_silent_one() -> None:
    lacking = [
        f"{half} {rule.code} {rule.name}: no {kind} case"
        for half, rules in (("before", BEFORE), ("after", AFTER))
        for rule in rules
        for kind in ("fires", "silent")
        if not _cases(half, rule.code, kind)
    ]
    assert not lacking, "\n".join(lacking)


def test_no_fixture_is_an_orphan() -> None:
    codes = {rule.code for rule in RULES}
    orphans = [
        p
        for half in ("before", "after")
        for p in (FIXTURES / half).glob("*")
        if p.name not in codes
    ]
    assert not orphans


COMMANDS = [(rule, fix.command) for rule in RULES for fix in rule.fixes if fix.command]


@pytest.mark.parametrize(
    ("rule", "command"), COMMANDS, ids=lambda v: v.code if isinstance(v, Rule) else ""
)
def test_command_is_shell(rule: Rule, command: str) -> None:
    """Every line of a fix's command splits as shell and starts with a program, not with prose."""
    for line in command.strip().splitlines():
        plain = re.sub(r"\{[a-z_]+\}", "X", line.strip())
        if not plain or plain.startswith("#"):
            continue
        words = shlex.split(plain, comments=True)
        assert words, line
        assert re.fullmatch(r"[A-Za-z_./$~][\w./$~=+-]*", words[0]), line
