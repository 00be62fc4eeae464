"""What data parallelism, ZeRO and FSDP do to the parts of one device.

Formulas: DeepSpeed 0.19 runtime/zero/stage_1_and_2.py and stage3.py
(`estimate_zero2_model_states_mem_needs`, `estimate_zero3_model_states_mem_needs`), PyTorch FSDP
(one unsharded block, plus the next one prefetched). Not measured here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.memory.settings import DTYPE_BYTES

if TYPE_CHECKING:
    from ftdoctor.memory.settings import TrainingSettings
    from ftdoctor.memory.static import Trained


def static(
    parts: dict[str, int], settings: TrainingSettings, trained: list[Trained]
) -> dict[str, int]:
    """Return the parts that stay, as one of the devices holds them."""
    n = max(1, settings.gpus)
    kind = settings.sharding
    if n == 1 or kind == "none":
        return parts
    out = dict(parts)
    grads = sum(g.params * g.item for g in trained)
    if kind == "ddp":
        out["gradient_buckets"] = grads
        return out
    out["optimizer_states"] = out["optimizer_states"] // n
    if kind == "zero2":
        out["gradient_buckets"] = min(grads, 2 * 500_000_000 * 2)
        return out
    for name in ("weights", "adapters", "reference_model"):
        if name in out:
            out[name] = out[name] // n
    out["unsharded_block"] = block_bytes(settings)
    if settings.cpu_offload:
        for name in ("weights", "optimizer_states", "adapters"):
            out[name] = 0
    return out


def block_bytes(settings: TrainingSettings) -> int:
    """Bytes of the largest unsharded pieces: two decoder layers, or the embedding."""
    shape = settings.shape
    layers = max(1, shape.layers)
    text = sum(x.params for x in shape.linears if x.part == "text") + shape.counts.get("experts", 0)
    item = DTYPE_BYTES[settings.autocast or settings.dtype]
    per_weight = 0.5159 if settings.method == "qlora" else item
    return int(max(2 * text / layers * per_weight, shape.head_params * item))


def gradients(total: float, settings: TrainingSettings) -> float:
    """Return the gradient bytes of one device."""
    if settings.sharding in {"zero2", "zero3", "fsdp"}:
        return total / max(1, settings.gpus)
    return total


def states(total: float, settings: TrainingSettings) -> int:
    """Return step temporaries of one device."""
    if settings.sharding in {"zero2", "zero3", "fsdp"}:
        return int(total / max(1, settings.gpus))
    return int(total)
