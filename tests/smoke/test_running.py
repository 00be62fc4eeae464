"""The state file of a paid run: damaged ones, and what --resume and --cancel say of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ftdoctor.smoke import running

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {
    "platform": "vertex",
    "key": "0" * 32,
    "machine": "g2-standard-4",
    "submitted": 1.0,
    "timeout": 1200.0,
    "usd_per_hour": 0.87,
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        *(json.dumps({k: v for k, v in GOOD.items() if k != name}) for name in GOOD),
        json.dumps({**GOOD, "timeout": "long"}),
        json.dumps({**GOOD, "usd_per_hour": float("nan")}),
        json.dumps({**GOOD, "platform": "elsewhere"}),
        json.dumps({**GOOD, "started": "yesterday"}),
    ],
)
@pytest.mark.parametrize("option", ["--resume", "--cancel"])
def test_a_damaged_file_is_told_and_left(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".ftdoctor").mkdir()
    path = tmp_path / ".ftdoctor" / "smoke-running.json"
    path.write_text(text)
    ran = cli("smoke", option)
    assert ran.code == 4, ran.err
    assert "cannot be read" in ran.err
    assert "gcloud ai custom-jobs list" in ran.err
    assert path.read_text() == text


def test_there_is_one_run_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ftdoctor.errors import UsageError

    monkeypatch.chdir(tmp_path)
    running.begin(dict(GOOD))
    assert running.current() == GOOD
    with pytest.raises(UsageError, match="may still be running"):
        running.begin(dict(GOOD))
    running.update({**GOOD, "id": "7"})
    assert running.current()["id"] == "7"
    running.finish()
    running.finish()
    with pytest.raises(UsageError, match="No smoke run"):
        running.current()


def test_without_a_place_for_it_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ftdoctor.errors import UsageError

    monkeypatch.chdir(tmp_path)
    (tmp_path / ".ftdoctor").write_text("a file")
    with pytest.raises(UsageError, match="cannot be written"):
        running.begin(dict(GOOD))
    with pytest.raises(UsageError, match="No smoke run"):
        running.current()


def test_a_full_disk_leaves_no_half_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ftdoctor.errors import UsageError

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        running.begin(dict(GOOD))
    assert not running.PATH.exists()
