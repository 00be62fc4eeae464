"""Several processes: two of them really train on the CPU, and what goes wrong on one is told."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.smoke.payload_runs import plan_of

from ftdoctor.smoke import run_local
from ftdoctor.smoke.bundle import program
from ftdoctor.smoke.payload import launch
from ftdoctor.smoke.plan import default_plan
from ftdoctor.smoke.request import encoded
from ftdoctor.smoke.verdict import judge
from ftdoctor.smoke.wish import Wish

if TYPE_CHECKING:
    from pathlib import Path

TWO = Wish(processes=2)
HOSTS = {"workerpool0": ["a-0:2222"], "workerpool1": ["b-0:2222", "b-1:2222"]}


def cluster(kind: str, index: int) -> dict[str, str]:
    """Return the variables that Vertex AI sets on one machine of three."""
    spec = {"cluster": HOSTS, "environment": "cloud", "task": {"type": kind, "index": index}}
    return {"CLUSTER_SPEC": json.dumps(spec), "RANK": "7", "WORLD_SIZE": "3"}


def test_each_machine_finds_its_place() -> None:
    assert launch.place(3, cluster("workerpool0", 0)) == (0, 3, "a-0", 2222)
    assert launch.place(3, cluster("workerpool1", 0)) == (1, 3, "a-0", 2222)
    assert launch.place(3, cluster("workerpool1", 1)) == (2, 3, "a-0", 2222)
    plain = {"MASTER_ADDR": "10.0.0.2", "MASTER_PORT": "1234", "RANK": "1"}
    assert launch.place(2, plain) == (1, 2, "10.0.0.2", 1234)
    assert launch.place(1, {}).address == "127.0.0.1"
    with pytest.raises(RuntimeError, match="CLUSTER_SPEC"):
        launch.place(2, {})


def test_the_job_is_launched_as_it_launches_itself(tmp_path: Path) -> None:
    at = launch.Place(1, 2, "10.0.0.2", 1234)
    plan: dict[str, Any] = {"processes": 4, "nodes": 2, "device": "cuda", "launch": "ddp"}
    words = launch.command(plan, at, ["file.pyz"], str(tmp_path))
    assert words[:3] == [sys.executable, "-m", "torch.distributed.run"]
    assert words[-1] == "file.pyz"
    for name, value in {
        "nproc_per_node": 4,
        "nnodes": 2,
        "node_rank": 1,
        "master_port": 1234,
    }.items():
        assert words[words.index(f"--{name}") + 1] == str(value)
    plan |= {"launch": "fsdp", "launch_config": {"distributed_type": "FSDP", "num_processes": 99}}
    words = launch.command(plan, at, ["file.pyz"], str(tmp_path))
    assert "accelerate.commands.launch" in words
    config = json.loads((tmp_path / "accelerate.json").read_text())
    assert config["num_processes"] == 8
    assert config["machine_rank"] == 1
    # The real launcher takes these words.
    from accelerate.commands.launch import launch_command_parser

    given = launch_command_parser().parse_args(words[3:])
    assert (given.num_processes, given.machine_rank, given.main_process_port) == (8, 1, 1234)


def test_fsdp_and_deepspeed_of_the_job_are_in_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """\
from trl import SFTConfig, SFTTrainer
SFTTrainer(model="Qwen/Qwen2.5-0.5B", train_dataset=None,
    args=SFTConfig(output_dir="out", {more})).train()
