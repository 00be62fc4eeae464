"""The plain forms that run without click say and return what click's do."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from ftdoctor import checking, explaining, quick
from ftdoctor.commands import check, explain
from ftdoctor.report.style import style

if TYPE_CHECKING:
    from pathlib import Path

JOB = """\
workerPoolSpecs:
  - machineSpec: {machineType: g2-standard-8, acceleratorType: NVIDIA_L4, acceleratorCount: 1}
    replicaCount: 1
    containerSpec:
      imageUri: us-docker.pkg.dev/my-project-1/images/train:1
      command: [bash, -c]
      args: ["pip install trl==1.16.0 && python train.py"]
"""
LOG = "Traceback (most recent call last):\n  File \"t.py\", line 1, in <module>\nKeyError: 'text'\n"


@pytest.mark.parametrize(
    ("command", "defaults"),
    [(check.command, checking.DEFAULTS), (explain.command, explaining.DEFAULTS)],
)
def test_defaults_are_those_of_the_command(
    command: click.Command, defaults: dict[str, object]
) -> None:
    context = command.make_context("x", [])
    given = {key: value for key, value in context.params.items() if key not in ("paths", "sources")}
    assert given == defaults


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "job.yaml").write_text(JOB)
    (tmp_path / "broken.yaml").write_text("workerPoolSpecs: [{containerSpec: {imageUri: 'x'\n")
    (tmp_path / "fail.log").write_text(LOG)
    return tmp_path


def _run(folder: Path, code: str, words: list[str]) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout, done.stderr


_WITH_CLICK = "import sys; from ftdoctor.cli import run; sys.exit(run(sys.argv[1:]))"
_QUICK = (
    "import sys; from ftdoctor.quick import run; code = run(sys.argv[1:]);"
    " assert code is not None, 'left to click'; assert 'click' not in sys.modules; sys.exit(code)"
)


@pytest.mark.parametrize(
    "words",
    [
        ["check", "--offline", "job.yaml"],
        ["check", "--offline", "--format", "markdown", "job.yaml", "broken.yaml"],
        ["check", "--format=sarif", "broken.yaml", "--offline"],
        ["explain", "fail.log"],
        ["explain", "fail.log", "--format", "json"],
        ["explain", "fail.log", "job.yaml"],
    ],
)
def test_same_answer(folder: Path, words: list[str]) -> None:
    assert _run(folder, _QUICK, words) == _run(folder, _WITH_CLICK, words)


def test_a_broken_configuration_is_told_the_same_way(folder: Path) -> None:
    (folder / "ftdoctor.toml").write_text("nonsense = 1\n")
    words = ["check", "--offline", "job.yaml"]
    answer = _run(folder, _QUICK, words)
    assert answer == _run(folder, _WITH_CLICK, words)
    assert answer[0] == 2


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["check", "missing.yaml"],
        ["check", "--offline"],
        ["check", "./job.yaml"],
        ["check", "--with", "trl==1", "job.yaml"],
        ["check", "--format", "xml", "job.yaml"],
        ["check", "job.yaml", "--format"],
        ["check", "--help"],
        ["explain", "--offline", "fail.log"],
        ["explain", "-"],
        ["explain", "12345"],
        ["rule"],
        [],
    ],
)
def test_the_rest_is_left_to_click(
    folder: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert quick.run(words) is None


@pytest.mark.parametrize("more", [{}, {"bold": True}, {"fg": "red"}, {"fg": "blue", "bold": True}])
def test_colours_are_those_of_click(more: dict[str, object]) -> None:
    assert style("text", **more) == click.style("text", **more)  # type: ignore[arg-type]
