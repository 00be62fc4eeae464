"""The wheel built from the sdist installs and runs with the rulebook compiled inside."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from that sdist, in an isolated environment."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


def test_the_wheel_carries_one_rulebook_file_and_the_tables(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "ftdoctor/_rulebook.json" in names
    assert any(name.startswith("ftdoctor/_tables/") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "fixtures/", "rules/"))]
    assert not [name for name in names if name.endswith(".yaml") and "FT-" in name]


def test_a_fresh_environment_checks_and_explains(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", str(wheel)], check=True)
    command = environment / "bin" / "ftdoctor"
    job = ROOT / "examples" / "gemma-vertex"
    done = subprocess.run(
        [str(command), "check", "--offline", str(job)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("error[FT-") >= 5
    log = tmp_path / "failed.log"
    log.write_text("RuntimeError: No GPU found. A GPU is needed for quantization.\n")
    done = subprocess.run(
        [str(command), "explain", str(log)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "quantization-without-gpu" in done.stdout + done.stderr or "FT-GPU-026" in done.stdout
    done = subprocess.run(
        [str(python), "-X", "importtime", "-m", "ftdoctor", "check", "--offline", str(job)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    for heavy in ("torch", "transformers", "trl", "peft", "huggingface_hub", "rich", "google"):
        assert f"| {heavy}\n" not in done.stderr.replace("|   ", "| ")
