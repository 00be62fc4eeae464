"""No pattern of the rulebook, and none of the engine, can be made slow by a line."""

from __future__ import annotations

import re
import time

import pytest

from ftdoctor.logs import attempts, blocks, causes, clean, progress
from ftdoctor.logs.deciders import oom, oom_numbers, sigkill
from ftdoctor.logs.match import LONG
from tests.logs.test_fixtures import patterns

#: Seconds for one pattern on one line of the longest length that the matcher gives it.
LIMIT = 0.15
_FILL = ("a", " ", "/", "'", "1", ".", "a ", "a.", "a/b", "x=1, ", '"', "(", "\t", "é", "-", "_A")


def hostile(pattern: str, literals: list[str]) -> list[str]:
    """Lines that make a backtracking engine work: its literals, repeated and drowned."""
    lines = [fill * (LONG // len(fill)) for fill in _FILL]
    for literal in literals:
        lines.append(literal * (LONG // max(1, len(literal))))
        lines += [literal + fill * ((LONG - len(literal)) // len(fill)) for fill in _FILL]
        lines += [
            ((literal + fill * 30) * (LONG // (len(literal) + 30 * len(fill)) + 1))[:LONG]
            for fill in ("a", " ", "1")
        ]
    return [line[:LONG] for line in lines]


#: Patterns of the engine that are only tried at the start of a line.
_ANCHORED = frozenset(
    "_FRAME _NAMED _TYPE _RICH_TOP _MILD _MAYBE _PREFIX _ROW _NUMBERED _BOX _LOSS _STARTS".split()
)


def slowest(regex: re.Pattern[str], lines: list[str], *, anchored: bool = False) -> float:
    worst = 0.0
    look = regex.match if anchored else regex.search
    for line in lines:
        started = time.process_time()
        look(line)
        worst = max(worst, time.process_time() - started)
    return worst


def test_no_rule_can_be_made_slow() -> None:
    table = patterns()
    by_pattern: dict[int, list[str]] = {}
    for text, numbers, *_ in table.literals:
        for number in numbers:
            by_pattern.setdefault(number, []).append(text)
    slow = {}
    for number, (text, rule, _) in enumerate(table.texts):
        took = slowest(table.regex(number), hostile(text, by_pattern.get(number, [])))
        if took > LIMIT:
            slow[f"{table.rules[rule][0]}: {text}"] = round(took, 2)
    assert not slow


def test_every_near_pattern_is_quick() -> None:
    slow = {}
    for rule in patterns().rules:
        for text in rule[4]:
            took = slowest(re.compile(text), hostile(text, []))
            if took > LIMIT:
                slow[f"{rule[0]}: {text}"] = round(took, 2)
    assert not slow


@pytest.mark.parametrize("module", [attempts, blocks, causes, clean, progress, oom, sigkill])
def test_no_pattern_of_the_engine_can_be_made_slow(module: object) -> None:
    slow = {}
    for name, regex in vars(module).items():
        if hasattr(regex, "_source"):
            source, flags = regex._source
            lines = [fill * (LONG // len(fill)) for fill in _FILL]
            lines += [
                part * (LONG // len(part))
                for part in (
                    "Error: ",
                    "2026-01-01 00:00:00 ",
                    "[rank1]: ",
                    "100%|█| 1/1 [",
                    "Warning",
                )
            ]
            took = slowest(re.compile(source, flags), lines, anchored=name in _ANCHORED)
            if took > LIMIT:
                slow[name] = round(took, 2)
    assert not slow


def test_reading_the_numbers_of_a_hostile_message_is_quick() -> None:
    started = time.process_time()
    for fill in _FILL:
        oom_numbers.read_numbers("Tried to allocate " + fill * (LONG // len(fill)))
    assert time.process_time() - started < 1
