"""The parts of a peak in words, and what changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.memory.settings import GIB

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Parts of the peak in words.
PART_WORDS: Mapping[str, str] = {
    "weights": "weights",
    "adapters": "adapters",
    "gradients": "gradients",
    "gradient_buckets": "gradient buckets (DDP)",
    "optimizer_states": "optimizer states",
    "optimizer_temporaries": "optimizer step",
    "saved_activations": "saved activations",
    "temporaries": "activations of one layer",
    "logits_and_loss": "logits and loss",
    "dequantised_weights": "dequantised weights",
    "weight_casts": "casts of weights",
    "attention_scores": "attention scores",
    "workspace": "cuBLAS workspaces",
    "reference_model": "reference model",
    "unsharded_block": "unsharded block",
}
#: What the user can change about a part.
LEVERS: Mapping[str, str] = {
    "weights": "4-bit loading, dtype, a smaller model",
    "logits_and_loss": "trl version, max_length, batch size",
    "saved_activations": "gradient checkpointing, max_length, batch size",
    "temporaries": "max_length, batch size",
    "attention_scores": "attn_implementation, max_length",
    "gradients": "LoRA instead of full, fewer targets",
    "gradient_buckets": "FSDP or ZeRO instead of DDP",
    "optimizer_states": "optim, LoRA instead of full",
    "optimizer_temporaries": "optim=adamw_torch_fused",
    "weight_casts": "trl >= 1.15, dtype",
    "adapters": "LoRA rank, fewer targets",
    "reference_model": "LoRA (the base is then the reference)",
    "unsharded_block": "a smaller wrapping policy",
}


def gib(nbytes: float) -> str:
    """Return bytes as GiB with one decimal (two below 1 GiB)."""
    value = nbytes / GIB
    return f"{value:.2f} GiB" if abs(value) < 1 else f"{value:.1f} GiB"
