"""PEP 723 headers."""

from __future__ import annotations

import pytest

from ftdoctor.job.pep723 import Header, read_header
from ftdoctor.job.source import Source


def header(text: str) -> Header:
    found = read_header(Source("train.py", text))
    assert found is not None
    return found


def test_dependencies_with_places() -> None:
    found = header(
        '# /// script\n# requires-python = ">=3.11"\n# dependencies = [\n#     "trl>=1.0",\n'
        "#     'torch==2.8.0 ; sys_platform == \"linux\"',\n"
        '#     "unsloth[cu128] @ git+https://example.org/u.git@v1",\n# ]\n# ///\nimport trl\n'
    )
    assert [(r.name, r.specifier) for r in found.requirements] == [
        ("trl", ">=1.0"),
        ("torch", "==2.8.0"),
        ("unsloth", ""),
    ]
    place = found.requirements[0].place
    assert place is not None
    assert (place.line, place.column, place.end_column) == (4, 7, 17)
    assert found.requirements[1].marker == 'sys_platform == "linux"'
    assert found.requirements[2].extras == ("cu128",)
    assert found.requires_python is not None
    assert found.requires_python.value == ">=3.11"


def test_tables_of_hf_jobs_and_uv() -> None:
    found = header(
        '# /// script\n# dependencies = ["trl"]\n# [tool.hf-jobs]\n# flavor = "l4x1"\n'
        '# timeout = "2h"\n# secrets = ["HF_TOKEN"]\n# [tool.uv]\n# no-build = true\n# ///\n'
    )
    assert found.hf_jobs is not None
    assert found.hf_jobs["flavor"].value == "l4x1"
    place = found.hf_jobs["timeout"].place
    assert place is not None
    assert place.line == 5
    assert found.uv == {"no-build": True}


@pytest.mark.parametrize(
    "text",
    ["print(1)\n", "#/// script\n# ///\n", "x = '# /// script'\n", "  # /// script\n  # ///\n"],
)
def test_no_header(text: str) -> None:
    assert read_header(Source("a.py", text)) is None


def test_a_header_that_is_not_closed_or_no_toml() -> None:
    assert "not closed" in header("# /// script\n# dependencies = []\nimport os\n").broken
    assert "TOML" in header("# /// script\n# dependencies = [\n# ///\n").broken


def test_indexes_and_sources_of_uv() -> None:
    found = header(
        '# /// script\n# dependencies = ["torch", "trl", "peft"]\n# [[tool.uv.index]]\n'
        '# name = "cu126"\n# url = "https://example.org/whl/cu126"\n# explicit = true\n'
        '# [tool.uv.sources]\n# torch = { index = "cu126" }\n'
        '# trl = { git = "https://example.org/trl.git" }\n# ///\n'
    )
    assert [(r.name, r.index, r.url) for r in found.requirements] == [
        ("torch", "https://example.org/whl/cu126", ""),
        ("trl", "", "https://example.org/trl.git"),
        ("peft", "", ""),
    ]
