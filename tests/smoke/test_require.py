"""`check --require-smoke`: which run proves a job, what is said where none does, and the hook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from ftdoctor.job.read import read
from ftdoctor.job.versions import resolve_job
from ftdoctor.smoke.required import lacking
from ftdoctor.smoke.state import fingerprint, keep, results

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """\
from trl import SFTConfig, SFTTrainer

SFTTrainer(model="Qwen/Qwen3-0.6B", args=SFTConfig(max_length=64)).train()
"""
LAUNCH = 'hf jobs run --flavor l4x1 python:3.12 bash -c "pip install {pins} && python train.py"\n'
WORKS = {"verdict": "WORKS", "evidence": {"versions": {"trl": "1.16.0"}}}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a job, which is the present one."""
    (tmp_path / "train.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def job_of(path: str = "train.py") -> Any:
    job = read([path]).jobs[0]
    resolve_job(job, {})
    return job


def why(path: str = "train.py", age: str = "24h") -> str:
    """Return why the job at a path is not proved."""
    return lacking(age, results())(job_of(path))


def test_only_a_whole_fresh_pass_of_this_job_proves_it(here: Path) -> None:
    assert why() == "none was run"
    keep({"verdict": "NO VERDICT"}, job_of())
    assert "came to no verdict" in why()
    keep({**WORKS, "confirm": {"code": "FT-AUTH-006"}}, job_of())
    assert "came to no verdict" in why()
    kept = keep(WORKS, job_of())
    assert why() == ""
    old = {**json.loads(kept.read_text()), "ended": time.time() - 3 * 86400}
    kept.write_text(json.dumps(old))
    assert "the last one that passed is of " in why()
    assert why(age="7d") == ""


def test_a_failed_run_is_named(here: Path) -> None:
    keep({"verdict": "FAILS", "cause": {"code": "FT-API-014", "name": "renamed"}}, job_of())
    assert "failed (FT-API-014 renamed)" in why()


def test_what_changes_the_job_and_what_does_not(here: Path) -> None:
    keep(WORKS, job_of())
    (here / "notes.md").write_text("# Notes\n")
    (here / "other.py").write_text("print(1)\n")
    (here / "train.py").write_text(f"# ftdoctor: ignore[FT-API-108] known\n{SCRIPT}   \n\n")
    assert why() == ""
    (here / "train.py").write_text(SCRIPT.replace("64", "65"))
    assert "its files have changed since the run of " in why()


def test_a_script_that_the_job_runs_is_part_of_it(here: Path) -> None:
    (here / "job.sh").write_text(LAUNCH.format(pins="trl"))
    keep(WORKS, job_of("job.sh"))
    assert why("job.sh") == ""
    (here / "train.py").write_text(SCRIPT.replace("64", "65"))
    assert why("job.sh")


def test_prose_around_a_job_is_not_the_job(here: Path) -> None:
    block = "```sh\nhf jobs run --flavor l4x1 python:3.12 python -c 'import trl'\n```\n"
    (here / "README.md").write_text("# One\n\n" + block)
    mark = fingerprint(job_of("README.md"))
    (here / "README.md").write_text("# Another title\n\nMore words.\n\n" + block)
    assert fingerprint(job_of("README.md")) == mark
    (here / "README.md").write_text("# One\n\n" + block.replace("l4x1", "t4-small"))
    assert fingerprint(job_of("README.md")) != mark


def test_a_run_with_other_releases_than_the_job_pins_is_no_proof(here: Path) -> None:
    (here / "job.sh").write_text(LAUNCH.format(pins="trl==0.24.0"))
    keep(WORKS, job_of("job.sh"))
    assert "had trl 1.16.0, and the job pins 0.24.0" in why("job.sh")


def test_a_job_that_trains_nothing_on_a_cpu_needs_none(here: Path) -> None:
    (here / "job.sh").write_text(
        "hf jobs run --flavor cpu-basic python:3.12 python -c 'print(1)'\n"
    )
    assert why("job.sh") == ""
    (here / "job.sh").write_text("hf jobs run --flavor l4x1 python:3.12 python -c 'print(1)'\n")
    assert why("job.sh")


def test_the_command_says_what_to_do(here: Path, cli: Any) -> None:
    ran = cli("check", "--offline", "--require-smoke", "24h", "train.py")
    assert ran.code == 1
    assert "No smoke run of this job has passed within 24h: none was run." in ran.out
    assert "ftdoctor smoke --gpu cpu train.py" in ran.out
    keep(WORKS, job_of())
    assert "FT-SELF-103" not in cli("check", "--offline", "--require-smoke", "24h", "train.py").out
    wrong = cli("check", "--offline", "--require-smoke", "soon", "train.py")
    assert wrong.code == 2
    assert "Write 30m, 24h or 7d" in wrong.err


def git(cwd: Path, *arguments: str, code: int = 0) -> str:
    """Run git, without this machine's configuration; return what it said."""
    environment = {
        **os.environ,
        **{
            f"GIT_{who}_{what}": "t@e.x"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }
    done = subprocess.run(
        ["git", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_hook_demands_it_of_the_staged_job(tmp_path: Path, monkeypatch: Any) -> None:
    """Jobs in a folder, a script beside another, results at the top; the staged text counts."""
    git(tmp_path, "init", "-q", "-b", "main")
    subprocess.run([sys.executable, "-m", "ftdoctor", "hook", "install"], cwd=tmp_path, check=True)
    (tmp_path / "pyproject.toml").write_text('[tool.ftdoctor]\nrequire-smoke = "24h"\n')
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    (jobs / "train.py").write_text(SCRIPT)
    (tmp_path / "unrelated.txt").write_text("words\n")
    git(tmp_path, "add", ".")
    said = git(tmp_path, "commit", "-m", "x", code=1)
    assert "No smoke run of this job has passed within 24h: none was run." in said
    assert "ftdoctor smoke --gpu cpu jobs/train.py" in said

    monkeypatch.chdir(jobs)  # where a person may stand
    kept = keep(WORKS, job_of())
    assert kept.parent == tmp_path / ".ftdoctor" / "smoke"
    git(tmp_path, "commit", "-m", "proved")
    assert git(tmp_path, "status", "--porcelain") == "", "results are not for git"

    (tmp_path / "unrelated.txt").write_text("other words\n")
    (jobs / "train.py").write_text(SCRIPT.replace("64", "65"))
    git(tmp_path, "add", ".")
    said = git(tmp_path, "commit", "-m", "y", code=1)
    assert "its files have changed since the run of " in said
    keep(WORKS, job_of())
    (jobs / "train.py").write_text(SCRIPT.replace("64", "66"))  # not staged
    git(tmp_path, "commit", "-m", "what was proved is what is staged")
