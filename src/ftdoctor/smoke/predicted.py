"""What the memory model predicts for exactly the plan that ran, to hold it against the measurement.

The plan says what was run, the stages say with which versions and which vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftdoctor.memory.settings import TrainingSettings
    from ftdoctor.memory.shapes import Shape


class NotDescribed(Exception):
    """The plan runs something that the memory model does not describe; the text says what."""


def stage(stages: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """Return the line of a stage, empty when it was not reached."""
    return next((s for s in stages if s.get("stage") == name), {})


def settings_of(
    plan: Mapping[str, Any], stages: Sequence[Mapping[str, Any]]
) -> tuple[TrainingSettings, tuple[str, ...]]:
    """Return the settings of the step that a plan runs, and what had to be assumed.

    Raises:
        NotDescribed: the model or the way of training is not one that is described.
    """
    from ftdoctor.memory.from_job import METHODS
    from ftdoctor.memory.resolve import settings_from

    method = str(plan.get("method") or "sft")
    if method not in METHODS:
        raise NotDescribed(f"{method} is not described by the memory model")
    if plan.get("adapter"):
        raise NotDescribed(f"{plan['adapter']} is not described by the memory model")
    processes = int(plan.get("processes") or 1) * int(plan.get("nodes") or 1)
    sharded = _sharded(plan)
    if processes > 1 and sharded:
        raise NotDescribed(f"{sharded} over several GPUs is not compared")
    try:
        return settings_from(_shape(plan, stages), _values(plan, stages, method, processes))
    except (UsageError, TypeError, ValueError, KeyError) as error:
        raise NotDescribed(f"the plan cannot be predicted: {error}") from None


def _sharded(plan: Mapping[str, Any]) -> str:
    kind = str((plan.get("launch") or {}).get("kind") or "")
    return kind if kind in ("fsdp", "deepspeed") else ""


def _shape(plan: Mapping[str, Any], stages: Sequence[Mapping[str, Any]]) -> Shape:
    from ftdoctor.memory import shapes
    from ftdoctor.memory.from_config import shape_from_config

    model = str(plan.get("model") or "")
    if plan.get("weights") in ("real", "shape"):
        found = shapes.find(model)
        if found is not None:
            return found
        if not plan.get("real_shape"):
            raise NotDescribed(f"the shape of {model} is not known")
        return shape_from_config(plan["real_shape"], model)
    config = dict(plan.get("shape") or {})
    words = stage(stages, "tokenizer").get("vocabulary")
    if isinstance(words, int):
        config["vocab_size"] = max(words, int(config.get("vocab_size") or 0))
    return shape_from_config(config, "the plan")


def _values(
    plan: Mapping[str, Any], stages: Sequence[Mapping[str, Any]], method: str, processes: int
) -> dict[str, Any]:
    arguments: Mapping[str, Any] = plan.get("arguments") or {}
    quantization: Mapping[str, Any] | None = plan.get("quantization")
    lora: Mapping[str, Any] | None = plan.get("lora")
    keywords: Mapping[str, Any] = plan.get("model_kwargs") or {}
    four = bool(quantization and quantization.get("load_in_4bit"))
    eight = bool(quantization and quantization.get("load_in_8bit") and not four)
    autocast: Any = arguments.get("bf16")
    if arguments.get("fp16"):
        autocast = "float16"
    values: dict[str, Any] = {
        "method": "qlora" if four or eight else ("lora" if lora is not None else "full"),
        "seq_len": _length(plan, method),
        "batch_size": plan["batch"],
        "accumulation": arguments.get("gradient_accumulation_steps"),
        "gradient_checkpointing": arguments.get("gradient_checkpointing"),
        "optimizer": arguments.get("optim"),
        "packing": arguments.get("packing"),
        "padding_free": arguments.get("padding_free"),
        # The rows are filled to the length: no mask is needed.
        "padding_mask": False,
        "trainer": method,
        "loss": "fused" if arguments.get("use_liger_kernel") else _loss(arguments, method),
        "autocast": autocast,
        "dtype": keywords.get("dtype") or keywords.get("torch_dtype"),
        "string_model": bool(plan.get("model_as_string")),
        "attention": keywords.get("attn_implementation"),
        "kbit_prepare": bool(plan.get("kbit_prepare")),
        "load_in_8bit": eight,
        "versions": dict(stage(stages, "imports").get("versions") or {}),
        "gpus": processes,
        "sharding": "ddp" if processes > 1 else "none",
    }
    if quantization is not None:
        values["double_quant"] = bool(quantization.get("bnb_4bit_use_double_quant"))
    if lora is not None:
        values |= {
            "lora_rank": lora.get("r"),
            "lora_targets": lora.get("target_modules"),
            "lora_dropout": bool(lora.get("lora_dropout")),
            "dora": lora.get("use_dora"),
            "modules_to_save": lora.get("modules_to_save"),
        }
    return values


def _length(plan: Mapping[str, Any], method: str) -> int:
    """Return the tokens of a row; where answers are sampled, the plan's length is the prompt's."""
    length = int(plan["max_length"])
    if method == "grpo":
        length += int((plan.get("arguments") or {}).get("max_completion_length") or 256)
    return length


def _loss(arguments: Mapping[str, Any], method: str) -> str | None:
    """Return the loss where an argument departs from the version's default."""
    given = str(arguments.get("loss_type") or "")
    if method == "sft" and given in ("nll", "chunked_nll"):
        return "nll" if given == "nll" else "chunked"
    return "nll" if arguments.get("label_smoothing_factor") else None
