"""Whether anything can be trained: precision of the weights, quantisation, adapters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import (
    argument,
    code,
)
from ftdoctor.checks.installed import setting, shown, true, version
from ftdoctor.job.pep440 import at_least
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Training
from ftdoctor.checks.setup_args import HF_TRAINERS


def quantized_without_adapter(context: Context, **_: object) -> Iterator[Hit]:
    """A quantised model trained without an adapter (transformers 5.23 trainer_utils.py:131)."""
    job = context.job
    for training in job.trainings:
        if (
            training.quantization is None
            or training.lora is not None
            or training.method not in HF_TRAINERS
            or training.open
        ):
            continue
        if training.written_as != "trl-cli" and not _plain_trainer(training, code(job)):
            continue
        if not any(
            get(training.quantization.get(name)) is True
            for name in ("load_in_4bit", "load_in_8bit")
        ):
            continue
        flag = training.quantization.get("load_in_4bit") or training.quantization.get(
            "load_in_8bit"
        )
        yield Hit(
            flag.place if flag is not None and flag.place else job.place,
            {},
            {"lora": None},
            summary="A quantised model is trained without an adapter.",
        )


def _plain_trainer(training: Training, text: str) -> bool:
    """Whether a script hands its model to a Trainer without anything that could add an adapter."""
    if training.trainer is None or not training.trainer_kwargs:
        return False
    # What is imported and never used adds nothing.
    text = re.sub(r"(?m)^\s*(?:from\s+\S+\s+)?import\s+(?:\([^)]*\)|.*$)", "", text)
    return not re.search(
        r"peft|lora|adapter|unsloth|bnb_4bit_quant_storage|Mxfp4|torchao|\bqat\b", text, re.I
    )


def half_weights(context: Context, **_: object) -> Iterator[Hit]:
    """fp16=True with weights that are trained in 16 bits: the gradient scaler refuses them."""
    job = context.job
    for training in job.trainings:
        if (
            argument(training, "fp16") is not True
            or training.lora is not None
            or training.quantization is not None
            or training.open
        ):
            continue
        if training.method not in HF_TRAINERS or re.search(
            r"peft|lora|adapter|unsloth|deepspeed|fsdp|\.float\(\)|\.to\(torch\.float32|freeze",
            code(job),
            re.I,
        ):
            continue
        value = training.model_kwargs.get("dtype") or training.model_kwargs.get("torch_dtype")
        dtype = str(get(value) or "").replace("torch.", "")
        if dtype not in ("float16", "half", "bfloat16") or value is None:
            continue
        message = (
            "Attempting to unscale FP16 gradients."
            if dtype in ("float16", "half")
            else "the scaler is not implemented for bfloat16"
        )
        yield Hit(
            value.place or job.place,
            {"dtype": dtype, "message": message},
            {"fp16": True, "dtype": dtype},
            summary="fp16=True with {dtype} weights that are trained: {message}",
        )


def adapter_not_trainable(context: Context, **_: object) -> Iterator[Hit]:
    """An adapter loaded for inference is handed to a trainer: nothing requires a gradient."""
    import ast

    from ftdoctor.checks.token_uses import node_place

    for script in context.job.scripts:
        if (
            script.role == "submit"
            or "PeftModel.from_pretrained" not in script.source.text
            or script.tree is None
        ):
            continue
        text = script.source.text
        if re.search(
            r"is_trainable|merge_and_unload|requires_grad|enable_input_require_grads|print_trainable|inference_mode\s*=\s*False|set_adapter|\*\*",
            text,
        ):
            continue
        frozen: dict[str, ast.Call] = {}
        for node in ast.walk(script.tree):
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.Call)
                and isinstance(node.targets[0], ast.Name)
            ):
                if ast.unparse(node.value.func).endswith("PeftModel.from_pretrained"):
                    frozen[node.targets[0].id] = node.value
                else:
                    frozen.pop(node.targets[0].id, None)
        for node in ast.walk(script.tree):
            if not isinstance(node, ast.Call) or not re.search(
                r"Trainer\Z", ast.unparse(node.func)
            ):
                continue
            names = [
                k.value.id
                for k in node.keywords
                if k.arg == "model" and isinstance(k.value, ast.Name)
            ]
            names += [a.id for a in node.args[:1] if isinstance(a, ast.Name)]
            if any(k.arg == "peft_config" for k in node.keywords):
                continue
            for name in names:
                if name in frozen:
                    yield Hit(
                        node_place(script.source, frozen[name]),
                        {"name": name},
                        {"model": name},
                        summary="The adapter in {name} was loaded for inference: nothing to train.",
                    )
                    return


def inference_lora(context: Context, **_: object) -> Iterator[Hit]:
    """LoraConfig(inference_mode=True) freezes the adapter that is to be trained."""
    for training in context.job.trainings:
        value = (training.lora or {}).get("inference_mode")
        if value is not None and get(value) is True and training.method in HF_TRAINERS:
            yield Hit(value.place or context.job.place, {}, {"inference_mode": True})


#: First trl whose trainer casts the trainable weights of a quantised model to bfloat16
#: ("When using QLoRA, the PEFT adapter weights are converted to bf16"): read from the wheels of
#: trl 0.25.1 to 1.16.0, trl/trainer/*_trainer.py.
_CASTS_SINCE = {
    "sft": "0.26.0",
    "grpo": "0.26.0",
    "reward": "0.26.0",
    "rloo": "0.27.0",
    "dpo": "0.29.0",
    "kto": "1.4.0",
}
_BITS = ("load_in_4bit", "load_in_8bit")


def scaler_on_bf16_adapter(context: Context, **_: object) -> Iterator[Hit]:
    """fp16=True with a quantised model whose adapter trl casts to bfloat16."""
    job = context.job
    trl = version(job, "trl")
    for training in job.trainings:
        since = _CASTS_SINCE.get(training.method or "")
        value = training.arguments.get("fp16")
        if since is None or not trl or value is None or not true(value):
            continue
        flags = [(training.quantization or {}).get(n) or setting(training, n) for n in _BITS]
        if not any(map(true, flags)) or not at_least(trl, since):
            continue
        # A script that casts weights itself may well cast these back.
        if re.search(r"\.float\(\)|\.to\(torch\.float(?:32|16)\b|unsloth", code(job), re.I):
            continue
        yield Hit(
            value.place or job.place,
            {"trl": shown(job, "trl")},
            {"fp16": True, "trl": trl},
            summary="fp16=True, and {trl} casts the adapter of a quantised model to bfloat16.",
        )


_CASTS = lazy(r"\.to\(\s*(?:dtype\s*=\s*)?torch\.(?:b?float16|float32|half|float)\b")


def quantized_cast(context: Context, **_: object) -> Iterator[Hit]:
    """A quantised model is cast with half(), float() or to(dtype): transformers refuses that.

    transformers 5.23.0 modeling_utils.py, `half`, `float`, `to`; the same in 4.36.2.
    """
    from ftdoctor.checks.data_splits import in_branch

    job = context.job
    for script in job.scripts:
        loads = [n for n in script.calls if re.fullmatch(r"[\w.]*AutoModel\w*\.from_pretrained", n)]
        # With two models in a script it is not sure which of them the call is made on.
        if len(loads) != 1 or len(script.calls[loads[0]]) != 1:
            continue
        if not any(true((t.quantization or {}).get(n)) for t in job.trainings for n in _BITS):
            continue
        for name, places in script.calls.items():
            owner, _dot, method = name.rpartition(".")
            if not owner.startswith(f"{loads[0]}()") or method not in ("half", "float", "to"):
                continue
            for place in places:
                text = script.source.line_text(place.end_line)[: place.end_column - 1]
                if (method != "to" or _CASTS.search(text)) and not in_branch(job, place):
                    yield Hit(
                        place,
                        {"method": method},
                        {"call": method},
                        summary="A quantised model is cast with {method}(), which it refuses.",
                    )
                    return
