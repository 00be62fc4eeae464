"""From plain values (command line, job, log) to `TrainingSettings`, by the versions that run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.memory import loss_path
from ftdoctor.memory.settings import DTYPE_BYTES, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.memory.shapes import Shape

#: peft 0.21.2 utils/constants.py TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING, for the types
#: where it is not q_proj and v_proj.
_DEFAULT_TARGETS: Mapping[str, tuple[str, ...]] = {
    "t5": ("q", "v"),
    "gpt2": ("c_attn",),
    "bloom": ("query_key_value",),
    "gpt_neox": ("query_key_value",),
    "falcon": ("query_key_value",),
    "bert": ("query", "value"),
    "phi": ("q_proj", "v_proj", "fc1", "fc2"),
    "phi3": ("qkv_proj",),
    "nemotron_h": ("q_proj", "k_proj", "v_proj", "o_proj"),
}
_DTYPES = {
    "bf16": "bfloat16",
    "fp16": "float16",
    "half": "float16",
    "fp32": "float32",
    "float": "float32",
    "torch.bfloat16": "bfloat16",
    "torch.float16": "float16",
    "torch.float32": "float32",
}
_ATTENTION = {
    "sdpa": "sdpa",
    "eager": "eager",
    "flash": "flash",
    "flash_attention_2": "flash",
    "flash_attention_3": "flash",
    "kernels-community/flash-attn2": "flash",
    "kernels-community/flash-attn3": "flash",
    "kernels-community/vllm-flash-attn3": "flash",
}


def dtype_name(value: str) -> str | None:
    """Return "bfloat16", "float16" or "float32" for the ways in which they are written."""
    name = _DTYPES.get(value.lower(), value.lower())
    return name if name in DTYPE_BYTES else None


def default_targets(shape: Shape) -> tuple[str, ...]:
    """Return the modules that LoRA takes for this model type when none are named."""
    return _DEFAULT_TARGETS.get(shape.model_type, ("q_proj", "v_proj"))


def settings_from(
    shape: Shape, values: Mapping[str, Any]
) -> tuple[TrainingSettings, tuple[str, ...]]:
    """Fill in every default and return the settings with what had to be assumed, in words.

    Keys of `values`, all optional except the first three; None means not given:
    `method` ("qlora" | "lora" | "full"), `seq_len`, `batch_size`; `lora_rank`, `lora_targets`
    (names or "all-linear"), `lora_dropout`, `dora`, `modules_to_save`, `adapter_dtype`, `dtype`
    (of what is loaded), `string_model` (the trainer loads the model itself), `autocast` (bool, or
    a dtype name), `double_quant`, `load_in_8bit`, `kbit_prepare`, `optimizer`,
    `gradient_checkpointing`, `attention`, `loss` ("nll" | "chunked" | "fused"), `trainer` ("sft" |
    "dpo" | "grpo" | "trainer" | "loop"), `packing`, `padding_free`, `padding_mask`, `accumulation`,
    `gpus`, `sharding`, `cpu_offload`, `num_generations`, `versions` (package to version).
    """
    return _Resolver(shape, values).settings()


class _Resolver:
    def __init__(self, shape: Shape, values: Mapping[str, Any]) -> None:
        self.shape = shape
        self.values = values
        self.versions: Mapping[str, str] = values.get("versions") or {}
        self.notes: list[str] = []

    def get(self, name: str, default: Any) -> Any:
        value = self.values.get(name)
        return default if value is None else value

    def trainer(self) -> str:
        """The training loop: trl's if trl is named or nothing else is."""
        given = self.values.get("trainer")
        if given:
            return str(given)
        if "trl" in self.versions:
            return "sft"
        if self.values.get("loss") == "nll" or self.versions:
            self.notes.append(
                "no trl version was given: a plain training loop without autocast, which keeps the "
                "model's outputs through the backward pass"
            )
            return "loop"
        self.notes.append(f"trl {loss_path.NEWEST['trl']} and its defaults")
        return "sft"

    def settings(self) -> tuple[TrainingSettings, tuple[str, ...]]:
        v = self.values
        trainer = self.trainer()
        trl = loss_path.trl_defaults(self.versions.get("trl"))
        is_trl = trainer in {"sft", "dpo", "grpo"}
        method = v["method"]
        quantised = method == "qlora"
        autocast = self._autocast(trainer, trl)
        kbit = bool(self.get("kbit_prepare", False))
        norms = is_trl and quantised and trl.kbit_prepare
        if norms and not autocast:
            kbit, norms = True, False
        if norms:
            self.notes.append(
                f"trl {trl.version} prepares a 4-bit model itself: norms become float32"
            )
        loss, head_float32 = self._loss(trainer, trl)
        batch = int(v["batch_size"])
        mask = self._mask(batch)
        targets = self._targets()
        settings = TrainingSettings(
            shape=self.shape,
            method=method,
            seq_len=int(v["seq_len"]),
            batch_size=batch,
            lora_rank=int(self.get("lora_rank", 8)),
            lora_targets=targets,
            lora_dropout=bool(self.get("lora_dropout", False)),
            dora=bool(self.get("dora", False)),
            modules_to_save=tuple(self.get("modules_to_save", ())),
            adapter_dtype=self._adapter_dtype(is_trl, quantised, trl),
            dtype=self._dtype(is_trl),
            autocast=autocast,
            double_quant=bool(self.get("double_quant", True)),
            int8=bool(self.get("load_in_8bit", False)),
            kbit_prepare=kbit,
            norms_float32=norms,
            optimizer=str(self.get("optimizer", self._optimizer())),
            gradient_checkpointing=bool(
                self.get("gradient_checkpointing", (is_trl and trl.gradient_checkpointing) or kbit)
            ),
            attention=_ATTENTION.get(str(self.get("attention", "sdpa")), "sdpa"),  # type: ignore[arg-type]
            loss=loss,  # type: ignore[arg-type]
            loss_head_float32=head_float32,
            keeps_outputs=trainer == "loop",
            padding_mask=mask,
            accumulation=int(self.get("accumulation", 1)),
            gpus=int(self.get("gpus", 1)),
            sharding=self.get("sharding", "none"),
            cpu_offload=bool(self.get("cpu_offload", False)),
            trainer=trainer,  # type: ignore[arg-type]
            reference_model=trainer in {"dpo", "grpo"} and method == "full",
            sequences_per_sample=2 if trainer == "dpo" else 1,
            versions=dict(self.versions),
        )
        return settings, tuple(self.notes)

    def _optimizer(self) -> str:
        return loss_path.default_optimizer(
            self.versions.get("transformers"), self.versions.get("torch")
        )

    def _autocast(self, trainer: str, trl: loss_path.TrlDefaults) -> str:
        given = self.values.get("autocast")
        if isinstance(given, str) and given:
            return dtype_name(given) or "bfloat16"
        if given is not None:
            return "bfloat16" if given else ""
        if trainer in {"sft", "dpo", "grpo"} and trl.bf16:
            self.notes.append("mixed precision in bfloat16 (the trainer's default)")
            return "bfloat16"
        return ""

    def _dtype(self, is_trl: bool) -> str:
        given = self.values.get("dtype")
        if given and given != "auto":
            return dtype_name(str(given)) or "bfloat16"
        checkpoint = dtype_name(self.shape.dtype) or "bfloat16"
        if given == "auto":
            return checkpoint
        versions = self.versions
        if is_trl and self.values.get("string_model"):
            found = loss_path.string_dtype(
                versions.get("trl"), versions.get("transformers"), checkpoint
            )
            self.notes.append(f"the model is given as a string: it is loaded in {found}")
            return found
        if "transformers" in versions or self.values.get("string_model") is not None:
            return loss_path.loaded_dtype(
                versions.get("transformers"),
                checkpoint,
                quantised=self.values["method"] == "qlora",
            )
        self.notes.append(f"the model is loaded in {checkpoint} (no dtype was given)")
        return checkpoint

    def _adapter_dtype(self, is_trl: bool, quantised: bool, trl: loss_path.TrlDefaults) -> str:
        given = self.values.get("adapter_dtype")
        if given:
            return dtype_name(str(given)) or "float32"
        return "bfloat16" if is_trl and quantised and trl.adapters_bf16 else "float32"

    def _loss(self, trainer: str, trl: loss_path.TrlDefaults) -> tuple[str, bool]:
        given = self.values.get("loss")
        if given:
            return str(given), trl.head_float32
        if trainer == "sft":
            self.notes.append(f"the {trl.loss} loss of trl {trl.version}")
            return trl.loss, trl.head_float32
        return "nll", False

    def _mask(self, batch: int) -> bool:
        given = self.values.get("padding_mask")
        if given is not None:
            return bool(given)
        if self.values.get("packing") or self.values.get("padding_free"):
            return False
        return batch > 1

    def _targets(self) -> tuple[str, ...]:
        given = self.values.get("lora_targets")
        if given is None:
            return default_targets(self.shape)
        if isinstance(given, str):
            given = [x.strip() for x in given.split(",") if x.strip()]
        if list(given) in (["all-linear"], ["all_linear"]):
            return ("all-linear",)
        names = [str(x).rsplit(".", 1)[-1] for x in given]
        real = {x.name for x in self.shape.linears}
        return tuple(f"{x}_proj" if x not in real and f"{x}_proj" in real else x for x in names)
