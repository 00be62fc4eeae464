"""Planted faults: each run FAILS with its rule, and WORKS once the fault is mended.

Everything is real: the command line, torch, bitsandbytes, PEFT, TRL, the kernel. (A dead token and
a closed gate are in test_confirm.py.)
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.conftest import ROOT

from ftdoctor.smoke import run_local
from ftdoctor.smoke.plan import default_plan
from ftdoctor.smoke.verdict import Verdict, judge

pytestmark = pytest.mark.slow

SCRIPT = """\
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer

model = AutoModelForCausalLM.from_pretrained(
    "{model}", quantization_config=BitsAndBytesConfig(load_in_4bit=True)
)
trainer = SFTTrainer(
    model=model,
    processing_class=AutoTokenizer.from_pretrained("{model}"),
    train_dataset=load_dataset("json", data_files="rows.jsonl", split="train"),
    args=SFTConfig(output_dir="out", {length}=64, learning_rate={rate}),
    peft_config=LoraConfig(r=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
)
trainer.train()
"""
#: One that has a chat template, and a base model that has none.
MODEL, BASE = "Qwen/Qwen3-0.6B", "google/gemma-3-1b-pt"
TEXT = {"text": "words and more words to learn from"}
CHAT = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]}
#: Address space, GiB: what importing torch and training a tiny model need stays below (1.6 here).
ENOUGH = 4.0


def job(folder: Path, row: dict[str, Any], **values: str) -> None:
    """Write a training script and its rows."""
    filled = {"length": "max_length", "rate": "1e-3", "model": MODEL, **values}
    (folder / "train.py").write_text(SCRIPT.format(**filled))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for _ in range(8)))


def smoke(folder: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Run `ftdoctor smoke` as a process of its own; return exit code and its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "ftdoctor", "smoke", "--format", "json", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert "Traceback" not in done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, json.loads((ROOT / "docs" / "smoke.schema.json").read_text()))
    return done.returncode, document


@pytest.mark.parametrize(
    ("code", "row", "fault", "mended"),
    [
        ("FT-API-014", TEXT, {"length": "max_seq_length"}, {}),
        ("FT-DATA-007", CHAT, {"model": BASE}, {"model": MODEL}),
        ("FT-TRAIN-003", TEXT, {"rate": "1e39"}, {"rate": "1e-3"}),
    ],
    ids=["wrong keyword", "no chat template", "nan"],
)
def test_a_fault_of_the_job(
    code: str, row: dict[str, Any], fault: dict[str, str], mended: dict[str, str], tmp_path: Path
) -> None:
    job(tmp_path, row, **fault)
    exit_code, document = smoke(tmp_path, "train.py")
    assert (exit_code, document["verdict"]) == (1, "FAILS")
    assert document["cause"] is not None, document["error_block"]
    assert document["cause"]["code"] == code
    assert document["cause"]["prove"] == f"ftdoctor smoke --confirm {code} train.py"
    job(tmp_path, row, **mended)
    exit_code, document = smoke(tmp_path, "--confirm", code, "train.py")
    assert (exit_code, document["verdict"]) == (0, "WORKS"), document["error_block"]
    assert document["confirm"]["outcome"] == "proved"
    assert "checkpoint" not in [s["stage"] for s in document["stages"]]


def run(plan: dict[str, Any], **keywords: Any) -> Verdict:
    log, code, ended = run_local.run(plan, timeout=280, **keywords)
    return judge(log, exit_code=code, ended=ended)


def test_no_space_left(tmp_path: Path) -> None:
    """/dev/full is where the checkpoint goes: the kernel itself says that no space is left."""
    plan = {**default_plan("cpu"), "save_folder": str(tmp_path)}
    plan["stages"] = ["imports", "tokenizer", "data", "model", "train", "checkpoint"]
    there = tmp_path / "checkpoint" / "adapter_config.json"
    there.parent.mkdir()
    there.symlink_to("/dev/full")
    verdict = run(plan)
    assert verdict.word == "fails"
    assert verdict.cause is not None, verdict.block
    assert verdict.cause["code"] == "FT-JOB-003"
    assert "the stage checkpoint failed with OSError: [Errno 28]" in verdict.reason
    there.unlink()
    assert run(plan).word == "works"


def test_no_memory_left() -> None:
    """Under a limit of the address space, one layer of 16 million columns has no room."""
    plan = default_plan("cpu")
    plan["stages"] = ["imports", "tokenizer", "data", "model", "train"]
    wide = {**plan, "shape": {**plan["shape"], "intermediate_size": 2**24}}
    verdict = run(wide, memory_gib=ENOUGH)
    assert verdict.word == "fails"
    assert verdict.cause is not None, verdict.block
    assert verdict.cause["code"] == "FT-MEM-001"
    assert run(plan, memory_gib=ENOUGH).word == "works"


def test_killed() -> None:
    """A real SIGKILL, as the kernel sends it when memory runs out: nothing is in the log."""

    def kill(line: str) -> None:
        if '"imports"' in line:
            for process in _children():
                os.kill(process, signal.SIGKILL)

    verdict = run(default_plan("cpu"), told=kill)
    assert verdict.word == "fails"
    assert verdict.cause is not None, verdict.block
    assert verdict.cause["name"] == "process-sigkilled"


def test_no_gpu(tmp_path: Path) -> None:
    """torch's own words: a CPU build, or no driver. On the CPU the rule is not proved."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    job(tmp_path, TEXT)
    exit_code, document = smoke(tmp_path, "--gpu", "local", "train.py")
    assert (exit_code, document["verdict"]) == (1, "FAILS")
    code = "FT-GPU-024" if torch.version.cuda else "FT-GPU-029"
    assert document["cause"] is not None, document["error_block"]
    assert document["cause"]["code"] == code
    assert [s["stage"] for s in document["stages"]] == ["imports", "gpu"]


def test_the_time_limit_leaves_nothing_running() -> None:
    log, code, ended = run_local.run(default_plan("cpu"), timeout=2)
    assert "time limit" in ended
    assert judge(log, exit_code=code, ended=ended).word in ("none", "fails")
    assert _children() == []


def _children() -> list[int]:
    """Return the payloads that this process has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and "ftdoctor_smoke" in (path.parent / "cmdline").read_text():
                found.append(int(path.parent.name))
    return found
