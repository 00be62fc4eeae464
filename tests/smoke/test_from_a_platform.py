"""What a run on a platform leaves for later: a measured peak for `check`, a proof of one rule."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulators.hub_jobs import HubJobs, HubJobsServer
from tests.smoke.test_evidence import PINS, VERSIONS
from tests.smoke.test_hf_jobs import AGREED, Bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GIB = 2**30
#: Full logits (trl 1.6) of 4096 tokens: predicted not to fit an L4.
TRAIN = (
    "trl sft --model_name_or_path Qwen/Qwen2.5-7B-Instruct --dataset_name trl-lib/Capybara "
    "--dtype bfloat16 --load_in_4bit --use_peft --lora_target_modules q_proj v_proj --lora_r 16 "
    "--max_length 8192 --per_device_train_batch_size 1 --max_steps 500"
)
OLD = PINS.replace("trl==1.16.0", "trl==1.6.0")


def job_file(folder: Path, train: str = TRAIN) -> None:
    (folder / "job.sh").write_text(
        f'hf jobs run --flavor l4x1 python:3.12 bash -c "pip install {OLD} && {train}"\n'
    )


def line(**facts: Any) -> str:
    return "FTDOCTOR " + json.dumps(facts)


def log(**train: Any) -> list[str]:
    return [
        line(stage="imports", ok=True, seconds=20.0, versions={**VERSIONS, "trl": "1.6.0"}),
        line(stage="gpu", ok=True, seconds=1.0, device="NVIDIA L4", memory_bytes=23655350272),
        line(stage="model", ok=True, seconds=30.0),
        line(stage="train", ok=True, seconds=40.0, seconds_per_step=9.0, **train),
        line(stage="end", ok=True),
    ]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Return a folder with a job and a Hub that runs it."""
    job_file(tmp_path)
    with HubJobsServer(HubJobs()) as server:
        yield Bench(tmp_path, server)


def test_a_peak_measured_there_overrules_the_prediction_here(
    bench: Bench, cli: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(bench.folder)
    check = ("check", "--offline", "--select", "FT-MEM", "job.sh")
    assert "FT-MEM-" in cli(*check).out
    peaks = {"peak_allocated_bytes": 17 * GIB, "peak_reserved_bytes": 18 * GIB}
    bench.hub.log = log(**peaks)
    code, out, err = bench.run(*AGREED, "--format", "json", "job.sh")
    assert code == 0, err
    memory = json.loads(out)["evidence"]["memory"]
    assert memory["not_of_the_job"] == []
    assert memory["of_the_job"] is True
    assert json.loads(out)["evidence"]["speed"]["real_job"]["steps"] == 500
    after = cli(*check)
    assert after.code == 0
    assert "FT-MEM-" not in after.out
    assert ": 17.0 GiB of 22.0 GiB" in after.out
    job_file(bench.folder, TRAIN.replace("8192", "8256"))
    assert "FT-MEM-" in cli(*check).out


def test_one_rule_is_proved_where_the_packages_are_the_job_s(bench: Bench) -> None:
    """Nothing but the imports is asked of the machine, which needs no GPU for that."""
    bench.hub.log = [*log()[:1], line(stage="end", ok=True)]
    words = ("--confirm", "FT-PKG-114", *AGREED, "job.sh")
    code, shown, err = bench.run("--dry-run", *words, gpu="")
    assert code == 0, err
    assert json.loads(shown)["flavor"].startswith("cpu-")
    code, out, err = bench.run("--format", "json", *words, gpu="")
    assert code == 0, err
    document = json.loads(out)
    assert document["verdict"] == "WORKS"
    assert document["confirm"]["outcome"] == "proved"
    assert document["plan"]["stages"] == ["imports"]
    (sent,) = bench.hub.submitted
    assert sent["flavor"].startswith("cpu-")
    assert any("trl==1.6.0" in word for word in sent["command"])


def test_a_death_measured_there_is_a_finding_here(bench: Bench, cli: Any, monkeypatch: Any) -> None:
    """trl 1.16 holds no full logits: predicted to fit, and it ran out of memory."""
    monkeypatch.chdir(bench.folder)
    text = (bench.folder / "job.sh").read_text().replace("trl==1.6.0", "trl==1.16.0")
    (bench.folder / "job.sh").write_text(text)
    check = ("check", "--offline", "--select", "FT-MEM", "job.sh")
    assert "FT-MEM-" not in cli(*check).out
    bench.hub.log = [
        line(stage="imports", ok=True, seconds=20.0, versions=VERSIONS),
        line(stage="gpu", ok=True, seconds=1.0, device="NVIDIA L4", memory_bytes=23655350272),
        "Traceback (most recent call last):",
        '  File "ftdoctor_smoke.py", line 250, in train',
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total "
        "capacity of 22.03 GiB of which 1.10 GiB is free. Process 7 has 20.90 GiB memory in use. Of "
        "the allocated memory 20.10 GiB is allocated by PyTorch, and 410.00 MiB is reserved by "
        "PyTorch but unallocated.",
        line(stage="train", ok=False, error="OutOfMemoryError: CUDA out of memory."),
    ]
    bench.hub.stages = ["RUNNING", "ERROR"]
    code, out, err = bench.run(*AGREED, "--format", "json", "job.sh")
    assert code == 1, err
    document = json.loads(out)
    assert document["cause"]["code"].startswith("FT-MEM-")
    assert document["evidence"]["memory"]["outcome"] == "oom"
    assert document["evidence"]["memory"]["not_of_the_job"] == []
    found = cli(*check)
    assert found.code == 1
    assert "out of memory on the L4" in found.out
