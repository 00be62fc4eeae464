"""How the decoder layers of each model type are built, as far as memory goes.

Read in transformers 5.23.0, models/*/modeling_*.py. What is not listed is built like Llama:
norm before attention and MLP, RMSNorm that casts back before the weight, separate projections,
gated MLP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Family:
    """The build of one decoder layer."""

    #: "llama": RMSNorm, "gemma": RMSNorm scaled in float32, "layer": torch's LayerNorm kernel
    #: (float32 under autocast), "layer_half": the same kept in 16 bits, "cohere": written out.
    norm: Literal["llama", "gemma", "layer", "layer_half", "cohere"] = "llama"
    #: Where norms stand: before, before and after ("sandwich"), after, or attention and MLP side
    #: by side ("parallel").
    block: Literal["pre", "sandwich", "post", "parallel"] = "pre"
    qk_norm: bool = False
    gated: bool = True
    fused_qkv: bool = False
    fused_gate_up: bool = False
    #: Names of the projections, in the order q, k, v, o (or qkv, o) and gate, up, down.
    attention_names: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
    mlp_names: tuple[str, ...] = ("gate_proj", "up_proj", "down_proj")
    #: "fused": one kernel that saves its input; "gelu_new": the tanh form in separate operators.
    activation: Literal["fused", "gelu_new"] = "fused"
    #: Both branches end in dropout (0.1 in the published configurations).
    residual_dropout: bool = False
    #: transformers refuses sdpa for this type and takes eager attention.
    eager_only: bool = False
    #: Attention scores go through tanh (Gemma 2).
    attention_softcap: bool = False
    #: The residual branch is multiplied by a number (Granite).
    residual_scale: bool = False
    #: The logits are divided or capped: number of extra tensors of their size kept and taken.
    logit_scale: bool = False
    logit_softcap: bool = False
    #: Rotary part of the head (partial rotary copies pass-through parts).
    rotary: float = 1.0
    #: The type also has layers that this model does not describe (mamba, linear attention, MoE).
    exact: bool = True


LLAMA = Family()

FAMILIES: Mapping[str, Family] = {
    "llama": LLAMA,
    "mistral": LLAMA,
    "ministral": LLAMA,
    "ministral3": LLAMA,
    "mistral3": LLAMA,
    "qwen2": LLAMA,
    "qwen2_vl": LLAMA,
    "qwen2_5_vl": LLAMA,
    "internlm2": LLAMA,
    "internlm2 (remote code)": LLAMA,
    "internlm3": LLAMA,
    "smollm3": LLAMA,
    "seed_oss": Family(residual_dropout=True),
    "ernie4_5": LLAMA,
    "arcee": Family(gated=False, mlp_names=("up_proj", "down_proj")),
    "idefics3": LLAMA,
    "qwen3": Family(qk_norm=True),
    "qwen3_vl": Family(qk_norm=True),
    "gemma": Family(norm="gemma"),
    "gemma2": Family(
        norm="gemma",
        block="sandwich",
        logit_softcap=True,
        eager_only=True,
        attention_softcap=True,
    ),
    "gemma3_text": Family(norm="gemma", block="sandwich", qk_norm=True),
    "gemma3": Family(norm="gemma", block="sandwich", qk_norm=True),
    "gemma4": Family(norm="gemma", block="sandwich", qk_norm=True, logit_softcap=True, exact=False),
    "gemma4_unified": Family(
        norm="gemma", block="sandwich", qk_norm=True, logit_softcap=True, exact=False
    ),
    "gemma3n": Family(norm="gemma", block="sandwich", qk_norm=True, exact=False),
    "phi3": Family(
        fused_qkv=True,
        fused_gate_up=True,
        attention_names=("qkv_proj", "o_proj"),
        mlp_names=("gate_up_proj", "down_proj"),
    ),
    "glm4": Family(
        block="sandwich", fused_gate_up=True, mlp_names=("gate_up_proj", "down_proj"), rotary=0.5
    ),
    "granite": Family(residual_scale=True, logit_scale=True),
    "olmo2": Family(norm="gemma", block="post", qk_norm=True),
    "olmo3": Family(norm="gemma", block="post", qk_norm=True),
    "exaone4": Family(block="post", qk_norm=True),
    # xIELU is written out in Python where its kernel is not installed.
    "apertus": Family(gated=False, qk_norm=True, mlp_names=("up_proj", "down_proj"), exact=False),
    "cohere": Family(norm="cohere", block="parallel", logit_scale=True),
    "cohere2": Family(norm="cohere", block="parallel", logit_scale=True),
    "starcoder2": Family(norm="layer", gated=False, mlp_names=("c_fc", "c_proj")),
    "stablelm": Family(norm="layer", rotary=0.25),
    "nemotron": Family(
        norm="layer_half", gated=False, mlp_names=("up_proj", "down_proj"), rotary=0.5
    ),
    "phi": Family(
        norm="layer",
        block="parallel",
        gated=False,
        attention_names=("q_proj", "k_proj", "v_proj", "dense"),
        mlp_names=("fc1", "fc2"),
        rotary=0.4,
        activation="gelu_new",
    ),
    "gpt_neox": Family(
        norm="layer",
        block="parallel",
        gated=False,
        fused_qkv=True,
        attention_names=("query_key_value", "dense"),
        mlp_names=("dense_h_to_4h", "dense_4h_to_h"),
        rotary=0.25,
    ),
    "falcon": Family(
        norm="layer",
        block="parallel",
        gated=False,
        fused_qkv=True,
        attention_names=("query_key_value", "dense"),
        mlp_names=("dense_h_to_4h", "dense_4h_to_h"),
        exact=False,
    ),
    "gpt2": Family(
        norm="layer",
        gated=False,
        fused_qkv=True,
        attention_names=("c_attn", "c_proj"),
        mlp_names=("c_fc", "c_proj"),
        rotary=0.0,
        activation="gelu_new",
        residual_dropout=True,
        exact=False,
    ),
    "opt": Family(
        norm="layer",
        gated=False,
        attention_names=("q_proj", "k_proj", "v_proj", "out_proj"),
        mlp_names=("fc1", "fc2"),
        rotary=0.0,
        residual_dropout=True,
    ),
    "mixtral": Family(exact=False),
    "qwen3_moe": Family(qk_norm=True, exact=False),
    "qwen3_vl_moe": Family(qk_norm=True, exact=False),
    "phimoe": Family(norm="layer", exact=False),
    "gpt_oss": Family(eager_only=True, exact=False),
    "llama4": Family(exact=False),
    "qwen3_next": Family(norm="gemma", qk_norm=True, exact=False),
    "qwen3_5": Family(norm="gemma", qk_norm=True, exact=False),
    "qwen3_5_moe": Family(norm="gemma", qk_norm=True, exact=False),
    "granitemoehybrid": Family(residual_scale=True, logit_scale=True, exact=False),
    "nemotron_h": Family(exact=False),
    "lfm2": Family(exact=False),
    "mllama": Family(exact=False),
    "bloom": Family(
        norm="layer",
        gated=False,
        fused_qkv=True,
        attention_names=("query_key_value", "dense"),
        mlp_names=("dense_h_to_4h", "dense_4h_to_h"),
        rotary=0.0,
        exact=False,
    ),
}


def family_of(model_type: str) -> Family | None:
    """Return the build of a model type, or None when it is not known."""
    return FAMILIES.get(model_type)
