"""Requirements files and single requirements."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Reference

from ftdoctor.job.readenv import ReadEnv
from ftdoctor.job.requirements import parse_requirement, read_requirements_file
from ftdoctor.job.source import Source


@pytest.mark.parametrize(
    "text",
    [
        "trl",
        "trl==1.0.0",
        "trl >= 1.0, < 2",
        "torch==2.8.0+cu126",
        "peft[all,dev]>=0.1",
        "transformers~=4.40 ; python_version < '3.12'",
        "accelerate>=1,<2,!=1.5",
        "Flash_Attn.x==2.*",
        "u @ https://example.org/u-1.0-py3-none-any.whl",
        "trl (>=1.0)",
    ],
)
def test_agrees_with_packaging(text: str) -> None:
    reference = Reference(text)
    found = parse_requirement(text, "requirements")
    assert found is not None
    assert found.name == reference.name.lower().replace("_", "-").replace(".", "-")
    assert set(found.extras) == reference.extras
    if not reference.url:
        assert sorted(filter(None, found.specifier.split(","))) == sorted(
            str(part) for part in reference.specifier
        )
    assert bool(found.marker) == bool(reference.marker)


@pytest.mark.parametrize("text", ["trl = 1.0", "==1.0", "a b c", "-e .", "trl=>1", "", "{{x}}"])
def test_no_requirement(text: str) -> None:
    with pytest.raises(InvalidRequirement):
        Reference(text)
    assert parse_requirement(text, "requirements") is None


def test_addresses() -> None:
    found = parse_requirement("git+https://example.org/huggingface/trl.git@v1.2", "step")
    assert found is not None
    assert (found.name, found.specifier) == ("trl", "")
    wheel = "https://example.org/x/flash_attn-2.8.3+cu12torch2.6-cp311-cp311-linux_x86_64.whl"
    found = parse_requirement(wheel, "step")
    assert found is not None
    assert (found.name, found.specifier) == ("flash-attn", "==2.8.3+cu12torch2.6")


def test_a_file_with_everything(tmp_path: Any) -> None:
    (tmp_path / "base.txt").write_text("peft==0.17.0\n")
    (tmp_path / "limits.txt").write_text("torch<2.9\n")
    text = (
        "# all\n-r base.txt\n-c limits.txt\n--extra-index-url https://example.org/whl/cu126\n"
        "trl==1.0.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
        "torch>=2.6  # GPU\n-e git+https://example.org/a/mylib.git#egg=mylib\n./local\n"
    )
    source = Source(str(tmp_path / "requirements.txt"), text)
    found = read_requirements_file(source, ReadEnv.beside(source.path))
    assert [(r.name, r.specifier) for r in found.requirements] == [
        ("peft", "==0.17.0"),
        ("trl", "==1.0.0"),
        ("torch", ">=2.6"),
        ("mylib", ""),
    ]
    assert [r.name for r in found.constraints] == ["torch"]
    assert {r.index for r in found.requirements} == {"https://example.org/whl/cu126"}
    assert found.unread[0].reason == "a local package"
    trl = found.requirements[1].place
    assert trl is not None
    assert (trl.line, trl.column, trl.end_column) == (5, 1, 11)
