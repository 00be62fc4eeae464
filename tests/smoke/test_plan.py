"""What of a job goes into the plan, what is left out, and that this is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.smoke.payload_runs import plan_of

from ftdoctor.errors import UsageError
from ftdoctor.smoke.plan_data import read_rows

if TYPE_CHECKING:
    from pathlib import Path

JOB = """\
import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, Trainer
from trl import SFTConfig, SFTTrainer, {imports}

quantized = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16)
model = AutoModelForCausalLM.from_pretrained(
    "{model}", quantization_config=quantized, attn_implementation="flash_attention_2",
    device_map="auto", {loading}
)
tokenizer = AutoTokenizer.from_pretrained("{model}")
trainer = {trainer}(
    model=model, processing_class=tokenizer, train_dataset={data},
    args={config}(output_dir="out", per_device_train_batch_size=4,
        gradient_accumulation_steps=16, optim="paged_adamw_8bit", bf16=True, {arguments}),
    peft_config=LoraConfig(r=32, lora_alpha=64, target_modules="all-linear"), {keywords}
)
trainer.train({train})
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that gives the plan of JOB with some parts changed."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)

    def made(wishes: dict[str, Any] | None = None, **parts: str) -> dict[str, Any]:
        values = {
            "model": "google/gemma-3-12b-it",
            "imports": "DPOConfig",
            "trainer": "SFTTrainer",
            "config": "SFTConfig",
            "data": 'load_dataset("acme/rows", "v2", split="train[:10%]")',
            **dict.fromkeys(("loading", "arguments", "keywords", "train"), ""),
            **parts,
        }
        return plan_of(JOB.format(**values), tmp_path, monkeypatch, **(wishes or {}))

    return made


GPU = {"device": "cuda"}


def told(plan: dict[str, Any], words: str) -> bool:
    """Whether one of the notes says it."""
    return any(words in note for note in plan["notes"])


def test_on_a_cpu_it_is_small_and_says_what_is_replaced(plan: Any) -> None:
    made = plan(arguments="max_length=4096")
    assert made["weights"] == "tiny"
    assert not made["hub"]
    assert (made["max_length"], made["batch"]) == (128, 2)
    assert made["arguments"]["max_length"] == 128
    assert made["arguments"]["gradient_accumulation_steps"] == 1
    assert made["model_kwargs"] == {"attn_implementation": "sdpa"}
    for words in ("flash_attention_2", "paged_adamw_8bit", "not accumulated", "acme/rows"):
        assert told(made, words), words


def test_on_a_gpu_it_is_the_job(plan: Any) -> None:
    made = plan({**GPU, "timeout": 1200.0}, arguments="max_length=4096")
    assert made["weights"] == "real"
    assert (made["max_length"], made["batch"]) == (4096, 4)
    assert made["lora"]["r"] == 32
    assert made["arguments"]["optim"] == "paged_adamw_8bit"
    assert made["model_kwargs"]["attn_implementation"] == "flash_attention_2"
    # Two steps of accumulation have the peak of sixteen; the pace is told for the job's own.
    assert made["arguments"]["gradient_accumulation_steps"] == 2
    assert made["job_accumulation"] == 16
    assert made["dataset"] == {"id": "acme/rows", "split": "train[:10%]", "config": "v2"}
    order = ["gpu", "download", "tokenizer", "data", "template", "weights", "model", "train"]
    assert [s for s in made["stages"] if s in order] == order


def test_what_is_too_large_to_fetch_is_random(plan: Any) -> None:
    made = plan({**GPU, "timeout": 300.0})
    assert made["weights"] == "shape"
    assert made["real_shape"]["text_config"]["num_hidden_layers"] == 48
    assert "weights" not in made["stages"]
    assert "download" in made["stages"]  # the gate is asked all the same
    assert told(made, "would take too much")
    made = plan({**GPU, "timeout": 1200.0})
    assert made["weights"] == "real"
    assert made["most_weight_bytes"] >= 24 * 10**9
    made = plan({**GPU, "shape_only": True, "hub": False})
    assert made["weights"] == "shape"
    assert "download" not in made["stages"]


def test_names_without_meaning_here_are_checked_and_not_used(plan: Any) -> None:
    made = plan(arguments='evaluation_strategy="steps", push_to_hub=True, save_steps=10')
    assert made["unused"]["evaluation_strategy"] == "steps"
    assert "push_to_hub" in made["unused"]
    assert not {"evaluation_strategy", "push_to_hub", "save_steps"} & set(made["arguments"])


def test_another_method_gets_only_what_every_config_takes(plan: Any) -> None:
    made = plan(trainer="DPOTrainer", config="DPOConfig", arguments="beta=0.2")
    assert made["method"] == "dpo"
    assert made["arguments"]["beta"] == 0.2
    made = plan(
        imports="SFTConfig as PPOConfig", trainer="MyOwnTrainer", config="PPOConfig",
        arguments="kl_coef=0.2, learning_rate=1e-5",
    )  # fmt: skip
    if made["method"] != "sft" or told(made, "SFT stands for it"):
        assert "kl_coef" not in made["arguments"]


def test_resuming_is_a_reason_to_fail_only_where_the_job_does_it(plan: Any) -> None:
    assert plan()["soft"] == ["resume"]
    assert plan(train="resume_from_checkpoint=True")["soft"] == []
    assert plan(train="resume_from_checkpoint=None")["soft"] == ["resume"]


def test_where_it_pushes_to(plan: Any) -> None:
    made = plan({"push": True}, arguments='hub_model_id="ada/out"')
    assert made["push"] == "ada/out"
    assert made["stages"][-1] == "push"
    with pytest.raises(UsageError, match="which repository"):
        plan({"push": True})


