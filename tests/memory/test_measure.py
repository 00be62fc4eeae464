"""The measuring script takes real steps on the CPU with a small model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tools.memory.measure_runs import RUNS

ROOT = Path(__file__).parents[2]


def names() -> list[str]:
    """A trainer with 4-bit layers, a loop with prepared ones, and one that trains all weights."""
    wanted = ("sft-2048", "kbit", "full-adamw_torch")
    return [next(r.name for r in RUNS if r.name.endswith(w)) for w in wanted]


def test_names_are_unique() -> None:
    assert len({r.name for r in RUNS}) == len(RUNS)


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_a_run_on_the_cpu(name: str, tmp_path: Path) -> None:
    out = tmp_path / "measured.jsonl"
    command = [sys.executable, "-m", "tools.memory.measure", "--run", name, "--device", "cpu"]
    done = subprocess.run(
        [*command, "--tiny", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    record = json.loads(out.read_text())
    assert record["run"] == name
    assert record["error"] == ""
    assert record["predicted"]["allocated"] > 0
    assert record["versions"]["trl"]


@pytest.mark.slow
def test_the_longest_is_searched_in_processes_of_their_own(monkeypatch) -> None:
    """On the CPU nothing runs out of memory, so the search ends at its upper bound."""
    import argparse

    from tools.memory.measure import search

    monkeypatch.chdir(ROOT)
    given = argparse.Namespace(
        run=names()[0], device="cpu", limit_gib=0.0, tiny=True, expandable=False
    )
    found = search(given, high=192)
    assert found == {"longest": 128, "tried": {64: True, 128: True}}
