"""Runs on Vertex AI whose containers really run: pip, the payload, two machines."""

from __future__ import annotations

import pytest
from tests.smoke.vertex_bench import AGREED, Bench, bench

__all__ = ["bench"]


@pytest.mark.slow
def test_two_machines_really_run_together(bench: Bench) -> None:
    bench.vertex.execute = True
    code, out, err = bench.run("--nodes", "2", *AGREED, gpu="cpu", token="")
    assert code == 0, out + err
    assert "smoke: WORKS" in out
    assert "allreduce" in out
    assert len(bench.vertex.processes) == 2


@pytest.mark.slow
def test_the_inline_payload_really_runs(bench: Bench) -> None:
    bench.vertex.execute = True
    code, out, err = bench.run(*AGREED, gpu="cpu", token="")
    assert code == 0, out + err
    assert "smoke: WORKS" in out
    assert "train" in out


@pytest.mark.slow
def test_a_fault_of_the_job_really_fails_there(bench: Bench) -> None:
    bench.vertex.execute = True
    (bench.folder / "rows.jsonl").write_text('{"text": "one two three four five six seven"}\n' * 8)
    (bench.folder / "train.py").write_text(
        "import os\n"
        "from datasets import load_dataset\n"
        "from peft import LoraConfig\n"
        "from trl import SFTConfig, SFTTrainer\n"
        "rows = load_dataset('json', data_files='rows.jsonl', split='train')\n"
        "SFTTrainer(os.environ['MODEL'], train_dataset=rows, peft_config=LoraConfig(r=8),\n"
        "           args=SFTConfig('out', max_seq_length=512)).train()\n"
    )
    (bench.folder / "job.yaml").write_text(
        "workerPoolSpecs:\n"
        "- machineSpec: {machineType: g2-standard-8, acceleratorType: NVIDIA_L4, "
        "acceleratorCount: 1}\n"
        "  replicaCount: 1\n"
        "  containerSpec:\n"
        "    imageUri: us-docker.pkg.dev/some-project/images/train:3\n"
        "    command: [bash, -c]\n"
        "    args: ['pip install trl transformers peft && python train.py']\n"
    )
    code, out, err = bench.run("job.yaml", *AGREED, gpu="cpu", token="")
    assert code == 1, out + err
    assert "sftconfig-max-seq-length-renamed" in out
    assert "total rows 8" in out
