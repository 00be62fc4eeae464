"""What must be true of a training that worked; each raises when it is not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .state import Run

#: Values of one parameter that are compared.
SAMPLED = 1 << 16


def quantized(run: Run, model: Any) -> dict[str, Any]:
    """Return how the layers are packed.

    Raises:
        RuntimeError: the plan says 4 (or 8) bits and no layer is, or not in the way it says.
    """
    wanted = run.plan.get("quantization") or {}
    weights: dict[str, dict[int, Any]] = {"Params4bit": {}, "Int8Params": {}}
    for module in model.modules():  # an adapter's layer shows the weight of the layer that it wraps
        weight = getattr(module, "weight", None)
        weights.get(type(weight).__name__, {})[id(weight)] = weight
    states = [weight.quant_state for weight in weights["Params4bit"].values()]
    eight = len(weights["Int8Params"])
    if wanted.get("load_in_8bit") and not eight:
        raise RuntimeError("the job loads in 8 bits, and no layer is quantised")
    if not wanted.get("load_in_4bit"):
        return {"quantized": bool(states or eight), "layers_quantized": len(states) or eight}
    if not states or any(state is None for state in states):
        raise RuntimeError("the job loads in 4 bits, and no layer is quantised")
    kinds = {str(state.quant_type) for state in states}
    double = {bool(state.nested) for state in states}
    kind = wanted.get("bnb_4bit_quant_type", "fp4")
    if kinds != {kind} or double != {bool(wanted.get("bnb_4bit_use_double_quant", False))}:
        raise RuntimeError(
            f"the plan says {kind}, double quantisation "
            f"{wanted.get('bnb_4bit_use_double_quant', False)}; the layers are {sorted(kinds)}, "
            f"double quantisation {sorted(double)}"
        )
    return {
        "quantized": True,
        "layers_quantized": len(states),
        "quant_type": kind,
        "double_quant": double == {True},
        "blocksize": states[0].blocksize,
    }


def history(trainer: Any) -> dict[str, Any]:
    """Return losses and gradient norms.

    Raises:
        FloatingPointError: one is not finite.
        RuntimeError: a gradient is zero, so nothing is learnt.
    """
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    losses = [float(entry["loss"]) for entry in history]
    norms = [float(entry["grad_norm"]) for entry in history if "grad_norm" in entry]
    if not losses or not all(map(math.isfinite, losses)):
        raise FloatingPointError(f"the loss is not finite: {losses}")
    # With fp16 the first steps may overflow: the loss scale is looked for, and they are left out.
    if norms and not trainer.args.fp16 and not all(map(math.isfinite, norms)):
        raise FloatingPointError(f"the gradient norm is not finite: {norms}")
    if norms and max(norms) == 0.0:
        raise RuntimeError(f"the gradient norm is zero in every step: nothing is learnt {norms}")
    return {"losses": losses, "grad_norms": norms}


def agree(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the processes found together.

    Raises:
        RuntimeError: nothing changed on one of them, or they hold different values.
    """
    facts: dict[str, Any] = {}
    still = [one["rank"] for one in found if one.get("changed") == 0]
    if still:
        where = f" on rank {still}" if len(found) > 1 else ""
        raise RuntimeError(f"no trainable parameter changed{where}")
    if "changed" in found[0]:
        facts["changed"] = min(one["changed"] for one in found)
    sums = [one["sum"] for one in found if "sum" in one]
    if sums and max(sums) - min(sums) > 1e-3 * max(1.0, abs(sums[0])):
        raise RuntimeError(f"the processes hold different weights after the same steps: {sums}")
    for name in ("peak_allocated_bytes", "peak_reserved_bytes"):
        if name in found[0]:
            facts[name] = max(one[name] for one in found)
    if len(found) > 1:
        facts["ranks"] = [{k: v for k, v in one.items() if k != "sum"} for one in found]
    return facts


def sample(parameter: Any) -> Any:
    """Return values from all over a parameter, on the CPU: a whole model would be too much."""
    flat = parameter.detach().flatten()
    return flat[:: max(1, flat.numel() // SAMPLED)].float().cpu().clone()


def differs(parameter: Any, old: Any) -> bool:
    """Whether a parameter has other values than its earlier sample."""
    return bool((sample(parameter) != old).any())


def shared(run: Run, trainer: Any) -> dict[str, Any]:
    """Return how the processes share the work.

    Raises:
        RuntimeError: the job shards, and the trainer does not.
    """
    if not run.kind:
        return {}
    found = str(getattr(trainer.accelerator.distributed_type, "value", ""))
    if run.kind in ("fsdp", "deepspeed") and found != run.kind.upper():
        raise RuntimeError(f"the job is launched for {run.kind.upper()}, accelerate ran {found}")
    return {"distributed": found}
