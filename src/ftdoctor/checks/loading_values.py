"""Values for loading, quantisation, LoRA and steps that the libraries refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.checks.about import code
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Edit, Hit, TextEdit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Training
    from ftdoctor.job.value import Value

#: Short names that torch does not have as attributes (torch 2.13.0: module 'torch' has no attribute
#: 'bf16'); from_pretrained and BitsAndBytesConfig look them up with getattr.
_DTYPES = {
    "bf16": "bfloat16",
    "fp16": "float16",
    "f16": "float16",
    "fp32": "float32",
    "f32": "float32",
}
#: Names that are written for flash_attention_2 and known to no release of transformers.
_FLASH = frozenset(
    "flash_attn flash_attn2 flash_attn_2 flash-attn flash-attn-2 flash-attention-2 "
    "flash_attention2 flash_attention flash-attention flashattention2 flash2 flash fa2".split()
)
_DEVICES = {"gpu": "cuda", "cuda0": "cuda:0", "gpu:0": "cuda:0"}
_QUOTED = lazy(r"""(["'])[^"']*\1\Z""")


def refused(context: Context, **_: object) -> Iterator[Hit]:
    """Yield each value that the library which takes it refuses, with what is meant."""
    job = context.job
    if "unsloth" in code(job).lower():
        return
    for training in job.trainings:
        for name, value, wanted, right in _wrong(training):
            edits = {}
            text = _QUOTED.match((value.raw or "").strip())
            if right and text and value.place and value.place.line == value.place.end_line:
                quote = text[1]
                change = TextEdit(value.place, f"{quote}{right}{quote}")
                edits["right"] = Edit(f"Write {right}", (change,))
            yield Hit(
                value.place or job.place,
                {"name": name, "given": str(value.value), "wanted": wanted},
                {"argument": name, "value": value.value},
                edits,
                summary="{name} is {given}; it must be {wanted}.",
            )


def _wrong(training: Training) -> Iterator[tuple[str, Value[Any], str, str]]:
    """Yield (name, value, what it must be, the value that is meant or "")."""
    for name in ("dtype", "torch_dtype"):
        yield from _dtype(name, training.model_kwargs.get(name))
    quantization = training.quantization or {}
    for name in ("bnb_4bit_compute_dtype", "bnb_4bit_quant_storage"):
        yield from _dtype(name, quantization.get(name))
    four, eight = quantization.get("load_in_4bit"), quantization.get("load_in_8bit")
    if four is not None and eight is not None and get(four) is True and get(eight) is True:
        yield "load_in_8bit", eight, "left out beside load_in_4bit", ""
    kind = quantization.get("bnb_4bit_quant_type")
    if kind is not None and isinstance(get(kind), str) and get(kind) not in ("nf4", "fp4"):
        yield "bnb_4bit_quant_type", kind, "nf4 or fp4", "nf4"
    attention = training.model_kwargs.get("attn_implementation")
    if attention is not None and get(attention) in _FLASH:
        yield "attn_implementation", attention, "flash_attention_2, sdpa or eager", _FA2
    device = training.model_kwargs.get("device_map")
    if device is not None and isinstance(get(device), str) and str(get(device)).lower() in _DEVICES:
        right = _DEVICES[str(get(device)).lower()]
        yield "device_map", device, '"auto" or the name of a device such as "cuda:0"', right
    yield from _lora(training.lora or {})
    for name in ("gradient_accumulation_steps", "per_device_train_batch_size"):
        value = training.arguments.get(name)
        if value is not None and type(get(value)) is int and (get(value) or 0) <= 0:
            yield name, value, "1 or more", ""
    rate = training.arguments.get("learning_rate")
    if rate is not None and isinstance(get(rate), (int, float)) and (get(rate) or 0) < 0:
        yield "learning_rate", rate, "0 or more", ""


_FA2 = "flash_attention_2"


def _dtype(name: str, value: Value[Any] | None) -> Iterator[tuple[str, Value[Any], str, str]]:
    found = get(value) if value is not None else None
    if value is None or not isinstance(found, str):
        return
    right = _DTYPES.get(found.removeprefix("torch."))
    if right:
        yield name, value, f"torch.{right} (or the text {right})", right


def _lora(lora: dict[str, Value[Any]]) -> Iterator[tuple[str, Value[Any], str, str]]:
    """PEFT 0.21.2: tuners/lora/layer.py (r, bias), torch.nn.Dropout (lora_dropout)."""
    if "config_class" in lora:
        return  # OFT, BOFT, HRA, ...: other names for bias, and r=0 means "by block size"
    rank = lora.get("r")
    if rank is not None and type(get(rank)) is int and (get(rank) or 0) <= 0:
        yield "r", rank, "1 or more", ""
    dropout = lora.get("lora_dropout")
    share = get(dropout) if dropout is not None else None
    if dropout is not None and isinstance(share, (int, float)) and not 0 <= share <= 1:
        yield "lora_dropout", dropout, "between 0 and 1", ""
    bias = lora.get("bias")
    if bias is not None and isinstance(get(bias), str) and get(bias) not in _BIAS:
        yield "bias", bias, "none, all or lora_only", ""


_BIAS = ("none", "all", "lora_only")
