"""--fix in notebooks: places count JSON's escapes, and nothing but the edited line changes."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from ftdoctor.fix import apply, plan
from ftdoctor.job.notebook_cells import read_cells
from ftdoctor.job.source import Source
from ftdoctor.rulebook.model import Edit, Finding, Fix, TextEdit

if TYPE_CHECKING:
    from pathlib import Path

    from ftdoctor.job.source import Place

SCRIPT = """\
from trl import SFTConfig, SFTTrainer

name = "Qwen/Qwen2.5-0.5B"
print("a \\"quoted\\" é 🤗\\t"); args = SFTConfig(output_dir="out", max_seq_length=512)
trainer = SFTTrainer(model=name, args=args, tokenizer=None)
trainer.train()
"""
PINS = "!pip install -q trl==1.6.0 transformers==5.10.0"


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def notebook(*cells: list[str] | str, **options: Any) -> str:
    found = [
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": c}
        for c in cells
    ]
    data = {"cells": found, "metadata": {"é": "ü"}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(data, **({"indent": 1, "ensure_ascii": False} | options)) + "\n"


def code(text: str) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(text)["cells"]]


ALPHABET = "ab=(\"'\\ \téß🤗{}/#\u2028\x07"


@pytest.mark.parametrize("ascii_only", [False, True])
def test_every_place_is_where_the_text_stands(ascii_only: bool) -> None:
    """What stands in the file at a place is the text, in JSON's spelling of it."""
    rng = random.Random(7)
    for _ in range(150):
        rows = ["".join(rng.choices(ALPHABET, k=rng.randrange(12))) for _ in range(5)]
        cell = "x" + "\n".join(rows)
        text = notebook(cell.split("\n") and _with_ends(cell), ensure_ascii=ascii_only)
        source = read_cells(Source("a.ipynb", text)).cells[0].source
        file = Source("a.ipynb", text)
        for number, row in enumerate(cell.split("\n"), 1):
            first = rng.randrange(len(row) + 1)
            last = rng.randrange(first, len(row) + 1)
            place = source.place(number, first + 1, number, last + 1)
            start = file.offset(place.line, place.column)
            end = file.offset(place.end_line, place.end_column)
            assert place.end_line
            assert json.loads(f'"{text[start:end]}"') == row[first:last]


def _with_ends(cell: str) -> list[str]:
    rows = cell.split("\n")
    return [row + "\n" for row in rows[:-1]] + rows[-1:]


def finding(place: Place, text: str) -> Finding:
    edit = Edit("test", (TextEdit(place, text),))
    return Finding("FT-X-1", "x", "error", "s", "e", place, fixes=(Fix("f", edit=edit, safe=True),))


@pytest.mark.parametrize("options", [{}, {"indent": 4}, {"ensure_ascii": True}])
def test_what_is_not_edited_keeps_its_bytes(
    options: dict[str, Any], tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "train.ipynb"
    before = notebook([PINS], lines(SCRIPT), **options)
    path.write_bytes(before.encode())
    cli("check", "--offline", "--fix", "train.ipynb")
    after = path.read_bytes().decode()
    old, new = before.split("\n"), after.split("\n")
    changed = [index for index, row in enumerate(old) if new[index] != row]
    assert len(old) == len(new)
    assert [old[i].count("max_seq_length") + old[i].count("tokenizer=") for i in changed] == [1, 1]
    assert code(after)[1] == SCRIPT.replace("max_seq_length", "max_length").replace(
        "tokenizer=", "processing_class="
    )
    assert cli("check", "--offline", "--select", "FT-API", "train.ipynb").code == 0


def test_windows_line_ends_stay(tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "train.ipynb"
    path.write_bytes(notebook([PINS], lines(SCRIPT)).replace("\n", "\r\n").encode())
    cli("check", "--offline", "--fix", "train.ipynb")
    after = path.read_bytes()
    assert after.count(b"\n") == after.count(b"\r\n")
    assert b"processing_class=" in after


@pytest.mark.parametrize(
    "cell", [SCRIPT, [SCRIPT], [*lines(SCRIPT)[:2], "".join(lines(SCRIPT)[2:])]]
)
def test_a_line_without_a_string_of_its_own_is_left(
    cell: list[str] | str, tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some tools keep a cell in one string: then it is said where, and nothing is edited."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "train.ipynb"
    text = notebook([PINS], cell)
    path.write_text(text)
    ran = cli("check", "--offline", "--fix", "train.ipynb")
    assert "FT-API-014" in ran.out
    assert path.read_text() == text


def test_a_new_line_is_a_new_string(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(notebook(["a = 1\n", "b = 'é'\n", "c = 3"]))
    source = read_cells(Source(str(path), path.read_text())).cells[0].source
    made = plan([finding(source.place(2, 1, 2, 1), 'x = "1"\ny = "é\\n"\n')])
    assert not made.refused
    apply(made.changes)
    assert json.loads(path.read_text())["cells"][0]["source"] == [
        "a = 1\n", 'x = "1"\n', 'y = "é\\n"\n', "b = 'é'\n", "c = 3"
    ]  # fmt: skip


def test_quotes_of_the_old_value_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(notebook(["x = f(a=\"one\", b='two')"]))
    source = read_cells(Source(str(path), path.read_text())).cells[0].source
    made = plan(
        [
            finding(source.place(1, 9, 1, 14), "\0three\0"),
            finding(source.place(1, 18, 1, 23), "\0four\0"),
        ]
    )
    apply(made.changes)
    assert code(path.read_text()) == ["x = f(a=\"three\", b='four')"]


def test_a_span_over_strings_and_a_last_line_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    text = notebook(["a = 1\n", "b = 2\n", "c = 3"])
    path.write_text(text)
    source = read_cells(Source(str(path), text)).cells[0].source
    over = source.place(1, 3, 2, 3)
    last = source.place(3)
    whole = type(last)(last.path, last.line, 1, last.line + 1, 1)
    for place, new in ((over, "x"), (whole, "")):
        made = plan([finding(place, new)])
        assert made.refused
        assert not made.changes
    middle = source.place(2)
    made = plan([finding(type(middle)(str(path), middle.line, 1, middle.line + 1, 1), "")])
    apply(made.changes)
    assert code(path.read_text()) == ["a = 1\nc = 3"]


def test_commands_have_exact_places(tmp_path: Path) -> None:
    """A word of `!pip install` is found where it stands, behind the sign and a quote."""
    from ftdoctor.job.read import read

    path = tmp_path / "a.ipynb"
    path.write_text(notebook(['  !pip install "trl==1.6.0"  transformers==5.10.0'], lines(SCRIPT)))
    job = read([path]).jobs[0]
    pinned = {r.name: r.place for r in job.requirements}
    row = path.read_text().split("\n")
    for name in ("trl", "transformers"):
        place = pinned[name]
        assert place is not None
        assert name in row[place.line - 1][place.column - 1 : place.column + 18]
