"""Shared parts of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "fixtures"


@dataclass
class Ran:
    """What a command line printed and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _no_world(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees this machine's tokens, logins or configuration."""
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    for name in list(os.environ):
        if name.startswith(("HF_", "HUGGING_FACE", "WANDB", "GOOGLE_", "CLOUDSDK", "FTDOCTOR")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("HF_HOME", str(home / "huggingface"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("ftdoctor.environment.signs.signs", lambda: False)
    from ftdoctor import redact

    monkeypatch.setattr(redact, "_KNOWN", set())


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]):
    """Run the command line in this process, as `ftdoctor ARGUMENTS` would."""
    from ftdoctor.cli import run

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture
def shell():
    """Run `python -m ftdoctor` as a process of its own."""

    def call(*arguments: object, cwd: Path | None = None, stdin: str = "") -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "ftdoctor", *map(str, arguments)],
            cwd=cwd,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return call
