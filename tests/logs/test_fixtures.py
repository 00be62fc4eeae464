"""Every rule's own logs: it is named on those that fire, and not on their look-alikes."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import pytest

from ftdoctor.logs.explain import Explanation, explain_log
from ftdoctor.logs.patterns import Patterns
from ftdoctor.logs.reading import RawLog
from ftdoctor.logs.table import build
from ftdoctor.paths import rules_dir
from ftdoctor.rulebook.load import compile_folder
from tests.logs.envelopes import ENVELOPES

ROOT = Path(__file__).resolve().parents[2]
AFTER = ROOT / "fixtures" / "after"
FIRES = sorted(AFTER.glob("*/fires*.log"))
SILENT = sorted(AFTER.glob("*/silent*.log"))
HEALTHY = sorted((ROOT / "fixtures" / "healthy").glob("*.log"))


@cache
def patterns() -> Patterns:
    rows = compile_folder(rules_dir())
    return Patterns(build(rows), rows)


def explain(data: bytes) -> Explanation:
    return explain_log(RawLog("log", io.BytesIO(data)), patterns(), engine="plain")


def named(data: bytes) -> str:
    found = explain(data)
    return str(found.cause["code"]) if found.cause else found.outcome


def label(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("path", FIRES, ids=label)
def test_the_rule_is_named_on_its_log(path: Path) -> None:
    found = explain(path.read_bytes())
    assert found.cause is not None, f"nothing named; also seen: {found.also}"
    assert found.cause["code"] == path.parent.name, found.cause["name"]
    assert found.cause["evidence"]


@pytest.mark.parametrize("path", SILENT, ids=label)
def test_the_rule_is_not_named_on_its_look_alike(path: Path) -> None:
    assert named(path.read_bytes()) != path.parent.name


@pytest.mark.parametrize("path", HEALTHY, ids=lambda path: path.name)
def test_nothing_is_named_on_a_healthy_log(path: Path) -> None:
    found = explain(path.read_bytes())
    assert found.cause is None, found.cause
    assert found.outcome == "healthy", found.block


@pytest.mark.parametrize("envelope", [name for name in ENVELOPES if not name.startswith("long_")])
def test_no_envelope_changes_an_answer(envelope: str) -> None:
    wrap = ENVELOPES[envelope]
    wrong = {}
    for path in FIRES:
        text = path.read_text(encoding="utf-8", errors="replace")
        answer = named(wrap(text))
        if answer != path.parent.name:
            wrong[label(path)] = answer
    assert not wrong


@pytest.mark.parametrize("envelope", ["long_after", "long_before", "long_both"])
def test_a_megabyte_around_it_changes_no_answer(envelope: str) -> None:
    wrap = ENVELOPES[envelope]
    wrong = {}
    for path in FIRES[::12]:
        text = path.read_text(encoding="utf-8", errors="replace")
        answer = named(wrap(text))
        if answer != path.parent.name:
            wrong[label(path)] = answer
    assert not wrong
