"""Evidence of a verdict: versions, memory against the prediction, time and price of the real job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftdoctor.job.read import read
from ftdoctor.job.value import known
from ftdoctor.job.versions import resolve_job
from ftdoctor.smoke.evidence import card_of, gather
from ftdoctor.smoke.killed import line_of, more, oom_kills
from ftdoctor.smoke.real_job import price_of, rows_of, steps_of
from ftdoctor.smoke.verdict import Verdict, judge

if TYPE_CHECKING:
    from pathlib import Path

PINS = "trl==1.16.0 transformers==5.10.0 peft==0.18.1 bitsandbytes==0.50.2 torch==2.15.0"
VERSIONS = dict(p.split("==") for p in PINS.split())
TRAIN = (
    "trl sft --model_name_or_path Qwen/Qwen2.5-7B-Instruct --dataset_name {data} "
    "--dtype bfloat16 --load_in_4bit --use_peft --lora_target_modules q_proj v_proj "
    "--lora_r 16 --max_length 2048 --per_device_train_batch_size 1 "
    "--gradient_accumulation_steps 4 {more}"
)
L4 = {"stage": "gpu", "ok": True, "device": "NVIDIA L4", "memory_bytes": 23655350272}
PLAN = {
    "device": "cuda",
    "method": "sft",
    "model": "Qwen/Qwen2.5-7B-Instruct",
    "weights": "shape",
    "max_length": 2048,
    "batch": 1,
    "quantization": {"load_in_4bit": True, "bnb_4bit_use_double_quant": True},
    "lora": {"r": 16, "target_modules": ["q_proj", "v_proj"]},
    "model_kwargs": {"dtype": "bfloat16"},
    "arguments": {"gradient_accumulation_steps": 4},
}


def job_of(folder: Path, more: str = "", data: str = "trl-lib/Capybara", pins: str = PINS) -> Any:
    (folder / "job.sh").write_text(
        f'hf jobs run --flavor l4x1 python:3.12 bash -c "pip install {pins} && '
        f'{TRAIN.format(data=data, more=more)}"\n'
    )
    job = read([folder / "job.sh"]).jobs[0]
    resolve_job(job, {})
    return job


def stages(**train: Any) -> list[dict[str, Any]]:
    return [
        {"stage": "imports", "ok": True, "seconds": 20.0, "versions": VERSIONS},
        L4,
        {"stage": "token", "ok": True, "seconds": 0.2, "token": "read", "account": "ada"},
        {"stage": "model", "ok": True, "seconds": 30.0},
        {
            "stage": "train",
            "ok": True,
            "seconds": 20.0,
            "seconds_per_step": 4.0,
            "step_seconds": [6.0, 4.0, 3.8],
            **train,
        },
    ]


def test_the_job_s_own_step_is_compared_priced_and_remembered(tmp_path: Path) -> None:
    gib = 2**30
    verdict = Verdict("works", stages(peak_allocated_bytes=9 * gib, peak_reserved_bytes=10 * gib))
    found = gather(verdict, PLAN, job_of(tmp_path, "--max_steps 500"))
    assert found["version_differences"] == []
    assert found["token"] == {"token": "read", "account": "ada"}
    memory = found["memory"]
    assert memory["card"] == "l4"
    assert memory["not_of_the_job"] == []
    assert memory["of_the_job"]
    error = 100 * (memory["predicted_allocated_bytes"] - 9 * gib) / (9 * gib)
    assert memory["allocated_error_percent"] == pytest.approx(error, abs=0.06)
    real = found["speed"]["real_job"]
    assert real["steps"] == 500
    # Half of the quickest step to a tenth over the usual one, and 50.2 s until the first.
    assert real["seconds_low"] == pytest.approx(500 * 1.9 + 50.2)
    assert real["seconds_high"] == pytest.approx(500 * 4.4 + 50.2)
    assert real["usd_per_hour"] == 0.8
    assert real["usd_high"] == pytest.approx(0.8 * real["seconds_high"] / 3600, abs=1e-4)


def test_the_steps_of_the_job_from_its_rows(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(
        "from datasets import load_dataset\nfrom trl import SFTConfig, SFTTrainer\n"
        "rows = load_dataset('json', data_files='rows.jsonl', split='train')\n"
        "SFTTrainer(model='Qwen/Qwen3-0.6B', train_dataset=rows, args=SFTConfig("
        "num_train_epochs=2, per_device_train_batch_size=4, gradient_accumulation_steps=4)).train()\n"
    )
    training = read(["train.py"]).jobs[0].training
    assert training is not None
    assert rows_of({"total_rows": 1001}, {}, training) == 1001
    assert rows_of({}, {"total_rows": 1001}, training) == 1001
    assert rows_of({}, {}, training) is None
    # 251 batches, 63 steps an epoch (the last is short), as transformers' Trainer counts.
    assert steps_of(training, 1001)[0] == 126
    assert steps_of(training, 1001, processes=2)[0] == 64
    assert steps_of(training, None) == (None, "the number of rows is not known here")


def test_without_a_number_of_steps_it_is_told_per_thousand(tmp_path: Path) -> None:
    verdict = Verdict("works", stages(peak_allocated_bytes=9 * 2**30))
    real = gather(verdict, PLAN, job_of(tmp_path))["speed"]["real_job"]
    assert real["steps"] is None
    assert real["per_steps"] == 1000
    assert real["steps_from"] == "the number of rows is not known here"


def test_the_price_is_that_of_the_job_s_own_machine(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(
        "# gcloud ai custom-jobs create --region=us-central1 --config=job.yaml\n"
        "workerPoolSpecs:\n- machineSpec:\n    machineType: g2-standard-12\n"
        "    acceleratorType: NVIDIA_L4\n    acceleratorCount: 1\n  replicaCount: 1\n"
        "  containerSpec:\n    imageUri: us-docker.pkg.dev/p/r/train:1\n"
    )
    job = read([tmp_path / "job.yaml"]).jobs[0]
    run = {"usd_per_hour": 0.9, "machine": "g2-standard-4"}
    assert price_of(job, run) == (0.9, "g2-standard-4 of the run")
    job.region = known("us-central1")
    usd, whose = price_of(job, run)
    assert whose == "g2-standard-12 of the job in us-central1"
    assert usd is not None
    assert usd > 1.0
    assert price_of(job_of(tmp_path), run) == (0.8, "l4x1 of the job")
    job.region = None
    assert price_of(job, None) == (None, "")


def test_a_smaller_run_is_no_measurement_of_the_job(tmp_path: Path) -> None:
    verdict = Verdict("works", stages(peak_allocated_bytes=9 * 2**30))
    short = {**PLAN, "max_length": 1024}
    found = gather(verdict, short, job_of(tmp_path))
    assert found["memory"]["of_the_job"] is False
    assert found["memory"]["not_of_the_job"] == ["seq_len 1024, the job's 2048"]
    assert found["speed"]["real_job"] is None
    tiny = {**PLAN, "weights": "tiny", "shape": {"model_type": "qwen2"}}
    assert "not_predicted" in gather(verdict, tiny, job_of(tmp_path))["memory"]


def test_another_card_is_no_measurement_of_the_job(tmp_path: Path) -> None:
    lines = stages(peak_allocated_bytes=9 * 2**30)
    lines[1] = {**L4, "device": "NVIDIA A10G", "memory_bytes": 23686744637}
    memory = gather(Verdict("works", lines), PLAN, job_of(tmp_path))["memory"]
    assert memory["not_of_the_job"] == ["it ran on a10g, the job on l4"]


def test_other_versions_are_told_and_are_no_measurement(tmp_path: Path) -> None:
    verdict = Verdict("works", stages(peak_allocated_bytes=9 * 2**30))
    found = gather(verdict, PLAN, job_of(tmp_path, pins=PINS.replace("trl==1.16.0", "trl==1.15.0")))
    assert found["version_differences"] == [
        {"package": "trl", "installed": "1.16.0", "expected": "1.15.0", "pinned": True}
    ]
    assert found["memory"]["own_shape"]
    assert not found["memory"]["of_the_job"]


def test_a_death_for_want_of_gpu_memory_is_a_measurement(tmp_path: Path) -> None:
    lines = stages()
    lines[-1] = {"stage": "train", "ok": False, "error": "OutOfMemoryError"}
    verdict = Verdict("fails", lines, {"name": "oom-batch-or-activations"})
    memory = gather(verdict, PLAN, job_of(tmp_path))["memory"]
    assert memory["outcome"] == "oom"
    assert memory["of_the_job"]
    lines[1] = {**L4, "free_bytes": int(0.6 * L4["memory_bytes"])}
    assert "memory" not in gather(Verdict("fails", lines, verdict.cause), PLAN, job_of(tmp_path))
    lines[1] = {**L4, "free_bytes": int(0.98 * L4["memory_bytes"])}
    other = Verdict("fails", lines, {"name": "oom-other-process-on-gpu"})
    assert "memory" not in gather(other, PLAN, job_of(tmp_path))


def test_a_run_on_a_cpu_says_nothing_of_memory_and_time() -> None:
    found = gather(Verdict("works", stages()), {**PLAN, "device": "cpu"}, None)
    assert "memory" not in found
    assert found["speed"]["real_job"] is None
    assert found["speed"]["not_told"]


@pytest.mark.parametrize(
    ("name", "gib", "card"),
    [
        ("NVIDIA L4", 22.03, "l4"),
        ("Tesla T4", 14.56, "t4"),
        ("NVIDIA A100-SXM4-40GB", 39.49, "a100-40gb"),
        ("NVIDIA A100-SXM4-80GB", 79.15, "a100"),
        ("NVIDIA A100 80GB PCIe", 79.15, "a100"),
        ("NVIDIA H100 80GB HBM3", 79.1, "h100"),
        ("NVIDIA H200", 139.7, "h200"),
        ("NVIDIA A10G", 22.06, "a10g"),
        ("NVIDIA L40S", 44.39, "l40s"),
        ("NVIDIA GeForce RTX 4090", 23.51, "rtx4090"),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 4.75, ""),
        ("NVIDIA Something New", 50.0, ""),
    ],
)
def test_the_card_is_known_by_torch_s_name_and_its_memory(name: str, gib: float, card: str) -> None:
    assert card_of({"device": name, "memory_bytes": int(gib * 2**30)}) == card


@pytest.mark.parametrize(
    ("code", "oom", "rule"),
    [
        (-9, True, "host-ram-oom-kill"),
        (137, True, "host-ram-oom-kill"),
        (-9, False, "process-sigkilled"),
        (137, False, "process-sigkilled"),
        (-11, False, "process-segfault"),
        (-15, False, "process-signalled-sigterm"),
    ],
)
def test_a_signal_is_named(code: int, oom: bool, rule: str) -> None:
    log = 'FTDOCTOR {"stage": "imports", "ok": true}\n'
    verdict = judge(log, exit_code=code, out_of_memory=oom)
    assert verdict.word == "fails"
    assert verdict.cause is not None
    assert verdict.cause["name"] == rule


@pytest.mark.parametrize(
    ("log", "code", "limit", "rule"),
    [
        ("ImportError: liba.so: failed to map segment from shared object", 1, 2.0, "FT-MEM-001"),
        ("ImportError: liba.so: failed to map segment from shared object", 1, 0.0, None),
        ("", -11, 2.0, "FT-MEM-001"),
        ("terminate called", -6, 2.0, "FT-MEM-001"),
        ("", -11, 0.0, "FT-JOB-211"),
    ],
)
def test_what_a_memory_limit_does_is_named(
    log: str, code: int, limit: float, rule: str | None
) -> None:
    done = 'FTDOCTOR {"stage": "imports", "ok": true}\n'
    verdict = judge(f"{done}{log}\n", exit_code=code, memory_gib=limit)
    assert verdict.word == "fails"
    assert (verdict.cause or {}).get("code") == rule


def test_an_ordinary_end_adds_no_line(tmp_path: Path) -> None:
    assert [line_of(code, out_of_memory=True) for code in (None, 0, 1, 2)] == [""] * 4
    (tmp_path / "vmstat").write_text("nr_free_pages 1\noom_kill 3\n")
    assert oom_kills(tmp_path / "vmstat") == 3
    assert oom_kills(tmp_path / "none") is None
    assert [more(3, 4), more(3, 3), more(None, 4)] == [True, False, False]
