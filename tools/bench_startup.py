"""Start-up cost of each command as a ratio to `python -c pass`: CPU time, best of N.

    python tools/bench_startup.py [--peers DIR]   # DIR: a virtual environment with peft-doctor, trl

Absolute times depend on the machine; the ratio within one run is the figure to compare.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
JOB = """\
workerPoolSpecs:
  - machineSpec: {machineType: g2-standard-8, acceleratorType: NVIDIA_L4, acceleratorCount: 1}
    replicaCount: 1
    containerSpec:
      imageUri: us-docker.pkg.dev/my-project-1/images/train:1
      command: [bash, -c]
      args: ["pip install trl==1.16.0 && python train.py"]
"""
LOG = """\
Traceback (most recent call last):
  File "/app/train.py", line 12, in <module>
    trainer = SFTTrainer(model=model, tokenizer=tokenizer)
TypeError: SFTTrainer.__init__() got an unexpected keyword argument 'tokenizer'
"""


def cpu(command: list[str], cwd: Path, runs: int) -> float:
    """Return the least CPU time (user and system) of a command and its children, in seconds."""
    best = float("inf")
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=cwd, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = min(best, spent)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peers", type=Path, help="a virtual environment with the peers")
    given = parser.parse_args()
    ours = [sys.executable, "-m", "ftdoctor"]
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "job.yaml").write_text(JOB)
        (here / "fail.log").write_text(LOG)
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com"]
        for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
            subprocess.run([*git, *command], cwd=here, check=True, env={**os.environ})
        (here / "notes.md").write_text("# Notes\n")
        subprocess.run(["git", "add", "notes.md"], cwd=here, check=True)
        cases = {
            "python -c pass": ([sys.executable, "-c", "pass"], 1.0),
            "ftdoctor --version": ([*ours, "--version"], 4.0),
            "ftdoctor rule FT-JOB-101": ([*ours, "rule", "FT-JOB-101"], 5.0),
            "ftdoctor explain FILE": ([*ours, "explain", "fail.log"], 6.0),
            "ftdoctor check --offline": ([*ours, "check", "--offline", "job.yaml"], 10.0),
            "hook, no job staged": ([*ours, "hook", "run", "pre-commit"], 5.0),
        }
        if given.peers:
            folder_bin = given.peers / "bin"
            cases["peft-doctor check"] = ([str(folder_bin / "peft-doctor"), "check"], 0)
            cases["trl env"] = ([str(folder_bin / "trl"), "env"], 0)
        base = 0.0
        print(f"{'command':<28} {'CPU ms':>8} {'ratio':>7} {'target':>7}")
        for name, (command, target) in cases.items():
            for _ in range(2):
                cpu(command, here, 1)  # warm: bytecode, rulebook cache
            spent = cpu(command, here, given.runs)
            base = base or spent
            goal = f"{target:.0f} x" if target else ""
            print(f"{name:<28} {spent * 1000:8.1f} {spent / base:6.1f}x {goal:>7}")


if __name__ == "__main__":
    main()