def test_a_base_model_has_no_template_and_an_unknown_one_may(plan: Any, tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}]
    (tmp_path / "rows.jsonl").write_text(json.dumps(rows[0]) + "\n")
    local = {"data": 'load_dataset("json", data_files="rows.jsonl", split="train")'}
    assert plan(model="google/gemma-3-1b-pt", **local)["chat_template"] is False
    assert plan(model="acme/never-heard-of", **local)["chat_template"] is True
    sets = plan(
        model="google/gemma-3-1b-pt", loading="", train=")\nx = dict(chat_template=1", **local
    )
    assert sets["chat_template"] is True
    assert sets["rows"] == rows


def test_rows_that_the_code_makes_are_not_taken_from_the_file(plan: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"instruction": "a", "output": "b"}\n' * 20)
    data = 'load_dataset("json", data_files="rows.jsonl", split="train")'
    made = plan(data=f"{data}.map(lambda r: r)")
    assert "rows" not in made
    assert made["total_rows"] == 20
    assert told(made, "the job's own code makes its rows")


@pytest.mark.parametrize(
    ("text", "rows", "total"),
    [
        ('{"a": 1}\n\n{"a": 2}\n', 2, 2),
        ('[{"a": 1}, {"a": 2}]', 2, 2),
        ("not json\n" * 3, 0, 3),
        ("[1, 2", 0, None),
        ("", 0, 0),
    ],
)
def test_rows_are_read_from_both_forms(
    text: str, rows: int, total: int | None, tmp_path: Path
) -> None:
    (tmp_path / "rows.json").write_text(text)
    found, count = read_rows(str(tmp_path / "rows.json"))
    assert (len(found), count) == (rows, total)


def test_the_plan_is_plain_json(plan: Any) -> None:
    for wishes in ({}, GPU, {**GPU, "processes": 4}):
        made = plan(wishes)
        assert json.loads(json.dumps(made)) == made


def test_eight_bits_stay_eight(plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """\
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer
model = AutoModelForCausalLM.from_pretrained("Qwen/Qwen2.5-0.5B",
    quantization_config=BitsAndBytesConfig({bits}=True))
SFTTrainer(model=model, train_dataset=None, args=SFTConfig(output_dir="out")).train()
"""
    eight = plan_of(text.format(bits="load_in_8bit"), tmp_path, monkeypatch)["quantization"]
    assert eight == {"load_in_8bit": True}
    four = plan_of(text.format(bits="load_in_4bit"), tmp_path, monkeypatch)
    assert four["quantization"]["bnb_4bit_use_double_quant"]
    assert told(four, "NF4 and double quantisation here")


def test_what_a_tiny_model_has_not_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """\
from peft import {kind}
from transformers import AutoModelForCausalLM
from trl import SFTConfig, SFTTrainer
model = AutoModelForCausalLM.from_pretrained("{model}", {loading})
SFTTrainer(model=model, train_dataset=None, args=SFTConfig(output_dir="out"),
    peft_config={kind}({adapter})).train()
"""
    values = {"kind": "LoraConfig", "model": "Qwen/Qwen2.5-0.5B", "loading": "", "adapter": ""}

    def made(**changed: str) -> dict[str, Any]:
        return plan_of(text.format(**{**values, **changed}), tmp_path, monkeypatch)

    some = made(adapter='r=8, target_modules=["q_proj"], layers_to_transform=[20, 21]')
    assert "layers_to_transform" not in some["lora"]
    assert some["lora"]["target_modules"] == ["q_proj"]  # a wrong name must still fail
    other = made(model="acme/own-arch", adapter='r=8, target_modules=["Wqkv"]')
    assert other["lora"]["target_modules"] == "all-linear"
    odd = made(kind="VeraConfig", adapter="r=256")
    assert "adapter" not in odd
    assert told(odd, "VeraConfig is not run small")
    where = made(loading='subfolder="unet", cache_dir="/x", load_in_4bit=True')
    assert where["model_kwargs"] == {"load_in_4bit": True}


def test_arguments_of_the_script_itself_are_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ftdoctor.smoke.payload.arguments import build
    from ftdoctor.smoke.payload.state import Run

    class Config:
        def __init__(self, output_dir: str, learning_rate: float = 0.0, max_steps: int = 0) -> None:
            self.learning_rate = learning_rate

    given = {"learning_rate": 0.5, "chat_template_format": "chatml"}
    plan = {"device": "cuda", "batch": 1, "arguments": given, "folder": str(tmp_path)}
    with pytest.raises(TypeError, match="chat_template_format"):
        build(Run(plan), Config, None)
    loose = Run({**plan, "loose": ["chat_template_format", "learning_rate"]})
    assert build(loose, Config, None).learning_rate == 0.5
    assert build(Run({**plan, "lenient": True}), Config, None).learning_rate == 0.5


def test_unsloth_is_told_and_its_own_keywords_are_not_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """\
from unsloth import FastLanguageModel
from trl import SFTConfig, SFTTrainer
model, tokenizer = FastLanguageModel.from_pretrained("unsloth/Llama-3.2-1B-bnb-4bit",
    max_seq_length=2048, load_in_4bit=True)
model = FastLanguageModel.get_peft_model(model, r=16, target_modules=["q_proj"],
    use_gradient_checkpointing="unsloth", random_state=1)
SFTTrainer(model=model, tokenizer=tokenizer, train_dataset=None, max_seq_length=2048,
    args=SFTConfig(output_dir="out")).train()
"""
    made = plan_of(text, tmp_path, monkeypatch)
    assert made["lenient"]
    assert told(made, "Unsloth is not run small")
    assert made["model_kwargs"] == {}
    assert set(made["lora"]) <= {"r", "target_modules", "task_type"}
    assert made["quantization"]["load_in_4bit"]
