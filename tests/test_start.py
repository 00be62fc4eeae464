"""What `check` and `explain` never import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import FIXTURES, ROOT

HEAVY = {"torch", "transformers", "trl", "peft", "google.auth", "huggingface_hub", "rich"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "--offline", str(ROOT / "examples" / "gemma-vertex")],
        ["explain", str(next(FIXTURES.glob("after/*/fires*.log")))],
        ["rule", "FT-JOB-101"],
        ["--version"],
    ],
)
def test_heavy_libraries_stay_out(arguments: list[str]) -> None:
    code = (
        "import sys, io, contextlib\n"
        "from ftdoctor.cli import run\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    run({arguments!r})\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
