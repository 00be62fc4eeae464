"""Everything about a fine-tuning step that decides its GPU memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ftdoctor.records import dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.memory.shapes import Shape

Method = Literal["qlora", "lora", "full"]
Loss = Literal["nll", "chunked", "fused"]
Attention = Literal["sdpa", "eager", "flash"]
Sharding = Literal["none", "ddp", "zero2", "zero3", "fsdp"]
Trainer = Literal["sft", "dpo", "grpo", "trainer", "loop"]

#: Bytes of one element.
DTYPE_BYTES: Mapping[str, int] = {"bfloat16": 2, "float16": 2, "float32": 4}

GIB = 1 << 30
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """One training step, with every default already filled in for the versions that will run.

    Build it with `ftdoctor.memory.resolve.settings_from`, which knows the defaults by version.
    Lengths are tokens, `batch_size` is the per-device batch.
    """

    shape: Shape
    method: Method
    seq_len: int
    batch_size: int
    lora_rank: int = 16
    #: Last parts of module names, or ("all-linear",).
    lora_targets: tuple[str, ...] = ("q_proj", "v_proj")
    lora_dropout: bool = False
    dora: bool = False
    #: Modules trained whole beside the adapters ("lm_head", "embed_tokens").
    modules_to_save: tuple[str, ...] = ()
    #: dtype of the adapters: float32 unless the trainer casts them.
    adapter_dtype: str = "float32"
    #: dtype in which parameters that are not quantised are loaded.
    dtype: str = "bfloat16"
    #: Half-precision dtype of autocast, "" when the step runs without it.
    autocast: str = ""
    double_quant: bool = True
    #: bitsandbytes 8-bit instead of 4-bit (method "qlora").
    int8: bool = False
    #: prepare_model_for_kbit_training: every 16-bit parameter becomes float32.
    kbit_prepare: bool = False
    #: Only the norms become float32 (trl below 0.26 with a quantised model and bf16).
    norms_float32: bool = False
    optimizer: str = "adamw_torch"
    gradient_checkpointing: bool = True
    attention: Attention = "sdpa"
    loss: Loss = "nll"
    #: chunked loss that multiplies in float32 (trl 1.4 to 1.12).
    loss_head_float32: bool = False
    #: A hand-written loop keeps `outputs` alive through the backward pass.
    keeps_outputs: bool = False
    #: A padding mask reaches the attention (ragged batch).
    padding_mask: bool = False
    accumulation: int = 1
    gpus: int = 1
    sharding: Sharding = "none"
    cpu_offload: bool = False
    trainer: Trainer = "sft"
    #: DPO: precomputed reference log-probs or PEFT base used as reference need no second model.
    reference_model: bool = False
    #: Prompt and completions of GRPO, and so on: free factor on tokens that are run at once.
    sequences_per_sample: int = 1
    vision_loaded: bool = True
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def tokens(self) -> int:
        """Tokens of one micro-batch, padding included."""
        return self.seq_len * self.batch_size * self.sequences_per_sample

    @property
    def rows(self) -> int:
        """Sequences of one micro-batch."""
        return self.batch_size * self.sequences_per_sample

    @property
    def stream_bytes(self) -> int:
        """Bytes of one element of the residual stream."""
        wide = self.kbit_prepare or self.norms_float32 or self.dtype == "float32"
        return 4 if wide else 2

    def but(self, **changes: Any) -> TrainingSettings:
        """Return a copy with some fields changed."""
        return replace(self, **changes)
