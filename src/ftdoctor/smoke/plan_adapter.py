"""The adapter and the quantisation of a run: the job's own, as far as a stand-in takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.job.value import get
from ftdoctor.smoke.plan_arguments import plain

if TYPE_CHECKING:
    from ftdoctor.job.model import Training

QLORA = {
    "load_in_4bit": True,
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_use_double_quant": True,
    "bnb_4bit_compute_dtype": "bfloat16",
}
LORA = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
#: Adapters of peft beside LoRA whose settings do not depend on the size of the model.
_ANY_SIZE = frozenset({"LoraConfig", "IA3Config", "LoHaConfig", "LoKrConfig"})
_COMMON = frozenset(
    "r lora_alpha lora_dropout target_modules bias use_rslora modules_to_save use_dora".split()
)
#: Of LoRA: layers that a model of two layers does not have.
_LAYERS = ("layers_to_transform", "layers_pattern", "layer_replication", "rank_pattern")


def quantization_of(training: Training, notes: list[str]) -> dict[str, Any] | None:
    """Return the job's quantisation; None when the job trains unquantised weights."""
    from ftdoctor.memory import shapes

    if training.quantization is None:
        four = training.model_kwargs.get("load_in_4bit") or training.arguments.get("load_in_4bit")
        model = (get(training.model) or "") if training.model is not None else ""
        stored = shapes.quantised_copy(str(model)) == "4bit"
        return dict(QLORA) if (four is not None and get(four)) or stored else None
    kept = {n: get(v) for n, v in training.quantization.items() if v.known and plain(v.value)}
    if other := kept.pop("config_class", None):
        notes.append(f"{other} is not run small: 4-bit NF4 of bitsandbytes stands for it")
        return dict(QLORA)
    for name, value in kept.items():
        if isinstance(value, str):
            kept[name] = value.removeprefix("torch.")
    if not kept.get("load_in_4bit", not kept.get("load_in_8bit")):
        return kept
    if kept.get("load_in_8bit"):
        return kept  # both: refused by transformers, here as there
    left = [n for n in ("bnb_4bit_quant_type", "bnb_4bit_use_double_quant") if n not in kept]
    if left:
        notes.append(f"{' and '.join(left)} not set by the job: NF4 and double quantisation here")
    return {**QLORA, **kept}


def add_adapter(plan: dict[str, Any], training: Training, notes: list[str]) -> None:
    """Put the adapter into the plan; `lora` is None when all weights are trained."""
    plan["lora"] = None
    if training.lora is None:
        if plan["quantization"] is not None:
            plan["lora"] = dict(LORA)
        return
    kept = {n: get(v) for n, v in training.lora.items() if v.known and plain(v.value)}
    kind = str(kept.pop("config_class", None) or "LoraConfig").rpartition(".")[2]
    if kind not in _ANY_SIZE or plan["stands"]:
        rank = kept.get("r")
        plan["lora"] = {**LORA, **({"r": rank} if isinstance(rank, int) and rank > 0 else {})}
        if kind not in _ANY_SIZE:
            notes.append(f"{kind} is not run small: LoRA stands for it")
        return
    if plan.get("lenient"):  # Unsloth's get_peft_model takes more than peft's LoraConfig
        kept = {name: value for name, value in kept.items() if name in _COMMON}
    plan["lora"] = {"task_type": "CAUSAL_LM", **kept}
    if kind != "LoraConfig":
        plan["adapter"] = kind


def fit_adapter(plan: dict[str, Any], notes: list[str]) -> None:
    """Leave out what names layers that a model of two layers does not have."""
    lora = plan["lora"] or {}
    left = [name for name in _LAYERS if lora.pop(name, None)]
    if left:
        notes.append(f"{', '.join(left)} of the adapter: two layers have no such choice")
