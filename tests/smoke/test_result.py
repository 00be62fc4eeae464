"""What is left of a result when something of ours goes wrong: the verdict is told all the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ftdoctor.smoke import evidence
from ftdoctor.smoke.result import finish
from ftdoctor.smoke.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

RUN = {
    "platform": "hf-jobs",
    "job": "ada/1",
    "machine": "l4x1",
    "running_seconds": 60.0,
    "usd": 0.01,
}


def test_where_nothing_can_be_kept(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".ftdoctor").write_text("a file stands in the way")
    code = finish(Verdict("works", [{"stage": "end", "ok": True}]), {}, None, fmt="json", run=RUN)
    said = capsys.readouterr()
    assert code == 0
    assert json.loads(said.out)["verdict"] == "WORKS"
    assert "could not be kept" in said.err


def test_where_the_evidence_fails(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)

    def broken(*_: object) -> dict[str, Any]:
        raise KeyError("shape")

    monkeypatch.setattr(evidence, "gather", broken)
    code = finish(Verdict("fails", [], reason="why"), {}, None, fmt="terminal", run=RUN)
    said = capsys.readouterr()
    assert code == 1
    assert said.out.startswith("smoke: FAILS\nwhy\n")
    assert "no evidence was gathered" in said.err


def test_a_secret_of_a_stage_is_not_shown_or_kept(
    tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    secret = "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH"
    stages = [{"stage": "token", "ok": False, "error": f"401 for {secret}"}]
    verdict = Verdict("fails", stages, block=f"token {secret}", reason=f"401 for {secret}")
    for fmt in ("terminal", "json", "markdown"):
        finish(verdict, {"notes": [secret]}, None, fmt=fmt)
    said = capsys.readouterr()
    kept = "".join(p.read_text() for p in (tmp_path / ".ftdoctor" / "smoke").glob("*.json"))
    assert secret not in said.out + said.err + kept
    assert kept.count("schema_version") == 3
