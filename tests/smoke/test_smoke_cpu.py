"""Real 4-bit QLoRA on the CPU works, and its plan follows the job; test_faults.py plants faults."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftdoctor.smoke import run_local
from ftdoctor.smoke.plan import default_plan, plan_for
from ftdoctor.smoke.verdict import judge, stages_of

if TYPE_CHECKING:
    from pathlib import Path

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
MODEL = "Qwen/Qwen3-0.6B"


def plan_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: dict, **values: str) -> dict:
    """Return the plan for the script with the given rows, as `ftdoctor smoke train.py` makes it."""
    from ftdoctor.job.read import read

    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for _ in range(8)))
    text = SCRIPT.format(**{"length": "max_length", "rate": "1e-3", "model": MODEL, **values})
    (tmp_path / "train.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    return plan_for(read(["train.py"]).jobs[0], "cpu")


def test_the_plan_is_qlora_and_follows_the_job(tmp_path: Path, monkeypatch) -> None:
    plan = plan_of(tmp_path, monkeypatch, {"text": "a few words"})
    assert plan["shape"]["model_type"] == "qwen3"
    assert plan["quantization"]["bnb_4bit_quant_type"] == "nf4"
    assert plan["quantization"]["bnb_4bit_use_double_quant"]
    assert plan["lora"]["target_modules"] == ["q_proj", "v_proj"]
    assert plan["arguments"]["max_length"] == 64
    assert len(plan["rows"]) == 8


def test_the_log_decides() -> None:
    assert judge("", exit_code=None, ended="the time limit was reached").word == "none"
    works = 'x\nFTDOCTOR {"stage": "train", "ok": true}\nFTDOCTOR {"stage": "end", "ok": true}\n'
    assert judge(works, exit_code=0).word == "works"
    assert [s["stage"] for s in stages_of(works)] == ["train", "end"]
    assert judge('FTDOCTOR {"stage": "train", "ok": true}\n', exit_code=-9).word == "fails"


@pytest.mark.slow
def test_it_works() -> None:
    log, code, _ = run_local.run(default_plan("cpu"), timeout=280)
    verdict = judge(log, exit_code=code)
    assert verdict.word == "works", log
    train = next(s for s in verdict.stages if s["stage"] == "train")
    assert train["quantized"]
    assert train["changed"] > 0
    assert len(train["losses"]) == 3


def test_layers_of_another_architecture_are_not_looked_for(tmp_path: Path, monkeypatch) -> None:
    """No small GPT-NeoX is built: its layers would be missing in the Llama that stands for it."""
    plan = plan_of(tmp_path, monkeypatch, {"text": "a"}, model="EleutherAI/pythia-410m")
    assert plan["shape"]["model_type"] == "llama"
    assert plan["other_architecture"]
    assert plan["lora"]["target_modules"] == "all-linear"
    assert any("here it is all linear layers" in note for note in plan["notes"])
