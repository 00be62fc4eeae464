"""The peak of one training step, in closed form: no torch, about a millisecond.

The peak is the highest of three moments: the loss (logits and their gradients), the backward pass
of one layer, and the optimizer step. All stand on what stays: weights, adapters, optimizer states
and the activations that wait for the backward pass. One layer is run on the byte-counting tape
(`tape`, `layers`), the other layers are multiples of it, which is exact because layers are alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.memory import static
from ftdoctor.memory.families import LLAMA, Family, family_of
from ftdoctor.memory.moments import Moments
from ftdoctor.memory.settings import MIB
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from ftdoctor.memory.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class Prediction:
    """Predicted peak of one device.

    `allocated` is what `torch.cuda.max_memory_allocated` would say, `reserved` what
    `max_memory_reserved` would; both in bytes, without the CUDA context. `parts` add up to
    `allocated`. `phase` names the moment of the peak.
    """

    allocated: int
    reserved: int
    parts: dict[str, int]
    phase: str
    confidence: str
    assumptions: tuple[str, ...] = ()
    load: int = 0
    method: str = "closed form"
    reasons: tuple[str, ...] = field(default=())


def predict(settings: TrainingSettings, *, hopper: bool = False) -> Prediction:
    """Predict the peak of one training step on one device.

    Args:
        settings: the step, with defaults filled in.
        hopper: the GPU is of the Hopper generation (larger cuBLAS workspaces).
    """
    family, reasons = _family(settings)
    moment = Moments(settings, family)
    base = moment.static_parts(hopper)
    peaks: list[tuple[str, int, dict[str, int]]] = []
    for phase, parts in moment.phases():
        whole = {**base}
        for name, size in parts.items():
            whole[name] = whole.get(name, 0) + size
        peaks.append((phase, sum(whole.values()), whole))
    phase, allocated, parts = max(peaks, key=lambda x: x[1])
    load = _load_peak(settings)
    return Prediction(
        allocated=allocated,
        reserved=_reserved(settings, allocated, parts, load),
        parts={k: v for k, v in sorted(parts.items(), key=lambda x: -x[1]) if v},
        phase=phase,
        confidence=_confidence(settings, reasons),
        load=load,
        reasons=tuple(reasons),
    )


def _family(settings: TrainingSettings) -> tuple[Family, list[str]]:
    shape = settings.shape
    family = family_of(shape.model_type)
    reasons = []
    if family is None:
        reasons.append(f"model type {shape.model_type!r} is taken to be built like Llama")
        family = LLAMA
    if shape.counts.get("experts"):
        reasons.append("a mixture of experts is not measured")
    elif not family.exact:
        reasons.append(f"layers of {shape.model_type!r} are only approximated")
    if settings.trainer in {"dpo", "grpo"}:
        reasons.append(f"{settings.trainer.upper()} is not measured")
    if settings.sharding not in {"none", "ddp"}:
        reasons.append(f"{settings.sharding} is not measured")
    if settings.dora:
        reasons.append("DoRA is not measured")
    if settings.int8:
        reasons.append("8-bit layers are not measured")
    return family, reasons


def _confidence(settings: TrainingSettings, reasons: list[str]) -> str:
    if settings.shape.confidence == "low" or len(reasons) > 1:
        return "low"
    if reasons or settings.shape.confidence == "medium" or settings.shape.source == "guess":
        return "medium"
    return "high"


def _load_peak(settings: TrainingSettings) -> int:
    """While loading 4-bit weights the largest tensor is there unpacked as well."""
    weights = static.weight_bytes(settings)
    if settings.method != "qlora":
        return weights
    rest = settings.shape.head_params * 4
    return weights + (rest if settings.kbit_prepare else 0)


def _reserved(settings: TrainingSettings, allocated: int, parts: dict[str, int], load: int) -> int:
    """Cached but unused memory: blocks of changing sizes leave gaps.

    The allocator wastes on what comes and goes, not on what stays (rows of the public benchmark of
    canifinetune: 0 to 13 % over allocated, median 7 %; the replay of `simulate` gives its own).
    """
    fixed = sum(parts.get(x, 0) for x in ("weights", "adapters", "optimizer_states", "workspace"))
    moving = allocated - fixed
    return max(int(allocated + 0.11 * moving + 0.005 * fixed + 20 * MIB), load + 20 * MIB)
