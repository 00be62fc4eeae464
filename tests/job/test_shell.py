"""The shell reader: words, variables, branches, here-documents, and where everything stands."""

from __future__ import annotations

import pytest
from tests.job.shell_helpers import shown, steps, words, written_at

from ftdoctor.job.shell import read_script
from ftdoctor.job.source import Source


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo 'a  b' \"c d\" e\\ f", ["echo", "a  b", "c d", "e f"]),
        ("run --a=1 \\\n  --b 2", ["run", "--a=1", "--b", "2"]),
        ("run --a=1 \\\\\n  --b 2", ["run", "--a=1", "--b", "2"]),
        ("run a # --b", ["run", "a"]),
        ("run a#b", ["run", "a#b"]),
        ("run $'x\\ty'", ["run", "x\ty"]),
        ("run ''", ["run", ""]),
        ("run --bucket=<YOUR_BUCKET>", ["run", "--bucket=<YOUR_BUCKET>"]),
        ("run < input.txt > out.txt 2>&1", ["run"]),
        ("sudo -u me env A=1 nohup run x", ["run", "x"]),
        ("timeout 3600 run x", ["run", "x"]),
        ("A=1 B=2 run x", ["run", "x"]),
        ("! run x", ["run", "x"]),
        ("run {a,b} *.txt", ["run", "{a,b}", "*.txt"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(steps(text)[0]) == expected


def test_a_variable_is_followed_to_its_literal() -> None:
    text = 'REGION="us-central1"\ngo --region=$REGION --zone "${REGION}-a" $REGION\n'
    step = steps(text)[-1]
    assert words(step) == ["go", "--region=us-central1", "--zone", "us-central1-a", "us-central1"]
    # The literal is where a fix belongs, not the use.
    assert written_at(text, step.argv[4].place) == '"us-central1"'
    assert step.argv[4].raw == "$REGION"


@pytest.mark.parametrize(
    ("text", "raw", "default"),
    [
        ("go $NOBODY", "$NOBODY", None),
        ("go ${X:-small}", "${X:-small}", "small"),
        ("X=${X:-small}\ngo $X", "$X", "small"),
        ("go $(date)", "$(date)", None),
        ("read -p 'name? ' X\ngo $X", "$X", None),
        ("go $1", "$1", None),
        ("X=${1:-big}\ngo model-$X", "model-$X", "model-big"),
        ("X=a\nif true; then X=b; fi\ngo $X", "$X", "a"),
        ("for X in a b; do\ngo $X\ndone", "$X", "a"),
        ("case $1 in a) X=1;; b) X=2;; esac\ngo $X", "$X", "1"),
    ],
)
def test_what_cannot_be_known_says_so(text: str, raw: str, default: str | None) -> None:
    value = next(s for s in steps(text) if s.argv and s.argv[0].value == "go").argv[1]
    assert not value.known
    assert value.unknown
    assert value.raw == raw
    assert value.default == default


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X=a\nif true; then X=a; else X=a; fi\ngo $X", "a"),
        ("if [ -z $X ]; then exit 1; fi\nX=a\ngo $X", "a"),
        ("for X in only; do go $X; done", "only"),
        ("X=a.b.c\ngo ${X%.*} ${X##*.} ${X/a/z} ${X^^}", "a.b c z.b.c A.B.C"),
        ("X='--a 1'\ngo $X", "--a 1"),
        ("f() { go $1 ${2:-two}; }\nf one", "one two"),
        ('A=(--x 1)\nA+=(--y)\ngo "${A[@]}"', "--x 1 --y"),
        ("X=a; X+=b\ngo $X", "ab"),
        ("X=out\n(X=in)\ngo $X", "out"),
        ("export X=a\ngo $X", "a"),
    ],
)
def test_followed_values(text: str, expected: str) -> None:
    step = next(s for s in steps(text) if s.argv and s.argv[0].value == "go")
    assert " ".join(words(step)[1:]) == expected


def test_an_array_that_grows_under_a_condition_is_open_at_its_end() -> None:
    text = 'A=(--a)\nif [ -n "$B" ]; then A+=(--b); fi\ngo "${A[@]}"'
    assert words(steps(text)[-1]) == ["go", "--a", "?--b"]


def test_order_joints_and_guards() -> None:
    found = steps("a && b || c; d | e &\nset -e\nf\nset +e\ng\n")
    assert [(words(s)[0], s.joined) for s in found[:5]] == [
        ("a", "&&"),
        ("b", "||"),
        ("c", ";"),
        ("d", "|"),
        ("e", "&"),
    ]
    guarded = {words(s)[0]: s.guarded for s in found if words(s)[0] != "set"}
    assert guarded == {
        "a": False,
        "b": False,
        "c": False,
        "d": False,
        "e": False,
        "f": True,
        "g": False,
    }


def test_the_shebang_and_long_options_guard() -> None:
    assert steps("#!/bin/bash -e\na")[0].guarded
    step = steps("set -o errexit -o pipefail\na")[-1]
    assert step.guarded
    assert step.pipefail


def test_where_a_command_stands() -> None:
    found = steps("if test x; then a; fi\nfor i in 1 2; do b; done\nX=$(c)\nf() { d; }\nf\n")
    inside = {words(s)[0]: s.inside for s in found if s.argv}
    assert inside["test"] == ("condition",)
    assert inside["a"] == ("if",)
    assert inside["b"] == ("loop",)
    assert inside["c"] == ("substitution",)
    assert inside["d"] == ("function:f",)


def test_a_function_that_nothing_calls_is_read_once() -> None:
    found = [s for s in steps("f() { go $1; }\n") if s.argv]
    assert [words(s) for s in found] == [["go", "?$1"]]


def test_heredocs() -> None:
    text = "cat <<EOF > a.yaml\nx: $Y\nEOF\ncat > b.yaml <<-'END'\n\tx: $Y\n\tEND\ngo\n"
    script = read_script(Source("run.sh", text))
    assert script.written["a.yaml"].source is not None
    assert script.written["a.yaml"].source.text == "x: $Y\n"
    assert script.written["a.yaml"].expands
    assert script.written["b.yaml"].source is not None
    assert script.written["b.yaml"].source.text == "x: $Y\n"
    assert not script.written["b.yaml"].expands
    assert script.written["b.yaml"].source.place(1, 1).line == 5
    assert script.written["b.yaml"].source.place(1, 1).column == 2
    assert words(script.steps[-1]) == ["go"]


def test_a_backslash_with_a_blank_behind_it_is_noted() -> None:
    script = read_script(Source("run.sh", "go a \\  \n  --b\n"))
    assert words(script.steps[0]) == ["go", "a", "--b"]
    assert [place.line for place in script.broken] == [1]


def test_parts_of_a_word_keep_their_places() -> None:
    text = "N=2\ngo --spec=type=big,count=$N,\\\nimage=$WHO\n"
    value = next(s for s in steps(text) if s.argv).argv[1]
    _, _, spec = value.partition("=")  # type: ignore[attr-defined]
    kind, count, image = spec.split(",")
    assert written_at(text, kind.place) == "type=big"
    assert shown(count) == "count=2"
    assert shown(image) == "?image=$WHO"
    assert written_at(text, image.partition("=")[2].place) == "$WHO"


def test_recursion_and_floods_end() -> None:
    assert len(steps("f() { f; f; }\nf\n")) < 4000
    assert len(steps("X=aaaaaaaa\n" + "X=$X$X\n" * 60 + "go $X\n")) < 100
    assert steps("$(" * 5000) is not None
    assert steps("(" * 5000 + '"${' * 3000) is not None
