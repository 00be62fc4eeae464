"""The payload reaches a container as one file, and runs on older Pythons than ours."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

from ftdoctor.smoke import bundle
from ftdoctor.smoke.plan import default_plan
from ftdoctor.smoke.request import encoded

if TYPE_CHECKING:
    from pathlib import Path

#: MAX_ARG_STRLEN of Linux (binfmts.h): the longest single argument of a command.
MOST = 128 * 1024


def test_it_is_the_same_each_time_and_small() -> None:
    first = bundle.bundle()
    bundle.bundle.cache_clear()
    assert bundle.bundle() == first
    assert len(bundle.program()) < MOST / 2
    assert "\n" not in bundle.program()


def test_it_imports_nothing_of_ours_and_is_python_39() -> None:
    with zipfile.ZipFile(io.BytesIO(bundle.bundle())) as file:
        names = file.namelist()
        assert "__main__.py" in names
        for name in names:
            text = file.read(name).decode()
            tree = ast.parse(text, feature_version=(3, 9))
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and not node.level:
                    assert not str(node.module).startswith("ftdoctor")
                elif isinstance(node, ast.Import):
                    assert not any(a.name.startswith("ftdoctor") for a in node.names)


def test_the_one_line_runs_a_plan_without_our_package(tmp_path: Path) -> None:
    plan = {**default_plan("cpu"), "stages": ["tokenizer", "data"]}
    done = subprocess.run(
        [sys.executable, "-c", bundle.program()],
        cwd=tmp_path,
        env={**os.environ, "FTDOCTOR_SMOKE": encoded(plan)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = [json.loads(x[9:]) for x in done.stdout.splitlines() if x.startswith("FTDOCTOR ")]
    assert [one["stage"] for one in lines] == ["tokenizer", "data", "end"]


def test_a_plan_that_cannot_start_says_so(tmp_path: Path) -> None:
    plan = {**default_plan("cpu"), "nodes": 2, "processes": 1}
    environment = {k: v for k, v in os.environ.items() if k not in ("MASTER_ADDR", "CLUSTER_SPEC")}
    done = subprocess.run(
        [sys.executable, "-c", bundle.program()],
        cwd=tmp_path,
        env={**environment, "FTDOCTOR_SMOKE": encoded(plan)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert '"stage": "launch", "ok": false' in done.stdout
    assert "CLUSTER_SPEC" in done.stdout
