"""Configuration files: found upwards, validated, broken ones told with their path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftdoctor.config import find
from ftdoctor.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_pyproject_is_found_upwards(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.ftdoctor]\nselect=["FT-JOB"]\nfail-on="warning"\nrules=["ours"]\n'
        '[tool.ftdoctor.ignore]\nFT-JOB-101 = "the cluster sets it"\n'
    )
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    config = find(below)
    assert config.select == ("FT-JOB",)
    assert config.fail_on == "warning"
    assert config.ignore == {"FT-JOB-101": "the cluster sets it"}
    assert config.rules == (tmp_path / "ours",)


def test_own_file_wins_over_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.ftdoctor]\nfail-on="note"\n')
    (tmp_path / "ftdoctor.toml").write_text('ignore = ["FT-JOB-101"]\n')
    assert find(tmp_path).ignore == {"FT-JOB-101": ""}


def test_search_ends_at_the_repository(tmp_path: Path) -> None:
    (tmp_path / "ftdoctor.toml").write_text('fail-on="note"\n')
    inner = tmp_path / "repo"
    (inner / ".git").mkdir(parents=True)
    assert find(inner).fail_on == "error"


@pytest.mark.parametrize(
    "text",
    ["[", 'colour="red"', "select=1", 'fail-on="never ever"', "[ignore]\nX=1", b"\xff\xfe"],
)
def test_broken_is_told_with_the_path(tmp_path: Path, text: str | bytes) -> None:
    path = tmp_path / "ftdoctor.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match="ftdoctor.toml"):
        find(tmp_path)
