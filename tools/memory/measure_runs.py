"""The training steps that `tools.memory.measure` takes on a GPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Run:
    """One measurement. `how`: "context", "loop" (a plain loop) or "sft" (trl's SFTTrainer)."""

    name: str
    how: str
    model: str
    values: dict[str, Any] = field(default_factory=dict)
    note: str = ""


ATTENTION = "q_proj,k_proj,v_proj,o_proj"
LORA = {"method": "lora", "lora_rank": 16, "lora_targets": ATTENTION, "batch_size": 1}
QLORA = {**LORA, "method": "qlora"}
LLAMA, GEMMA_1B, GEMMA_12B = (
    "meta-llama/Llama-3.2-1B",
    "google/gemma-3-1b-it",
    "google/gemma-3-12b-it",
)
RUNS = (
    Run("context-bf16", "context", LLAMA, {"dtype": "bfloat16"}, "context and cuBLAS workspaces"),
    Run("context-fp32", "context", LLAMA, {"dtype": "float32"}),
    Run("llama-1b-lora-loop", "loop", LLAMA, {**LORA, "seq_len": 2048, "dtype": "bfloat16"}),
    Run("llama-1b-lora-sft", "sft", LLAMA, {**LORA, "seq_len": 2048, "dtype": "bfloat16"}),
    Run("llama-1b-lora-sft-8k", "sft", LLAMA, {**LORA, "seq_len": 8192, "dtype": "bfloat16"}),
    Run("llama-1b-lora-sft-fp32", "sft", LLAMA, {**LORA, "seq_len": 2048, "dtype": "float32"}),
    Run(
        "gemma-1b-lora-bs8",
        "sft",
        GEMMA_1B,
        {**LORA, "batch_size": 8, "seq_len": 1024, "dtype": "bfloat16"},
    ),
    *(
        Run(
            f"gemma-12b-qlora-{how}-{n}",
            how,
            GEMMA_12B,
            {**QLORA, "lora_rank": 64, "seq_len": n, "dtype": "bfloat16"},
        )
        for how, n in (("sft", 2048), ("sft", 4096), ("loop", 4096))
    ),
    Run(
        "qwen-7b-kbit",
        "loop",
        "Qwen/Qwen2.5-7B-Instruct",
        {**QLORA, "seq_len": 1024, "kbit_prepare": True, "dtype": "bfloat16"},
        "a published row, on this GPU",
    ),
    *(
        Run(
            f"llama-1b-no-checkpointing-{kind}",
            "loop",
            LLAMA,
            {**LORA, "seq_len": 1024, "gradient_checkpointing": False, "dtype": kind},
        )
        for kind in ("bfloat16", "float32")
    ),
    *(
        Run(
            f"llama-1b-ragged-{ragged}",
            "loop",
            LLAMA,
            {
                **LORA,
                "batch_size": 4,
                "seq_len": 1024,
                "dtype": "bfloat16",
                "padding_mask": ragged == "yes",
            },
        )
        for ragged in ("yes", "no")
    ),
    *(
        Run(
            f"gemma-1b-full-{optimizer}",
            "loop",
            GEMMA_1B,
            {
                "method": "full",
                "batch_size": 1,
                "seq_len": 512,
                "dtype": "bfloat16",
                "optimizer": optimizer,
                "gradient_checkpointing": True,
            },
        )
        for optimizer in ("adamw_torch", "adamw_torch_fused", "adamw_8bit", "paged_adamw_8bit")
    ),
    Run(
        "llama-1b-eager",
        "loop",
        LLAMA,
        {**LORA, "seq_len": 2048, "dtype": "bfloat16", "attention": "eager"},
    ),
)
TINY = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 512,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
}
