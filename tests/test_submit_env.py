"""`submit` runs a command only when nothing blocks; `env` shows no secret."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

BAD = """\
workerPoolSpecs:
  - machineSpec: {machineType: g2-standard-8, acceleratorType: NVIDIA_L40, acceleratorCount: 1}
    replicaCount: 1
    containerSpec: {imageUri: us-docker.pkg.dev/my-project-1/images/train:1}
"""


@pytest.fixture
def gcloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gcloud that only notes that it ran."""
    monkeypatch.chdir(tmp_path)
    tool = tmp_path / "bin" / "gcloud"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\necho "$@" > ran.txt\nexit 7\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    return tool


COMMAND = [
    "gcloud", "ai", "custom-jobs", "create", "--region=us-central1", "--display-name=t",
    "--config=job.yaml",
]  # fmt: skip


def test_a_bad_job_is_not_submitted(gcloud: Path, cli) -> None:
    Path("job.yaml").write_text(BAD)
    ran = cli("submit", "--offline", "--", *COMMAND)
    assert ran.code == 1
    assert not Path("ran.txt").exists()
    assert "NVIDIA_L40" in ran.err


def test_force_submits_and_the_exit_code_passes_through(gcloud: Path, cli) -> None:
    Path("job.yaml").write_text(BAD)
    assert cli("submit", "--offline", "--force", "--", *COMMAND).code == 7
    assert "custom-jobs create" in Path("ran.txt").read_text()


def test_a_good_job_is_submitted(gcloud: Path, cli) -> None:
    Path("job.yaml").write_text(BAD.replace("NVIDIA_L40", "NVIDIA_L4"))
    assert cli("submit", "--offline", "--", *COMMAND).code == 7
    assert Path("ran.txt").exists()


def test_a_missing_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli) -> None:
    monkeypatch.chdir(tmp_path)
    ran = cli("submit", "--offline", "--", "no-such-program", "run")
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_env_shows_the_kind_of_a_token_and_never_the_token(
    monkeypatch: pytest.MonkeyPatch, cli
) -> None:
    secret = "hf_" + "ZyXwVuTsRqPoNmLkJiHgFeDcBaZyXwVuTs"
    monkeypatch.setenv("HF_TOKEN", secret)
    for fmt in ("markdown", "json"):
        ran = cli("env", "--format", fmt)
        assert ran.code == 0
        assert secret[5:] not in ran.out
        assert "user access token" in ran.out
    assert json.loads(cli("env", "--format", "json").out)["packages"]["trl"]
