"""Which model a smoke run takes: tiny, random of the real sizes, or the real one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ftdoctor.job.value import get
from ftdoctor.memory import shapes

if TYPE_CHECKING:
    from ftdoctor.job.model import Training
    from ftdoctor.smoke.wish import Wish

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
#: Bytes a second that the Hub is taken to give a machine of a platform, and the part of the time
#: limit that a download may take. Cautious: the plan of a run must hold on a slow day.
DOWNLOAD, SHARE = 100 * 2**20, 1 / 3


def small_shape(model: str) -> tuple[dict[str, Any], str]:
    """Return a tiny configuration of the model's own architecture, and a note."""
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


def _stand_in(plan: dict[str, Any], model: str, notes: list[str]) -> None:
    """Mark a tiny model that is not of the job's architecture: names of layers are others there."""
    found = shapes.find(model) if model else None
    own = found is not None and plan["shape"]["model_type"] in (
        found.model_type,
        _TEXT_TYPES.get(found.model_type),
    )
    if own:
        return
    plan["other_architecture"] = True
    lora = plan.get("lora") or {}
    if lora.get("target_modules") not in (None, "all-linear"):
        lora["target_modules"] = "all-linear"
        for name in ("modules_to_save", "layers_to_transform", "layers_pattern", "rank_pattern"):
            lora.pop(name, None)
        named = model or "another model"
        notes.append(f"target_modules are layers of {named}: here it is all linear layers")


def add_model(plan: dict[str, Any], training: Training, notes: list[str], wish: Wish) -> None:
    """Put the model into the plan: which weights, and whether the Hub is asked for anything."""
    model = (get(training.model) or "") if training.model is not None else ""
    plan["model"] = model
    revision = get(training.model_revision) if training.model_revision is not None else None
    if isinstance(revision, str):
        plan["revision"] = revision
    here = bool(model) and os.path.isdir(model)
    named = "/" in model and not model.startswith(("/", ".", "~", "gs://", "s3://"))
    gpu = plan["device"] != "cpu"
    wanted = (gpu and not os.environ.get("HF_HUB_OFFLINE")) if wish.hub is None else wish.hub
    asks = wanted and named and not here
    plan["hub"] = asks or (here and gpu)
    if asks:
        plan["stages"].insert(plan["stages"].index("tokenizer"), "download")
    trusts = training.model_kwargs.get("trust_remote_code")
    if trusts is not None and get(trusts):
        plan["trust_remote_code"] = True
    plan["shape"], note = small_shape(model)
    if gpu:
        _weights(plan, model, notes, wish)
    if plan["weights"] == "tiny":
        notes.append(note)
        _stand_in(plan, model, notes)
    if plan["weights"] == "real" and not here:
        plan["stages"].insert(plan["stages"].index("model"), "weights")
    #: The sizes are the model's own, so that the peak can be held against the prediction.
    plan["real_model"] = plan["weights"] != "tiny"


def _weights(plan: dict[str, Any], model: str, notes: list[str], wish: Wish) -> None:
    """Decide between real weights, random ones of the real sizes, and a tiny model."""
    found = shapes.find(model) if model else None
    if found is not None and found.config:
        plan["real_shape"] = {"model_type": found.model_type, **found.config}
    can_shape = plan["hub"] or "real_shape" in plan
    if not can_shape:
        notes.append(f"the sizes of {model or 'the model'} are not known here")
        return
    if wish.shape_only or not plan["hub"]:
        plan["weights"] = "shape"
        notes.append(f"random weights of the sizes of {model}: nothing is downloaded for them")
        return
    most = int(DOWNLOAD * wish.timeout * SHARE)
    size = found.params * 2 if found is not None else None
    plan["most_weight_bytes"] = most
    if size is not None and size > most:
        plan["weights"] = "shape"
        notes.append(
            f"random weights of the sizes of {model}: to fetch {size / 2**30:.0f} GiB would take "
            f"too much of the time limit of {wish.timeout:g} s"
        )
        return
    plan["weights"] = "real"
    told = f"about {size / 2**30:.1f} GiB" if size is not None else "their size is asked first"
    notes.append(f"the real weights of {model} are fetched ({told})")
