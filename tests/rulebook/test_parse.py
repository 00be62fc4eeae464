"""Rule files: what is accepted, and errors that name the file and the line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftdoctor.errors import RuleError
from ftdoctor.rulebook.load import compile_folder, load
from ftdoctor.rulebook.parse import parse_rule
from ftdoctor.rulebook.text import fill

if TYPE_CHECKING:
    from pathlib import Path

GOOD: dict[str, Any] = {
    "code": "FT-ACME-001",
    "name": "bucket-not-ours",
    "severity": "error",
    "since": "0.1.0",
    "summary": "The bucket is not ours.",
    "after": {"any": ["bucket not ours: (?P<bucket>\\S+)"]},
    "explain": "It says {bucket}.",
    "fixes": [{"text": "Use our bucket."}],
}


def test_good() -> None:
    rule = parse_rule(GOOD, "x.yaml")
    assert rule.after is not None
    assert rule.area == "ACME"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"code": "ACME-1"}, "FT-JOB-004"),
        ({"name": "Not Kebab"}, "lower-case"),
        ({"severity": "fatal"}, "severity"),
        ({"colour": 1}, "no field 'colour'"),
        ({"after": {"any": []}}, "at least one pattern"),
        ({"after": {"any": ["("]}}, "not a regular expression"),
        ({"after": {"any": ["x"], "role": "boss"}}, "role"),
        ({"after": None}, "'before', 'after' or both"),
        ({"before": {"check": "os.system('x')"}}, "module.function"),
        ({"before": {"check": "a.b", "params": [1]}}, "params"),
        ({"fixes": [{"txt": "x"}]}, "no field 'txt'"),
        ({"summary": ""}, "summary"),
        ({"platforms": "vertex"}, "list of texts"),
    ],
)
def test_bad_is_told(change: dict[str, Any], said: str) -> None:
    with pytest.raises(RuleError, match="x.yaml") as caught:
        parse_rule({**GOOD, **change}, "x.yaml")
    assert said in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
        max_leaves=12,
    )
)
def test_a_hostile_rule_is_an_error_not_a_crash(data: object) -> None:
    for key in (None, "after", "before", "fixes"):
        value = data if key is None else {**GOOD, key: data}
        try:
            parse_rule(value, "hostile.yaml")
        except RuleError as error:
            assert "hostile.yaml" in str(error)


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("code: FT-ACME-001\nname: [x\nfoo: :\n")
    with pytest.raises(RuleError, match=r"r\.yaml:\d"):
        compile_folder(tmp_path)


def test_yaml_tags_run_nothing(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("code: !!python/object/apply:os.system ['echo hi']\n")
    with pytest.raises(RuleError):
        compile_folder(tmp_path)


def test_a_code_is_used_once(tmp_path: Path) -> None:
    import json

    (tmp_path / "a.yaml").write_text(json.dumps(GOOD))
    (tmp_path / "b.yaml").write_text(json.dumps({**GOOD, "name": "other"}))
    with pytest.raises(RuleError, match="already used"):
        compile_folder(tmp_path)


def test_team_rules_join_the_book_and_may_not_replace_ours(tmp_path: Path) -> None:
    import json

    (tmp_path / "a.yaml").write_text(json.dumps(GOOD))
    assert load([tmp_path]).rule("bucket-not-ours").code == "FT-ACME-001"
    (tmp_path / "b.yaml").write_text(json.dumps({**GOOD, "code": "FT-SELF-101", "name": "mine"}))
    with pytest.raises(RuleError, match="FT-SELF-101"):
        load([tmp_path])


def test_placeholders_leave_shell_and_json_alone() -> None:
    text = 'echo ${HF_TOKEN} {"a": 1} {known} {unknown}'
    assert fill(text, {"known": 1}) == 'echo ${HF_TOKEN} {"a": 1} 1 {unknown}'
