"""The hook in real repositories: staged and pushed content, worktrees, earlier hooks."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

BAD = """\
workerPoolSpecs:
  - machineSpec:
      machineType: g2-standard-8
      acceleratorType: NVIDIA_L40
      acceleratorCount: 1
    replicaCount: 1
    containerSpec:
      imageUri: us-docker.pkg.dev/p/r/train:1
"""
GOOD = BAD.replace("NVIDIA_L40", "NVIDIA_L4")


def git(cwd: Path, *arguments: str, code: int = 0) -> str:
    environment = {
        **os.environ,
        "GIT_AUTHOR_NAME": "t",
        "GIT_AUTHOR_EMAIL": "t@example.com",
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@example.com",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }
    done = subprocess.run(
        ["git", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    path = tmp_path / "repo"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    return path


def ftdoctor(cwd: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "ftdoctor", *arguments], cwd=cwd, check=True)


def test_a_bad_job_blocks_and_the_mended_one_passes(repo: Path) -> None:
    ftdoctor(repo, "hook", "install")
    (repo / "job.yaml").write_text(BAD)
    git(repo, "add", "job.yaml")
    said = git(repo, "commit", "-m", "x", code=1)
    assert "NVIDIA_L40" in said
    (repo / "job.yaml").write_text(GOOD)
    git(repo, "add", "job.yaml")
    git(repo, "commit", "-m", "x")


def test_the_staged_content_counts_not_the_working_tree(repo: Path) -> None:
    ftdoctor(repo, "hook", "install")
    (repo / "job.yaml").write_text(GOOD)
    git(repo, "add", "job.yaml")
    (repo / "job.yaml").write_text(BAD)
    git(repo, "commit", "-m", "good is staged")
    git(repo, "add", "job.yaml")
    (repo / "job.yaml").write_text(GOOD)
    git(repo, "commit", "-m", "bad is staged", code=1)
    assert (repo / "job.yaml").read_text() == GOOD


def test_a_commit_without_a_job_passes_in_silence(repo: Path) -> None:
    ftdoctor(repo, "hook", "install")
    (repo / "notes.md").write_text("# Notes\n")
    (repo / "data.bin").write_bytes(bytes(range(256)))
    git(repo, "add", ".")
    assert "ftdoctor" not in git(repo, "commit", "-m", "x")


def test_an_earlier_hook_runs_first_and_comes_back(repo: Path) -> None:
    hook = repo / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho earlier >> ran.txt\n")
    hook.chmod(0o755)
    ftdoctor(repo, "hook", "install")
    ftdoctor(repo, "hook", "install")
    (repo / "a.txt").write_text("a")
    git(repo, "add", "a.txt")
    git(repo, "commit", "-m", "x")
    assert (repo / "ran.txt").read_text() == "earlier\n"
    hook.with_name("pre-commit.before-ftdoctor").write_text("#!/bin/sh\nexit 3\n")
    (repo / "b.txt").write_text("b")
    git(repo, "add", "b.txt")
    git(repo, "commit", "-m", "the earlier hook says no", code=1)
    ftdoctor(repo, "hook", "uninstall")
    assert hook.read_text() == "#!/bin/sh\nexit 3\n"


def test_hooks_path_and_worktrees_are_respected(repo: Path, tmp_path: Path) -> None:
    git(repo, "config", "core.hooksPath", "tools/hooks")
    ftdoctor(repo, "hook", "install")
    assert (repo / "tools" / "hooks" / "pre-commit").exists()
    git(repo, "commit", "--allow-empty", "-m", "x")
    tree = tmp_path / "tree"
    git(repo, "worktree", "add", str(tree))
    ftdoctor(tree, "hook", "install")
    (tree / "job.yaml").write_text(BAD)
    git(tree, "add", "job.yaml")
    git(tree, "commit", "-m", "x", code=1)


def test_the_pushed_commits_are_checked(repo: Path, tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "-q", "--bare", str(remote))
    git(repo, "remote", "add", "origin", str(remote))
    (repo / "job.yaml").write_text(GOOD)
    git(repo, "add", ".")
    git(repo, "commit", "-m", "good")
    ftdoctor(repo, "hook", "install", "pre-push")
    git(repo, "push", "-q", "origin", "main")
    (repo / "job.yaml").write_text(BAD)
    git(repo, "commit", "-am", "bad")
    (repo / "job.yaml").write_text(GOOD)
    git(repo, "push", "-q", "origin", "main", code=1)
    git(repo, "commit", "-am", "mended")
    git(repo, "push", "-q", "origin", "main")
    git(repo, "push", "-q", "origin", ":main")


def test_an_ignore_with_a_reason_lets_it_pass(repo: Path) -> None:
    ftdoctor(repo, "hook", "install")
    (repo / "ftdoctor.toml").write_text('[ignore]\nFT-JOB = "checked elsewhere"\n')
    (repo / "job.yaml").write_text(BAD)
    git(repo, "add", ".")
    git(repo, "commit", "-m", "x")


def test_a_truncated_job_never_blocks(repo: Path) -> None:
    ftdoctor(repo, "hook", "install")
    (repo / "job.yaml").write_text(BAD[:90] + "\n  - [")
    git(repo, "add", ".")
    git(repo, "commit", "-m", "x")
