"""Count the parameters of a model class on the meta device, by what training does to them."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from ftdoctor.memory.shapes import Linear, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Types whose code lives with the checkpoint and is built like another type.
BUILT_LIKE = {"internlm2 (remote code)": "llama", "internlm2": "llama", "internlm3": "llama"}
OTHER_TOWER = re.compile(
    r"(^|\.)(visual|vision_tower|vision_model|vision_embedder|audio_tower|audio_model|"
    r"multi_modal_projector|connector|embed_vision|embed_audio|modality_projection|encoder)(\.|$)"
)


def build(model_type: str, auto_class: str, config: Mapping[str, Any]) -> Any:
    """Return a model on the meta device, with tied weights tied."""
    import torch
    import transformers

    conf = transformers.AutoConfig.for_model(BUILT_LIKE.get(model_type, model_type), **config)
    with torch.device("meta"):
        model = getattr(transformers, auto_class).from_config(conf)
    model.tie_weights()
    return model


def part_of(name: str, model_type: str) -> str:
    """Return "other" for modules of a vision or audio tower, else "text"."""
    if model_type in {"t5", "bert", "modernbert"}:
        return "text"
    return "other" if OTHER_TOWER.search(name) else "text"


def count(model: Any, model_type: str) -> dict[str, Any]:
    """Count a model: linear layers by name and size, the other parameters by kind, tying."""
    import torch
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.base import get_keys_to_not_convert

    kept = get_keys_to_not_convert(model)
    head = model.get_output_embeddings()
    seen: set[int] = set()
    linears: Counter[tuple[str, int, int, str, bool]] = Counter()
    sums: Counter[str] = Counter()
    for name, module in model.named_modules():
        is_linear = isinstance(module, (torch.nn.Linear, Conv1D))
        part = part_of(name, model_type)
        for pname, param in module.named_parameters(recurse=False):
            if id(param) in seen:
                continue
            seen.add(id(param))
            sums["total"] += param.numel()
            if is_linear and pname == "weight" and module is not head:
                first, second = param.shape
                n_in, n_out = (first, second) if isinstance(module, Conv1D) else (second, first)
                skip = any(f"{name}.".startswith(f"{k}.") for k in kept)
                linears[(name.rsplit(".", 1)[-1], n_in, n_out, part, skip)] += 1
            else:
                sums[_kind(module, head, name, param, part, is_linear)] += param.numel()
    embedding = model.get_input_embeddings()
    tied = head is not None and embedding is not None and head.weight is embedding.weight
    rows = [[*key[:3], number, key[3], key[4]] for key, number in sorted(linears.items())]
    return {"linears": rows, "counts": dict(sorted(sums.items())), "tied": bool(tied)}


def _kind(module: Any, head: Any, name: str, param: Any, part: str, is_linear: bool) -> str:
    import torch

    if module is head:
        return "head"
    if isinstance(module, torch.nn.Embedding):
        return f"embedding_{part}"
    if param.ndim == 3 and "expert" in name:
        return "experts"
    if is_linear:
        return "linear_bias"
    return f"norm_{part}" if param.ndim == 1 else f"rest_{part}"


def shape_from_hub_config(config: Mapping[str, Any]) -> Shape:
    """Return the shape of a `config.json` of any type that transformers can build.

    Raises:
        ValueError: it cannot.
    """
    skip = ("architectures", "transformers_version", "_name_or_path", "auto_map", "model_type")
    names = config.get("architectures") or [""]
    seq = "AutoModelForSeq2SeqLM" if config.get("is_encoder_decoder") else "AutoModelForCausalLM"
    auto = seq if "text_config" not in config else "AutoModelForImageTextToText"
    if "MaskedLM" in str(names[0]):
        auto = "AutoModelForMaskedLM"
    keywords = {k: v for k, v in config.items() if k not in skip}
    return shape_from_transformers(str(config.get("model_type")), keywords, auto)


def shape_from_transformers(
    model_type: str, config: Mapping[str, Any], auto_class: str = "AutoModelForCausalLM"
) -> Shape:
    """Return the shape of any configuration that transformers can build.

    Raises:
        ValueError: transformers cannot build it.
    """
    try:
        model = build(model_type, auto_class, config)
    except (AttributeError, ImportError, KeyError, TypeError, ValueError) as exc:
        raise ValueError(f"transformers cannot build {model_type!r}: {exc}") from exc
    counted = count(model, model_type)
    text = model.config.get_text_config()

    def field(*names: str, default: int = 0) -> int:
        for name in names:
            value = getattr(text, name, None)
            if isinstance(value, int):
                return value
        return default

    hidden = field("hidden_size", "n_embd", "d_model")
    heads = field("num_attention_heads", "n_head", "num_heads")
    kinds = getattr(text, "layer_types", None)
    embedding = model.get_input_embeddings().weight
    return Shape(
        key=f"{model_type} config",
        model_type=model_type,
        auto_class=auto_class,
        hidden=hidden,
        ffn=field("intermediate_size", "ffn_dim", "d_ff", "n_inner", default=4 * hidden),
        layers=field("num_hidden_layers", "n_layer", "num_layers"),
        heads=heads,
        kv_heads=field("num_key_value_heads", "num_kv_heads", default=heads),
        head_dim=field("head_dim", default=hidden // max(1, heads)),
        vocab=embedding.shape[0],
        tied=counted["tied"],
        linears=tuple(Linear(*row) for row in counted["linears"]),
        counts=counted["counts"],
        sliding_window=getattr(text, "sliding_window", None),
        layer_types=Counter(kinds) if kinds else {},
        experts=field("num_local_experts", "num_experts", "n_routed_experts"),
        active_experts=field("num_experts_per_tok"),
        expert_ffn=field("moe_intermediate_size"),
        config=dict(config),
        source="transformers",
    )
