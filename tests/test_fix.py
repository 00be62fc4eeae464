"""Edits: whole files or nothing, quotes kept, overlaps refused, broken results refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ftdoctor.fix import apply, plan
from ftdoctor.job.source import Place
from ftdoctor.rulebook.model import Edit, Finding, Fix, TextEdit

if TYPE_CHECKING:
    from pathlib import Path


def finding(
    path: Path, line: int, start: int, end: int, text: str, *, safe: bool = True
) -> Finding:
    place = Place(str(path), line, start, line, end)
    edit = Edit("t", (TextEdit(place, text),))
    return Finding("FT-X-001", "x", "error", "s", "e", place, fixes=(Fix("f", "", edit, safe),))


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_bytes(b"a: 'NVIDIA_L40'  # kept\r\nb: \xc3\xa9t\xc3\xa9 OLD\n")
    return path


def test_quotes_comments_and_line_ends_are_kept(spec: Path) -> None:
    made = plan([finding(spec, 1, 4, 16, "\0NVIDIA_L4\0"), finding(spec, 2, 8, 11, "NEW")])
    apply(made.changes)
    assert spec.read_bytes() == b"a: 'NVIDIA_L4'  # kept\r\nb: \xc3\xa9t\xc3\xa9 NEW\n"


def test_diff_shows_and_changes_nothing(spec: Path) -> None:
    before = spec.read_bytes()
    made = plan([finding(spec, 2, 8, 11, "NEW")])
    assert "-b: été OLD\n+b: été NEW\n" in made.changes[0].diff()
    assert spec.read_bytes() == before


def test_overlap_is_refused_and_said(spec: Path) -> None:
    made = plan([finding(spec, 1, 4, 16, "x"), finding(spec, 1, 5, 8, "y")])
    assert len(made.made) == 1
    assert "overlaps" in made.refused[0][1]


def test_the_same_edit_twice_is_made_once(spec: Path) -> None:
    made = plan([finding(spec, 2, 8, 11, "NEW"), finding(spec, 2, 8, 11, "NEW")])
    apply(made.changes)
    assert spec.read_text().endswith("été NEW\n")


def test_unsafe_needs_the_flag(spec: Path) -> None:
    found = finding(spec, 2, 8, 11, "NEW", safe=False)
    assert not plan([found]).changes
    assert plan([found], unsafe=True).changes


def test_python_that_would_not_parse_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.py"
    path.write_text("f(a=1)\n")
    made = plan([finding(path, 1, 3, 7, "")])
    assert not made.changes
    assert "would not parse" in made.refused[0][1]


def test_mode_and_link_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "run.sh"
    path.write_text("echo OLD\n")
    path.chmod(0o750)
    link = tmp_path / "link.sh"
    link.symlink_to(path)
    apply(plan([finding(link, 1, 6, 9, "NEW")]).changes)
    assert link.is_symlink()
    assert path.read_text() == "echo NEW\n"
    assert path.stat().st_mode & 0o777 == 0o750


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_loses_nothing(tmp_path: Path, spec: Path) -> None:
    made = plan([finding(spec, 2, 8, 11, "NEW")])
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OSError):
            apply(made.changes)
    finally:
        tmp_path.chmod(0o700)
    assert b"OLD" in spec.read_bytes()
    assert len(list(tmp_path.iterdir())) == 1
