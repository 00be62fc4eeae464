"""The literal that selects a pattern really stands in every line that the pattern matches."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftdoctor.logs.literals import required, words_of
from ftdoctor.logs.prefilter import Prefilter
from tests.logs.test_fixtures import FIRES, explain, patterns


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        (r"CUDA out of memory", ["CUDA out of memory"]),
        (r"^Traceback \(most", ["Traceback (most"]),
        (
            r"got an unexpected keyword argument '(?P<k>\w+)'",
            ["got an unexpected keyword argument '"],
        ),
        (r"(?:abcdef|ghijkl)mno\d+", ["abcdef", "ghijkl"]),
        (r"x? optional tail here", [" optional tail here"]),
        (r"(?:foo)+ barbarian", [" barbarian"]),
        (r"(?i)any case", []),
        (r"\d+ \w+", []),
        (r"one(?!two)threefour", ["threefour"]),
    ],
)
def test_required_runs(pattern: str, texts: list[str]) -> None:
    assert [literal.text for literal in required(pattern)] == texts


def test_words_at_an_open_edge_are_not_trusted() -> None:
    (run,) = required(r"(?:un)?expected keyword argument\w*")
    assert words_of(run) == [b"keyword"]
    (run,) = required(r"\bexpected keyword argument\b")
    assert set(words_of(run)) == {b"expected", b"keyword", b"argument"}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_line_made_from_a_pattern_is_selected(data: st.DataObject) -> None:
    table = patterns()
    number = data.draw(st.integers(0, len(table.texts) - 1))
    text = table.texts[number][0]
    line = data.draw(st.from_regex(re.compile(text), fullmatch=False)).split("\n")[0]
    if not table.regex(number).search(line):
        return
    literals = required(text)
    assert not literals or any(literal.text in line for literal in literals)
    before = data.draw(st.text("ab: 7", max_size=6))
    block = f"{before}{line}".encode("utf-8", "replace")
    found = {
        what
        for _, what in Prefilter(
            (entry[0].encode(), entry[2].encode(), i) for i, entry in enumerate(table.literals)
        ).present(line.encode("utf-8", "replace"))
    }
    selected = {n for what in found for n in table.literals[what][1]}
    assert number in selected or number in table.unfiltered, (text, block)


def test_taking_digits_out_keeps_every_fixture_findable() -> None:
    """The scanner looks at digit-free templates; what it would drop, no rule may need."""
    table = patterns()
    finder = Prefilter(
        (e[4].encode(), e[3].encode(), i) for i, e in enumerate(table.literals) if e[4]
    )
    for path in FIRES:
        found = explain(path.read_bytes())
        if found.cause is None:
            continue
        number = next(n for n, rule in enumerate(table.rules) if rule[0] == found.cause["code"])
        wanted = {i for i, (_, rule, _) in enumerate(table.texts) if rule == number}
        bare = path.read_bytes().translate(None, b"0123456789")
        hit = {p for _, what in finder.present(bare) for p in table.literals[what][1]}
        # A decider may name a child whose own patterns are not in the log.
        assert wanted & hit or any(rule[5] for rule in table.rules), path


def test_the_table_survives_its_file(tmp_path: object) -> None:
    from ftdoctor.logs import table as module
    from ftdoctor.logs.patterns import _read
    from ftdoctor.paths import rules_dir
    from ftdoctor.rulebook.load import compile_folder

    rows = compile_folder(rules_dir())
    path = f"{tmp_path}/kept.jsonl"
    module.write(path, rows, "stamp")
    assert _read(path, "another stamp") is None
    kept = _read(path, "stamp")
    assert kept is not None
    for number in (0, len(rows) // 2, len(rows) - 1):
        assert kept.row(number) == rows[number]
    assert io.BytesIO is not None
