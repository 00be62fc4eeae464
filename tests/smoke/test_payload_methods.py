"""Each method of training really runs on the CPU, as the job writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.smoke.payload_runs import plan_of, run_stages

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

HEAD = """\
import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers import DataCollatorForLanguageModeling, Trainer, TrainingArguments
from trl import (DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, KTOConfig, KTOTrainer,
                 RewardConfig, RewardTrainer, RLOOConfig, RLOOTrainer, SFTConfig, SFTTrainer)

name = "Qwen/Qwen2.5-0.5B-Instruct"
rows = load_dataset("acme/rows", split="train")
quantized = BitsAndBytesConfig(
    load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
    bnb_4bit_compute_dtype=torch.bfloat16,
)
lora = LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM")
tokenizer = AutoTokenizer.from_pretrained(name)
"""
FOUR = "model = AutoModelForCausalLM.from_pretrained(name, quantization_config=quantized)\n"
WHOLE = "model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.bfloat16)\n"

JOBS = {
    "sft": FOUR
    + """
SFTTrainer(model=model, processing_class=tokenizer, train_dataset=rows, peft_config=lora,
    args=SFTConfig(output_dir="out", max_length=512, per_device_train_batch_size=4,
        optim="paged_adamw_8bit", gradient_checkpointing=True,
        gradient_checkpointing_kwargs={"use_reentrant": False})).train()
""",
    "sft-assistant": FOUR
    + """
SFTTrainer(model=model, processing_class=tokenizer, train_dataset=rows, peft_config=lora,
    args=SFTConfig(output_dir="out", max_length=512, assistant_only_loss=True)).train()
""",
    "sft-completion": FOUR
    + """
SFTTrainer(model=model, processing_class=tokenizer, train_dataset=rows, peft_config=lora,
    args=SFTConfig(output_dir="out", max_length=512, completion_only_loss=True)).train()
""",
    "sft-packing": FOUR
    + """
SFTTrainer(model=model, processing_class=tokenizer, train_dataset=rows, peft_config=lora,
    args=SFTConfig(output_dir="out", max_length=512, packing=True)).train()
""",
    "sft-string": """
SFTTrainer(model=name, train_dataset=rows, peft_config=lora,
    args=SFTConfig(output_dir="out", max_length=512,
        model_init_kwargs={"quantization_config": quantized, "dtype": "bfloat16"})).train()
""",
    "sft-full": WHOLE
    + """
SFTTrainer(model=model, processing_class=tokenizer, train_dataset=rows,
    args=SFTConfig(output_dir="out", max_length=512, learning_rate=1e-3)).train()
""",
    "dpo": FOUR
    + """
DPOTrainer(model=model, processing_class=tokenizer, train_dataset=rows, peft_config=lora,
    args=DPOConfig(output_dir="out", max_length=512, beta=0.1)).train()
""",
    "kto": FOUR
    + """
KTOTrainer(model=model, processing_class=tokenizer, train_dataset=rows, peft_config=lora,
    args=KTOConfig(output_dir="out", max_length=512, per_device_train_batch_size=4)).train()
""",
    "reward": """
RewardTrainer(model=name, processing_class=tokenizer, train_dataset=rows, peft_config=lora,
    args=RewardConfig(output_dir="out", max_length=512)).train()
""",
    "grpo": FOUR
    + """
GRPOTrainer(model=model, processing_class=tokenizer, train_dataset=rows, peft_config=lora,
    reward_funcs=lambda completions, **kw: [len(c) for c in completions],
    args=GRPOConfig(output_dir="out", max_completion_length=256, num_generations=8,
        use_vllm=True)).train()
""",
    "rloo": WHOLE
    + """
RLOOTrainer(model=model, processing_class=tokenizer, train_dataset=rows, peft_config=lora,
    reward_funcs=lambda completions, **kw: [len(c) for c in completions],
    args=RLOOConfig(output_dir="out", max_completion_length=256)).train()
""",
    "trainer": WHOLE
    + """
rows = rows.map(lambda row: tokenizer(row["text"], truncation=True, max_length=512))
Trainer(model=model, processing_class=tokenizer, train_dataset=rows,
    data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
    args=TrainingArguments(output_dir="out", learning_rate=1e-3, warmup_steps=2)).train()
""",
    "trainer-qlora": FOUR
    + """
from peft import get_peft_model, prepare_model_for_kbit_training
model = get_peft_model(prepare_model_for_kbit_training(model), lora)
Trainer(model=model, processing_class=tokenizer, train_dataset=rows,
    data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
    args=TrainingArguments(output_dir="out", learning_rate=1e-3)).train()
""",
}


@pytest.mark.parametrize("job", JOBS)
def test_it_trains(job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(HEAD + JOBS[job], tmp_path, monkeypatch)
    method = job.partition("-")[0]
    assert plan["method"] == method
    found = run_stages(plan, tmp_path)
    train = found["train"]
    assert len(train["losses"]) == 3
    assert train["changed"] > 0
    assert train["quantized"] is (plan["quantization"] is not None)
    # The worst case is what is trained on: rows as long as the plan says, in every form.
    if method in ("grpo", "rloo"):
        assert train["length"] >= plan["max_length"]
    elif plan.get("packs"):
        assert train["length"] == plan["batch"] * plan["max_length"]
    else:
        assert train["length"] == plan["max_length"] == 128
    assert found["checkpoint"]["compared"] > 0
    assert found["resume"]["resumed"]
