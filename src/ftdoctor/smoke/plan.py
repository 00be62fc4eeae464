"""From the user's job to the smallest run that would still fail where the real one would.

The plan is plain JSON that the payload reads. QLoRA (4-bit NF4, double quantisation) unless the job
itself trains in another precision.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ftdoctor.job.value import get

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.job.model import Job, Training

QLORA = {
    "load_in_4bit": True,
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_use_double_quant": True,
    "bnb_4bit_compute_dtype": "bfloat16",
}
LORA = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
#: Longest rows and largest batch on a CPU: the point there is that it runs, not how much it holds.
CPU_LENGTH, CPU_BATCH = 128, 2
METHODS = ("sft",)
#: Set by the payload itself, or without meaning for three steps.
_OURS = frozenset(
    "output_dir max_steps num_train_epochs logging_steps logging_strategy save_strategy save_steps "
    "save_total_limit report_to run_name push_to_hub hub_model_id hub_strategy hub_token "
    "hub_private_repo eval_strategy evaluation_strategy_ eval_steps do_eval do_train logging_dir "
    "per_device_train_batch_size per_device_eval_batch_size resume_from_checkpoint deepspeed fsdp "
    "fsdp_config load_best_model_at_end metric_for_best_model dataset_num_proc "
    "dataloader_num_workers model_init_kwargs trackio_space_id project dataset_text_field "
    "overwrite_output_dir_ warmup_steps".split()
)
#: Text-only models that stand for multimodal ones: their language half.
_TEXT_TYPES = {
    "gemma3": "gemma3_text",
    "gemma4": "gemma4_text",
    "qwen2_vl": "qwen2",
    "qwen2_5_vl": "qwen2",
    "qwen3_vl": "qwen3",
    "mllama": "llama",
    "llama4": "llama",
    "mistral3": "mistral",
}
#: Decoder families whose small configuration transformers builds from these five sizes.
_SMALL = frozenset(
    "llama mistral qwen2 qwen3 gemma gemma2 gemma3_text phi3 granite olmo2 smollm3 starcoder2 "
    "cohere stablelm".split()
)


def plain(value: Any) -> bool:
    """Whether a value goes into the plan as it is."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def small_shape(model: str) -> tuple[dict[str, Any], str]:
    """Return a tiny configuration of the model's own architecture, and a note."""
    from ftdoctor.memory import shapes

    found = shapes.find(model) if model else None
    kind = _TEXT_TYPES.get(found.model_type, found.model_type) if found else "llama"
    note = (
        f"a random {kind} of two layers stands for {model}"
        if model
        else "a random Llama of two layers"
    )
    if kind not in _SMALL:
        note = f"a random Llama of two layers stands for {model} ({kind} is not built small here)"
        kind = "llama"
    shape = {
        "model_type": kind,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 2048,
    }
    return shape, note


def default_plan(device: str) -> dict[str, Any]:
    """Return the plan of a run with no job: QLoRA on a small Llama."""
    shape, note = small_shape("")
    return {
        "stages": ["imports", "gpu", "tokenizer", "data", "model", "train", "checkpoint"],
        "device": device,
        "method": "sft",
        "shape": shape,
        "max_length": CPU_LENGTH if device == "cpu" else 1024,
        "batch": CPU_BATCH,
        "steps": 3,
        "imports": ["torch", "transformers", "trl", "peft", "bitsandbytes"],
        "quantization": dict(QLORA),
        "lora": dict(LORA),
        "arguments": {"max_length": CPU_LENGTH if device == "cpu" else 1024, "learning_rate": 1e-3},
        "notes": [note],
    }


def plan_for(
    job: Job, device: str, *, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the plan for a job: its method, quantisation, LoRA, arguments, data and token."""
    plan = default_plan(device)
    training = job.training
    if training is None:
        plan["notes"].append(
            "the job shows no training that can be read: the default run stands for it"
        )
        return plan
    notes: list[str] = plan["notes"]
    model = get(training.model) or ""
    plan["model"] = model
    plan["shape"], note = small_shape(model)
    notes[:] = [note]
    if training.method in METHODS:
        plan["method"] = training.method
    else:
        notes.append(f"{training.method} is not run small: SFT stands for it")
    arguments = _arguments(training, notes)
    length = arguments.get("max_length") or arguments.get("max_seq_length") or 1024
    batch = get(training.arguments.get("per_device_train_batch_size")) or 8
    if device == "cpu":
        length, batch = min(int(length), CPU_LENGTH), min(int(batch), CPU_BATCH)
    for name in ("max_length", "max_seq_length"):
        if name in arguments:
            arguments[name] = length
    plan |= {"max_length": length, "batch": batch, "arguments": arguments}
    plan["quantization"] = _quantization(training)
    plan["lora"] = _lora(training, quantized=plan["quantization"] is not None)
    if plan["quantization"] is None and "bitsandbytes" in plan["imports"]:
        plan["imports"].remove("bitsandbytes")
    tokenizer = [n for n in ("tokenizer", "processing_class") if n in training.trainer_kwargs]
    plan["tokenizer_keywords"] = tokenizer or ["processing_class"]
    rows = _local_rows(training)
    if rows:
        plan["rows"] = rows
        notes.append("the rows are the first of the job's own file")
        chat = any(word in model.lower() for word in ("-it", "instruct", "chat", "-sft"))
        plan["chat_template"] = not model or chat
    token = {**os.environ, **(environment or {})}.get("HF_TOKEN", "")
    if token:
        plan["stages"].insert(2, "token")
    return plan


def _arguments(training: Training, notes: list[str]) -> dict[str, Any]:
    found = {}
    for name, value in training.arguments.items():
        if name in _OURS:
            continue
        if not value.known or not plain(value.value):
            notes.append(f"{name} is not known here and is left out")
            continue
        found[name] = value.value
    return found


def _quantization(training: Training) -> dict[str, Any] | None:
    """Return the job's quantisation; None when the job trains unquantised weights."""
    if training.quantization is None:
        four = training.model_kwargs.get("load_in_4bit") or training.arguments.get("load_in_4bit")
        return dict(QLORA) if four is not None and get(four) else None
    kept = {n: get(v) for n, v in training.quantization.items() if v.known and plain(v.value)}
    for name, value in kept.items():
        if isinstance(value, str):
            kept[name] = value.removeprefix("torch.")
    return {**QLORA, **kept} if kept.get("load_in_4bit", True) else kept


def _lora(training: Training, *, quantized: bool) -> dict[str, Any] | None:
    if training.lora is None:
        return dict(LORA) if quantized else None
    kept = {n: get(v) for n, v in training.lora.items() if v.known and plain(v.value)}
    kept["r"] = min(int(kept.get("r") or 8), 16)
    return {**kept, "task_type": "CAUSAL_LM"}


def _local_rows(training: Training) -> list[dict[str, Any]]:
    """Return the first rows of a JSON-lines file of the job that lies on this machine."""
    for dataset in training.datasets:
        files = get(dataset.data_files) if dataset.data_files is not None else None
        names = files if isinstance(files, list) else [files, get(dataset.id)]
        if isinstance(files, dict):
            names = list(files.values())
        for name in names:
            if (
                isinstance(name, str)
                and name.endswith((".jsonl", ".json"))
                and os.path.isfile(name)
            ):
                return _rows(name)
    return []


def _rows(path: str, most: int = 16) -> list[dict[str, Any]]:
    rows = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                rows.append(row)
            if len(rows) >= most:
                break
    return rows
