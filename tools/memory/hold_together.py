"""Compare the closed form with the simulation, family by family and regime by regime.

    python -m tools.memory.hold_together [--types llama,qwen3] [--regimes lora,qlora] [--long]

Small models of each type (a few layers, odd sizes) are simulated with the real model class; the
table shows both peaks and their difference. `tests/memory` runs a part of it.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ftdoctor.memory import closed_form
from ftdoctor.memory.settings import TrainingSettings

if TYPE_CHECKING:
    from ftdoctor.memory.shapes import Shape

#: Sizes of the small models: large enough that the layer and the logits outweigh constants.
SMALL: dict[str, Any] = {
    "hidden_size": 512,
    "intermediate_size": 1408,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "vocab_size": 4096,
    "max_position_embeddings": 8192,
    "pad_token_id": 0,
    "tie_word_embeddings": True,
}
#: What a type needs beside or instead of these.
OWN: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 512, "n_layer": 6, "n_head": 8, "n_positions": 4096, "vocab_size": 4096},
    "opt": {
        "hidden_size": 512,
        "ffn_dim": 2048,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "vocab_size": 4096,
        "max_position_embeddings": 4096,
        "word_embed_proj_dim": 512,
    },
    "falcon": {
        "hidden_size": 512,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "vocab_size": 4096,
    },
    "gemma3_text": {**SMALL, "sliding_window": 512},
    "gemma2": {**SMALL, "sliding_window": 512},
    "mistral": {**SMALL, "sliding_window": None},
    "phi3": {**SMALL, "sliding_window": None, "num_key_value_heads": 8},
    "phi": {**SMALL, "num_key_value_heads": 8},
    "mixtral": {**SMALL, "num_local_experts": 8, "num_experts_per_tok": 2, "sliding_window": None},
    "qwen3_moe": {
        **SMALL,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 704,
    },
    "gpt_oss": {**SMALL, "num_local_experts": 8, "num_experts_per_tok": 2, "sliding_window": 128},
    "gpt_neox": {
        "hidden_size": 512,
        "intermediate_size": 2048,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "vocab_size": 4096,
    },
}

REGIMES: dict[str, dict[str, Any]] = {
    "lora": {"method": "lora"},
    "lora-amp": {"method": "lora", "autocast": "bfloat16"},
    "lora-fp32-amp": {"method": "lora", "dtype": "float32", "autocast": "bfloat16"},
    "lora-fp32": {"method": "lora", "dtype": "float32"},
    "qlora-kbit": {"method": "qlora", "kbit_prepare": True},
    "qlora-kbit-amp": {"method": "qlora", "kbit_prepare": True, "autocast": "bfloat16"},
    "qlora-amp": {"method": "qlora", "autocast": "bfloat16", "adapter_dtype": "bfloat16"},
    "qlora-norms": {"method": "qlora", "autocast": "bfloat16", "norms_float32": True},
    "qlora-fp32-amp": {
        "method": "qlora",
        "dtype": "float32",
        "autocast": "bfloat16",
        "adapter_dtype": "bfloat16",
    },
    "full": {"method": "full", "optimizer": "adamw_torch"},
    "full-amp": {"method": "full", "autocast": "bfloat16", "optimizer": "adamw_torch_fused"},
    "full-fp32-amp": {
        "method": "full",
        "dtype": "float32",
        "autocast": "bfloat16",
        "optimizer": "adamw_torch_fused",
    },
}
VARIANTS: dict[str, dict[str, Any]] = {
    "gc": {"gradient_checkpointing": True},
    "nogc": {"gradient_checkpointing": False},
    "nogc-all": {"gradient_checkpointing": False, "lora_targets": ("all-linear",)},
    "gc-all": {"gradient_checkpointing": True, "lora_targets": ("all-linear",)},
    "nogc-mask": {"gradient_checkpointing": False, "padding_mask": True, "batch_size": 4},
    "gc-fused": {"gradient_checkpointing": True, "loss": "fused"},
    "gc-chunked": {"gradient_checkpointing": True, "loss": "chunked", "loss_head_float32": True},
    "gc-chunked2": {"gradient_checkpointing": True, "loss": "chunked"},
    "nogc-eager": {"gradient_checkpointing": False, "attention": "eager"},
    "nogc-flash": {"gradient_checkpointing": False, "attention": "flash"},
}


def small_shape(model_type: str) -> Shape:
    """Return the shape of a small model of this type."""
    from ftdoctor.memory.simulate.counting import shape_from_transformers

    return shape_from_transformers(model_type, OWN.get(model_type, SMALL))


def settings_of(shape: Shape, regime: str, variant: str, seq: int = 1024) -> TrainingSettings:
    """Return the settings of one cell of the table."""
    from ftdoctor.memory.resolve import default_targets

    base: dict[str, Any] = {
        "shape": shape,
        "seq_len": seq,
        "batch_size": 1,
        "lora_rank": 8,
        "lora_targets": default_targets(shape),
        "optimizer": "adamw_torch",
        "keeps_outputs": True,
        "trainer": "loop",
    }
    return TrainingSettings(**{**base, **REGIMES[regime], **VARIANTS[variant]})


def compare(settings: TrainingSettings) -> tuple[int, int, str]:
    """Return (closed form, simulation, phase), both in bytes without workspaces."""
    from ftdoctor.memory.simulate import step

    prediction = closed_form.predict(settings)
    formed = prediction.allocated - prediction.parts.get("workspace", 0)
    return formed, step.run(settings).peak, prediction.phase


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--types", default="llama")
    parser.add_argument("--regimes", default=",".join(REGIMES))
    parser.add_argument("--variants", default="gc,nogc")
    parser.add_argument("--seq", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=0)
    parser.add_argument("--limit", type=float, default=3.0, help="percent that counts as apart")
    args = parser.parse_args(argv)
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    apart = 0
    for model_type in args.types.split(","):
        shape = small_shape(model_type)
        if args.layers:
            shape = replace(shape, layers=args.layers)
        for regime in args.regimes.split(","):
            for variant in args.variants.split(","):
                settings = settings_of(shape, regime, variant, args.seq)
                try:
                    formed, simulated, phase = compare(settings)
                except ValueError as exc:
                    print(f"{model_type:12} {regime:15} {variant:11} not simulated: {exc}")
                    continue
                error = 100 * (formed / simulated - 1)
                apart += abs(error) > args.limit
                flag = "  <--" if abs(error) > args.limit else ""
                print(
                    f"{model_type:12} {regime:15} {variant:11} closed {formed / 2**20:8.1f} MiB  "
                    f"simulated {simulated / 2**20:8.1f} MiB  {error:+6.2f} %  {phase}{flag}",
                    flush=True,
                )
    print(f"{apart} apart by more than {args.limit} %", file=sys.stderr)
    return 1 if apart else 0


if __name__ == "__main__":
    raise SystemExit(main())
