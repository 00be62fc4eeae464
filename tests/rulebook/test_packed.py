"""The brief rows of the wheel stand for the same rules as the rule files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.paths import rules_dir
from ftdoctor.rulebook.load import Rulebook, compile_folder
from ftdoctor.rulebook.packed import PackedBook, checks, pack

if TYPE_CHECKING:
    from pathlib import Path


def test_packed_rules_are_the_rules(tmp_path: Path) -> None:
    rows = compile_folder(rules_dir())
    for name, text in zip(("_rulebook.json", "_before.json"), pack(rows), strict=True):
        (tmp_path / name).write_text(text)
    whole = list(Rulebook(rows).with_before())
    brief = list(PackedBook(str(tmp_path)).with_before())
    assert len(whole) == len(brief) > 200
    for rule, packed in zip(whole, brief, strict=True):
        assert (packed.code, packed.name, packed.before) == (rule.code, rule.name, rule.before)
        assert packed.platforms == rule.platforms
        assert packed.summary == rule.summary
        for field in ("severity", "explain", "fixes", "verify", "references", "after", "area"):
            assert getattr(packed, field) == getattr(rule, field)


def test_a_team_s_rules_are_loaded_with_the_others(tmp_path: Path) -> None:
    (tmp_path / "FT-ACME-001-own.yaml").write_text(
        "code: FT-ACME-001\nname: own-rule\nseverity: note\nsummary: s\nexplain: e\n"
        "before: {check: vertex_run.timeout_missing}\n"
    )
    assert "FT-ACME-001" in {rule.code for rule in checks([tmp_path]).with_before()}
