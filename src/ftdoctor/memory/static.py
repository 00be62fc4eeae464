"""What stays in memory through the whole run: weights, adapters, optimizer states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.memory.settings import DTYPE_BYTES
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from ftdoctor.memory.settings import TrainingSettings
    from ftdoctor.memory.shapes import Linear

#: bitsandbytes 4-bit: half a byte, one scale byte for 64 weights, one float32 for 256 scales
#: (functional.py quantize_4bit; confirmed on Params4bit of 0.50.2). Without double quantisation the
#: scale is a float32.
NF4_DOUBLE = 0.5 + 1 / 64 + 4 / (64 * 256)
NF4_SINGLE = 0.5 + 4 / 64
#: Code books of one packed layer: 16 and 256 float32 and an offset, in blocks of 512 bytes.
NF4_LAYER = 2048
#: LLM.int8: one byte, and a float32 for each row.
INT8 = 1.0


@dataclass(frozen=True, slots=True)
class Trained:
    """Parameters with gradients: `tensors` of them, `params` elements of `item` bytes each."""

    params: int
    tensors: int
    item: int
    name: str
    largest: int = 0


def packed_bytes(settings: TrainingSettings) -> float:
    """Bytes of one packed weight."""
    if settings.int8:
        return INT8
    return NF4_DOUBLE if settings.double_quant else NF4_SINGLE


def weight_bytes(settings: TrainingSettings) -> int:
    """Resident bytes of the base model."""
    shape = settings.shape
    item = 4 if settings.kbit_prepare else DTYPE_BYTES[settings.dtype]
    total = shape.params
    if not settings.vision_loaded:
        other = [x for x in shape.linears if x.part != "text"]
        total -= sum(x.params for x in other)
        total -= sum(shape.counts.get(f"{k}_other", 0) for k in ("embedding", "norm", "rest"))
    if settings.method != "qlora":
        return int(total * DTYPE_BYTES[settings.dtype])
    packed = [
        x for x in shape.linears if not x.kept and (settings.vision_loaded or x.part == "text")
    ]
    params = sum(x.params for x in packed)
    layers = sum(x.count for x in packed)
    return int(params * packed_bytes(settings) + layers * NF4_LAYER + (total - params) * item)


def lora_layers(settings: TrainingSettings) -> tuple[Linear, ...]:
    """Return the linear layers that carry an adapter."""
    if settings.method == "full":
        return ()
    found = settings.shape.targets(settings.lora_targets)
    return tuple(x for x in found if settings.vision_loaded or x.part == "text")


def trained(settings: TrainingSettings) -> list[Trained]:
    """Return what has gradients and optimizer states."""
    shape = settings.shape
    if settings.method == "full":
        tensors = 2 + sum(x.count for x in shape.linears) + 4 * shape.layers
        largest = max([shape.head_params, *(x.n_in * x.n_out for x in shape.linears)])
        item = DTYPE_BYTES[settings.dtype]
        return [Trained(shape.params, tensors, item, "weights", largest)]
    item = DTYPE_BYTES[settings.adapter_dtype]
    layers = lora_layers(settings)
    rank = settings.lora_rank
    params = sum(rank * (x.n_in + x.n_out) * x.count for x in layers)
    tensors = sum(2 * x.count for x in layers)
    if settings.dora:
        params += sum(x.n_out * x.count for x in layers)
        tensors += sum(x.count for x in layers)
    groups = [Trained(params, tensors, item, "adapters")] if layers else []
    for name in settings.modules_to_save:
        if name in {"lm_head", "embed_tokens", "embed_out", "wte"}:
            groups.append(
                Trained(
                    shape.head_params, 1, saved_item(settings), "saved_modules", shape.head_params
                )
            )
    return groups


def saved_item(settings: TrainingSettings) -> int:
    """Bytes of an element of `modules_to_save`: PEFT copies the module in the dtype it has."""
    if settings.kbit_prepare:
        return 4
    if settings.method == "qlora" and settings.adapter_dtype == "bfloat16":
        return 2
    return DTYPE_BYTES[settings.dtype]


def optimizer_bytes(settings: TrainingSettings) -> tuple[int, int]:
    """Return (bytes of the states, bytes that one step takes for a moment).

    Sources: torch/optim/adamw.py (foreach makes one list of temporaries of the size of all
    parameters, fused none); bitsandbytes optim/optimizer.py (8-bit states from 4096 elements; paged
    ones lie in managed memory outside torch's allocator).
    """
    name = settings.optimizer
    paged = name.startswith("paged_")
    base = name.removeprefix("paged_")
    states = temporary = 0.0
    for group in trained(settings):
        n, item = group.params, group.item
        count = 1 if base.startswith(("lion", "rmsprop", "adagrad")) else 2
        if base.startswith("ademamix"):
            count = 3
        if base.endswith("8bit") and base != "adamw_torch_8bit":
            small = n / max(1, group.tensors) < 4096
            each = 4.0 if small else (0.0 if paged else 1.0) + 4 / 256
            states += n * count * each
        elif base == "sgd":
            continue
        elif base == "adafactor":
            states += n * 4 / 512
            temporary += 2 * 4 * (group.largest or n / max(1, group.tensors))
        elif paged:
            continue
        else:
            states += n * count * (4 if base.endswith("32bit") else item)
            if base in {"adamw_torch", "adam", "adamw"}:
                temporary += n * item
    return int(states), int(temporary)
