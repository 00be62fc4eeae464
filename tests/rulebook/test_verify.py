"""`verify:` of the rules: its words, the command that it gives, and which rules have none and why."""

from __future__ import annotations

import shlex
from typing import Any

import click
import pytest

from ftdoctor.errors import RuleError
from ftdoctor.rulebook.load import load
from ftdoctor.rulebook.model import Rule
from ftdoctor.rulebook.parse import parse_rule
from ftdoctor.rulebook.verify import STAGES, WORDS, command

RULES = list(load())
PROVED = [rule for rule in RULES if rule.verify]

#: Areas whose causes lie in what a smoke run does; every rule there has `verify` or stands below.
RUN = ("API", "AUTH", "DATA", "DIST", "GPU", "MEM", "NET", "PKG", "TRAIN")
#: Why a smoke run cannot prove the fix of a rule.
NOT_PROVED = {
    "it is about the job's own code, which a smoke run does not run": (
        "API-004 API-011 API-012 API-013 API-020 API-024 API-025 "
        "API-102 API-103 API-104 API-105 API-111 API-205 API-207 DATA-004 DATA-005 DATA-021 "
        "DATA-022 DATA-026 GPU-006 GPU-027 PKG-016 PKG-024 PKG-037 PKG-108 PKG-112 PKG-211 "
        "API-113 API-116 API-210 API-212 DATA-209 TRAIN-004 TRAIN-005 TRAIN-006 TRAIN-102 TRAIN-201 DIST-007"
    ),
    "the keyword may be of a call that a smoke run does not make": (
        "API-106 API-107 API-108 API-109"
    ),
    "check says it; there is nothing to run": (
        "API-110 API-117 API-118 AUTH-123 AUTH-101 AUTH-102 AUTH-103 AUTH-108 AUTH-110 AUTH-111 AUTH-113 AUTH-114 AUTH-115 "
        "AUTH-116 AUTH-117 AUTH-118 AUTH-119 AUTH-254 AUTH-255 DATA-101 DATA-102 DATA-103 DATA-104 "
        "NET-101 NET-104 DIST-101 DIST-102 GPU-101 PKG-106 PKG-109 PKG-110 PKG-111"
    ),
    "a smoke run does not train on so many rows, so long, or so much": (
        "DATA-010 DATA-011 DATA-020 DATA-023 DATA-027 DATA-028 DATA-029 DATA-201 DATA-204 "
        "DATA-205 DATA-207 MEM-001 MEM-002 MEM-004 MEM-005 MEM-006 NET-006 NET-008 NET-014 "
        "NET-015 NET-001 NET-011 NET-012"
    ),
    "a smoke run reports to no tracker": (
        "API-021 API-022 API-023 AUTH-010 AUTH-011 AUTH-012 AUTH-013 AUTH-014 AUTH-120 AUTH-121 "
        "AUTH-122 AUTH-203 PKG-028"
    ),
    "it comes and goes, or is of one machine": "GPU-004 GPU-008 GPU-013 GPU-014 GPU-019 GPU-020 MEM-009",
    "a smoke run does not do this": (
        "DATA-210 DIST-202 DIST-203 AUTH-009 AUTH-206 AUTH-207 GPU-007 GPU-010 GPU-023 GPU-030 NET-002 NET-003 NET-005 NET-202 NET-203 "
        "PKG-009 DIST-001 DIST-002 DIST-003 DIST-004 DIST-005 DIST-006 DIST-008 DIST-009 DIST-010 "
        "DIST-020 DIST-021 DIST-022"
    ),
}


def ids(value: object) -> str:
    return value.code if isinstance(value, Rule) else str(value)


@pytest.mark.parametrize("rule", PROVED, ids=ids)
def test_the_words_are_known_and_name_a_stage(rule: Rule) -> None:
    assert set(rule.verify) <= WORDS
    assert set(rule.verify) & set(STAGES), "a condition alone runs nothing"


@pytest.mark.parametrize("rule", PROVED, ids=ids)
@pytest.mark.parametrize("path", ["JOB", "jobs/my job.sh"])
def test_the_command_parses(rule: Rule, path: str) -> None:
    """With our own command line: every option is there, and the job is where the job goes."""
    from ftdoctor.cli import main

    words = shlex.split(command(rule.code, rule.verify, path, 3))
    assert words[:2] == ["ftdoctor", "smoke"]
    smoke = main.get_command(click.Context(main), "smoke")
    assert smoke is not None
    context = smoke.make_context("smoke", words[2:])
    assert context.params["confirm"] == rule.code
    given = context.params["job"]
    assert given in ((f"{path}:3", None) if path == "JOB" else (f"{path}:3",))


@pytest.mark.parametrize("rule", PROVED, ids=ids)
def test_a_plan_can_be_cut_down_to_it(rule: Rule) -> None:
    from ftdoctor.smoke.confirm import proof_of, reduced
    from ftdoctor.smoke.plan import default_plan

    plan: dict[str, Any] = {**default_plan("cuda"), "model": "a/b", "push": "me/out"}
    plan["stages"] = [*plan["stages"], "allreduce"]
    cut = reduced(plan, proof_of(rule.code, load()))
    assert set(rule.verify) & set(STAGES) <= set(cut["stages"])
    assert cut["confirms"] == rule.code


def test_every_rule_that_a_run_can_prove_says_how() -> None:
    excused = {f"FT-{c}" for codes in NOT_PROVED.values() for c in codes.split()}
    of_a_run = {r.code for r in RULES if r.area in RUN}
    proved = {r.code for r in PROVED}
    neither = sorted(of_a_run - proved - excused)
    assert not neither, f"give them `verify`, or a reason in NOT_PROVED: {', '.join(neither)}"
    assert sorted(excused & proved) == [], "verify, and a reason why not"
    assert sorted(excused - {r.code for r in RULES}) == [], "no such rule"


def test_a_rule_with_an_unknown_word_is_refused() -> None:
    row = {
        "code": "FT-ACME-001",
        "name": "ours",
        "severity": "error",
        "summary": "x",
        "explain": "y",
        "before": {"check": "a.b"},
        "verify": ["tokens"],
    }
    with pytest.raises(RuleError, match="'verify' has no word 'tokens'"):
        parse_rule(row, "ours.yaml")
