"""`check` of a job that trains on this machine: what it looks at, and what it says how loudly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = """\
import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM
from trl import SFTConfig, SFTTrainer

model = AutoModelForCausalLM.from_pretrained("Qwen/Qwen2.5-7B", dtype=torch.bfloat16)
trainer = SFTTrainer(
    model=model,
    args=SFTConfig(output_dir="out", max_seq_length=1024, per_device_train_batch_size=1),
    train_dataset=load_dataset("trl-lib/Capybara", split="train"),
    peft_config=LoraConfig(r=16, target_modules="all-linear"),
)
trainer.train()
"""
VERTEX = """\
workerPoolSpecs:
  - machineSpec: {machineType: g2-standard-8, acceleratorType: NVIDIA_L4, acceleratorCount: 1}
    replicaCount: 1
    containerSpec: {imageUri: us-docker.pkg.dev/p-1/images/train:1, command: [python, train.py]}
"""
#: An 8 GB card with an old driver; the file `asked` shows that the program was started.
SMI = r"""#!/bin/sh
echo "$*" >> "$(dirname "$0")/asked"
case "$*" in
  *--query-gpu=*) echo "NVIDIA GeForce RTX 4060, GPU-a, 550.127.05, 8188, 7900, Default, [N/A], 8.9";;
  *--query-compute-apps=*) ;;
  *) echo "| Driver Version: 550.127.05    CUDA Version: 12.4 |";;
esac
"""
pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or os.path.exists("/dev/nvidiactl") or bool(shutil.which("nvidia-smi")),
    reason="the machine must have no driver of its own",
)


class Desk:
    """A folder with a job, a Python environment and perhaps a GPU."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = dict(os.environ)
        self.environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        (folder / "bin").mkdir()
        (folder / "train.py").write_text(TRAIN)
        (folder / "job.yaml").write_text(VERTEX)

    def gpu(self) -> None:
        (self.folder / "bin" / "nvidia-smi").write_text(SMI)
        (self.folder / "bin" / "nvidia-smi").chmod(0o755)

    def packages(self, **versions: str) -> None:
        prefix = self.folder / "venv"
        for name, version in versions.items():
            info = prefix / "lib/python3.12/site-packages" / f"{name}-{version}.dist-info"
            info.mkdir(parents=True)
        (prefix / "pyvenv.cfg").write_text("version = 3.12.4\n")
        self.environment["VIRTUAL_ENV"] = str(prefix)

    def check(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ftdoctor",
                "check",
                "--offline",
                "--format",
                "json",
                *arguments,
            ],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert not done.stderr, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, found

    @property
    def asked(self) -> bool:
        return (self.folder / "bin" / "asked").exists()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def codes(report: dict[str, Any]) -> dict[str, str]:
    return {f["code"]: f["severity"] for f in report["findings"]}


STACK = {"torch": "2.11.0", "trl": "1.6.0", "transformers": "5.10.0", "peft": "0.18.1"}


def test_a_laptop_without_a_gpu_says_nothing(desk: Desk) -> None:
    desk.packages(**STACK)
    code, report = desk.check("train.py")
    assert (code, report["findings"]) == (0, [])
    assert "machine" not in report["job"]


def test_a_machine_with_a_gpu_warns(desk: Desk) -> None:
    """torch 2.11.0 is built for CUDA 13.0 and the driver has 12.4; 14 GiB of weights on 8 GB."""
    desk.gpu()
    desk.packages(**STACK)
    code, report = desk.check("train.py")
    assert code == 0
    assert codes(report) == {"FT-GPU-015": "warning", "FT-MEM-101": "warning"}
    machine = report["job"]["machine"]
    assert machine["gpus"][0]["name"] == "NVIDIA GeForce RTX 4060"
    assert (machine["driver"], machine["cuda"]) == ("550.127.05", "12.4")
    assert machine["runs_here"] is False
    assert machine["memory"] > 0
    assert machine["output"]["free"] > 0


def test_local_makes_them_errors_and_takes_the_packages_of_this_machine(desk: Desk) -> None:
    desk.gpu()
    desk.packages(**STACK)
    code, report = desk.check("--local", "train.py")
    assert code == 1
    found = codes(report)
    assert found["FT-GPU-015"] == found["FT-MEM-101"] == "error"
    assert report["job"]["packages"]["trl"]["version"] == "1.6.0"
    assert report["job"]["packages"]["trl"]["source"] == "installed"
    renamed = [f for f in report["findings"] if f["evidence"].get("parameter") == "max_seq_length"]
    assert renamed, "SFTConfig of the installed trl has no max_seq_length"


def test_local_without_a_gpu(desk: Desk) -> None:
    desk.packages(**STACK)
    _, report = desk.check("--local", "train.py")
    assert "FT-GPU-101" in codes(report)


def test_a_job_for_another_machine_looks_at_nothing_here(desk: Desk) -> None:
    desk.gpu()
    for arguments in (["job.yaml"], ["--local", "job.yaml"]):
        _, report = desk.check(*arguments)
        assert "machine" not in report["job"]
    assert not desk.asked


def test_hidden_gpus(desk: Desk) -> None:
    desk.gpu()
    desk.packages(**STACK)
    desk.environment["CUDA_VISIBLE_DEVICES"] = ""
    _, report = desk.check("--local", "train.py")
    found = next(f for f in report["findings"] if f["code"] == "FT-GPU-024")
    assert "CUDA_VISIBLE_DEVICES" in found["summary"]


def test_the_hook_looks_at_no_machine(desk: Desk) -> None:
    desk.gpu()
    desk.packages(**STACK)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for command in (["init", "-q"], ["add", "train.py"]):
        subprocess.run([*git, *command], cwd=desk.folder, check=True, env=desk.environment)
    done = subprocess.run(
        [sys.executable, "-m", "ftdoctor", "hook", "run", "pre-commit"],
        cwd=desk.folder,
        env=desk.environment,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert not desk.asked