"""
    (tmp_path / "ds.json").write_text('{"zero_optimization": {"stage": 2}}')
    zero = text.format(more='deepspeed="ds.json"')
    plan = plan_of(zero, tmp_path, monkeypatch, device="cuda", processes=2)
    assert plan["launch"] == "deepspeed"
    assert plan["arguments"]["deepspeed"]["zero_optimization"]["stage"] == 2
    assert "deepspeed" in plan["imports"]
    assert plan["stages"].index("allreduce") == plan["stages"].index("gpu") + 1
    fsdp = text.format(more='fsdp="full_shard auto_wrap"')
    plan = plan_of(fsdp, tmp_path, monkeypatch, device="cuda", processes=2)
    assert plan["launch"] == "fsdp"
    assert plan["arguments"]["fsdp"] == "full_shard auto_wrap"
    plan = plan_of(fsdp, tmp_path, monkeypatch, device="cuda")
    assert "fsdp" not in plan["arguments"]
    assert "launch" not in plan
    assert any("fsdp" in note for note in plan["notes"])
    plan = plan_of(fsdp, tmp_path, monkeypatch, processes=2)
    assert plan["launch"] == "ddp"
    assert any("DDP (gloo) stands for it" in note for note in plan["notes"])


@pytest.mark.slow
def test_two_processes_train_together() -> None:
    log, code, _ = run_local.run(default_plan("cpu", TWO), timeout=280)
    verdict = judge(log, exit_code=code)
    assert verdict.word == "works", log
    stages = {s["stage"]: s for s in verdict.stages}
    assert stages["allreduce"]["sum"] == 3.0
    assert stages["allreduce"]["backend"] == "gloo"
    assert [one["rank"] for one in stages["train"]["ranks"]] == [0, 1]
    assert all(one["changed"] > 0 for one in stages["train"]["ranks"])
    assert stages["resume"]["resumed"]
    assert len([s for s in verdict.stages if s["stage"] == "train"]) == 1


@pytest.mark.slow
def test_two_machines_train_together_as_on_vertex(tmp_path: Path) -> None:
    """Two commands as the containers of two worker pools get them, on loopback."""
    plan = default_plan("cpu", Wish(processes=1, nodes=2))
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    hosts = {"workerpool0": [f"127.0.0.1:{port}"], "workerpool1": ["127.0.0.1:1"]}
    running = []
    for pool in hosts:
        task = {"type": pool, "index": 0}
        spec = json.dumps({"cluster": hosts, "task": task, "environment": "cloud"})
        environment = {"CLUSTER_SPEC": spec, "FTDOCTOR_SMOKE": encoded(plan), "RANK": "9"}
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", program()],
                env={**os.environ, "TMPDIR": str(tmp_path), **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    try:
        logs = [one.communicate(timeout=200)[0] for one in running]
    finally:
        for one in running:
            one.kill()
    verdict = judge(logs[0], exit_code=running[0].returncode)
    assert verdict.word == "works", "\n".join(logs)
    assert running[1].returncode == 0
    stages = {s["stage"]: s for s in verdict.stages}
    assert stages["allreduce"]["processes"] == 2
    assert [one["rank"] for one in stages["train"]["ranks"]] == [0, 1]
    assert stages["resume"]["resumed"]
    assert "FTDOCTOR {" not in logs[1]  # the first process speaks for all


def started(code: str, folder: Path) -> dict[str, str]:
    """Return an environment in which every Python process runs `code` as it starts."""
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": str(folder)}


@pytest.mark.slow
def test_a_failure_on_another_process_is_told_with_its_rank(tmp_path: Path) -> None:
    trap = """\
import os
if os.environ.get("RANK") == "1":
    import trl
    class Config:
        def __init__(self, **given): raise MemoryError("no memory for rank 1")
    trl.SFTConfig = Config
"""
    log, code, _ = run_local.run(
        default_plan("cpu", TWO), timeout=280, environment=started(trap, tmp_path)
    )
    verdict = judge(log, exit_code=code)
    assert verdict.word == "fails", log
    assert "rank 1 of 2" in verdict.reason
    failed = next(s for s in verdict.stages if not s["ok"])
    assert (failed["stage"], failed["rank"]) == ("train", 1)


@pytest.mark.slow
def test_a_process_that_hangs_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    trap = """\
import os, time
if os.environ.get("RANK") == "1":
    time.sleep(120)
"""
    plan = {**default_plan("cpu", TWO), "allreduce_seconds": 8}
    start = time.monotonic()
    log, code, ended = run_local.run(plan, timeout=60, environment=started(trap, tmp_path))
    assert not ended
    assert time.monotonic() - start < 50
    verdict = judge(log, exit_code=code)
    assert verdict.word == "fails"
    assert "stage allreduce" in verdict.reason
    assert "the first all-reduce of 2 processes did not end within 8 s" in verdict.reason
    assert not alive(tmp_path)


@pytest.mark.slow
def test_the_time_limit_ends_the_processes_of_the_launcher_too(tmp_path: Path) -> None:
    trap = """\
import os, time
if os.environ.get("RANK"):
    time.sleep(300)
"""
    _, _, ended = run_local.run(
        default_plan("cpu", TWO), timeout=12, environment=started(trap, tmp_path)
    )
    assert "time limit" in ended
    for _ in range(50):
        if not alive(tmp_path):
            break
        time.sleep(0.1)
    assert not alive(tmp_path)


def alive(folder: Path) -> list[str]:
    """Return the processes that `started` has given its environment."""
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/environ", "rb") as file:
                if f"PYTHONPATH={folder}\0".encode() in file.read():
                    found.append(number)
        except OSError:
            continue
    return found
