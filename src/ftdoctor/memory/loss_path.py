"""What trl and transformers do by default, by version, as far as memory goes.

Read in the wheels of trl 0.12.0 to 1.16.0 (trainer/sft_config.py, trainer/sft_trainer.py,
trainer/base_config.py, trainer/utils.py, models/utils.py) and transformers 4.36 to 5.23
(training_args.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The versions assumed where a job does not say: the newest when this table was made.
NEWEST: Mapping[str, str] = {
    "trl": "1.16.0",
    "transformers": "5.23.0",
    "peft": "0.21.2",
    "bitsandbytes": "0.50.2",
    "torch": "2.13.0",
}


def numbers(version: str | None) -> tuple[int, ...]:
    """Return the release numbers of a version, () when there are none."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version or "")
    return tuple(int(x) for x in match[1].split(".")) if match else ()


@dataclass(frozen=True, slots=True)
class TrlDefaults:
    """Defaults of SFTTrainer and SFTConfig at one version."""

    version: str
    #: Implementation of the default loss.
    loss: Literal["nll", "chunked", "fused"]
    #: The chunked loss copies the whole head to float32 (up to 1.12).
    head_float32: bool
    #: "nll" still builds full logits (below 1.15; from then on every SFT loss is fused).
    nll_is_full: bool
    gradient_checkpointing: bool
    #: autocast to bfloat16 unless fp16 or bf16=False is set.
    bf16: bool
    #: prepare_model_for_kbit_training is called for a quantised model.
    kbit_prepare: bool
    #: LoRA weights of a quantised model become bfloat16.
    adapters_bf16: bool
    max_length: int | None


def trl_defaults(version: str | None) -> TrlDefaults:
    """Return what SFTTrainer of this version does; None means the newest known one."""
    text = version or NEWEST["trl"]
    v = numbers(text) or numbers(NEWEST["trl"])
    loss: Literal["nll", "chunked", "fused"] = "nll"
    if v >= (1, 15):
        loss = "fused"
    elif v >= (1, 7):
        loss = "chunked"
    return TrlDefaults(
        version=text,
        loss=loss,
        head_float32=v < (1, 13),
        nll_is_full=v < (1, 15),
        gradient_checkpointing=v >= (0, 22),
        bf16=v >= (0, 19),
        kbit_prepare=v < (0, 26),
        adapters_bf16=v >= (0, 26),
        max_length=1024 if v >= (0, 13) else None,
    )


def string_dtype(trl: str | None, transformers: str | None, checkpoint: str) -> str:
    """Return the dtype of a model that the trainer loads from a string.

    trl 0.27 and later default to float32, 0.26 to that of the checkpoint; before, transformers
    decides: float32 up to 4.57, the checkpoint's dtype from 5.0 on.
    """
    v = numbers(trl or NEWEST["trl"])
    if v >= (0, 27):
        return "float32"
    if v >= (0, 26):
        return checkpoint
    return loaded_dtype(transformers, checkpoint)


def loaded_dtype(transformers: str | None, checkpoint: str, *, quantised: bool = False) -> str:
    """Return the dtype of `from_pretrained` without a dtype argument.

    The checkpoint's from transformers 5.0 on; before, float32, and float16 beside bitsandbytes'
    layers (quantizers/quantizer_bnb_4bit.py, `update_torch_dtype`).
    """
    v = numbers(transformers or NEWEST["transformers"])
    if v >= (5, 0):
        return checkpoint
    return "float16" if quantised else "float32"


def default_optimizer(transformers: str | None, torch: str | None) -> str:
    """Return TrainingArguments.optim where it is not set.

    adamw_torch; adamw_torch_fused from transformers 4.54 on with torch 2.8 or later
    (training_args.py, `default_optim`).
    """
    if numbers(transformers or NEWEST["transformers"]) >= (4, 54) and numbers(
        torch or NEWEST["torch"]
    ) >= (2, 8):
        return "adamw_torch_fused"
    return "adamw_torch"


#: per_device_train_batch_size of TrainingArguments in every release.
DEFAULT_BATCH = 8
