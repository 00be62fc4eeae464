"""Build the real model class of a shape on the meta device, as the job would load it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ftdoctor.memory.families import family_of
from ftdoctor.memory.simulate import attention, quantized
from ftdoctor.memory.simulate.counting import BUILT_LIKE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.memory.settings import TrainingSettings

#: Types whose attention is a class of its own and takes no registered function.
OWN_ATTENTION = frozenset(("falcon", "bloom"))

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def base_model(settings: TrainingSettings) -> nn.Module:
    """Return the base model on the meta device: loaded dtype, packed linears, nothing trainable.

    Raises:
        ValueError: transformers cannot build the configuration.
    """
    import transformers

    attention.register()
    shape = settings.shape
    family = family_of(shape.model_type)
    wanted = "eager" if family is not None and family.eager_only else settings.attention
    names = {"sdpa": attention.NAME, "flash": f"{attention.NAME}_packed", "eager": "eager"}
    if shape.model_type in OWN_ATTENTION:
        names = {"sdpa": "sdpa", "flash": "sdpa", "eager": "eager"}
    try:
        config = transformers.AutoConfig.for_model(
            BUILT_LIKE.get(shape.model_type, shape.model_type), **shape.config
        )
        for part in (config, config.get_text_config()):
            part._attn_implementation = names[wanted]
            part.use_cache = False
        for name in getattr(config, "sub_configs", {}):
            # Towers beside the text part are loaded but not run.
            tower = getattr(config, name, None)
            if tower is not None and tower is not config.get_text_config():
                tower._attn_implementation = "eager"
        with torch.device("meta"):
            model = getattr(transformers, shape.auto_class).from_config(config)
        model.tie_weights()
    except (AttributeError, ImportError, KeyError, TypeError, ValueError) as exc:
        first = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise ValueError(f"transformers cannot build {shape.model_type!r}: {first}") from exc
    cast(model, DTYPES[settings.dtype])
    if settings.method == "qlora":
        compute = DTYPES[settings.autocast or "bfloat16"]
        quantized.replace_linears(
            model, compute=compute, double=settings.double_quant, int8=settings.int8
        )
    model.requires_grad_(settings.method == "full")
    if settings.kbit_prepare:
        cast(model, torch.float32)
    if settings.norms_float32:
        for name, module in model.named_modules():
            if "norm" in name and not list(module.children()):
                cast(module, torch.float32)
    return model


def cast(model: nn.Module, dtype: torch.dtype) -> None:
    """Give every floating parameter this dtype; ties stay ties. Buffers keep theirs."""
    done: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, param in list(module._parameters.items()):
            if param is None or not param.is_floating_point():
                continue
            if id(param) not in done:
                done[id(param)] = nn.Parameter(
                    param.detach().to(dtype), requires_grad=param.requires_grad
                )
            module._parameters[name] = done[id(param)]


def with_adapters(
    model: nn.Module, settings: TrainingSettings, peft_config: Any = None
) -> nn.Module:
    """Return the model with PEFT adapters, on the meta device."""
    from peft import LoraConfig, get_peft_model

    if peft_config is None:
        targets: Any = list(settings.lora_targets)
        if targets == ["all-linear"]:
            targets = "all-linear"
        elif settings.shape.model_type == "gemma4":
            # Its towers wrap their linear layers, which PEFT refuses; PEFT's own default is this.
            targets = rf".*language_model\..*\.({'|'.join(targets)})"
        peft_config = LoraConfig(
            r=settings.lora_rank,
            target_modules=targets,
            lora_dropout=0.05 if settings.lora_dropout else 0.0,
            use_dora=settings.dora,
            modules_to_save=list(settings.modules_to_save) or None,
            task_type="CAUSAL_LM",
        )
        if settings.method == "qlora":
            peft_config._register_custom_module({quantized.PackedLinear: quantized.packed_lora()})
    with torch.device("meta"), unpacked_for_dora():
        wrapped = get_peft_model(model, peft_config)
    if settings.adapter_dtype != "float32":
        kind = DTYPES[settings.adapter_dtype]
        for param in wrapped.parameters():
            if param.requires_grad:
                param.data = param.data.to(kind)
    return wrapped


@contextlib.contextmanager
def unpacked_for_dora() -> Iterator[None]:
    """Let PEFT read a packed layer's weight unpacked, as it does for bitsandbytes' own."""
    from unittest.mock import patch

    import peft.tuners.lora.dora as module

    real = module.dequantize_module_weight

    def unpacked(layer: nn.Module) -> torch.Tensor:
        if isinstance(layer, quantized.PackedLinear):
            shape = (layer.out_features, layer.in_features)
            return torch.empty(shape, dtype=layer.compute, device=layer.weight.device)
        return real(layer)

    with patch.object(module, "dequantize_module_weight", unpacked):
        yield


def materialise(model: nn.Module, fake: Any) -> dict[int, str]:
    """Replace every meta tensor of the model by a fake one; return storage keys to group names.

    Groups are "weights" and "adapters" (what is trained in a LoRA run).
    """
    groups: dict[int, str] = {}
    done: dict[int, nn.Parameter] = {}
    trainable_only = any(p.requires_grad for p in model.parameters()) and not all(
        p.requires_grad for p in model.parameters() if p.is_floating_point()
    )
    for module in model.modules():
        for name, param in list(module._parameters.items()):
            if param is None:
                continue
            if id(param) not in done:
                with fake:
                    data = torch.empty(param.shape, dtype=param.dtype, device="cpu")
                done[id(param)] = nn.Parameter(data, requires_grad=param.requires_grad)
                kind = "adapters" if trainable_only and param.requires_grad else "weights"
                groups[data.untyped_storage()._cdata] = kind
            module._parameters[name] = done[id(param)]
        for name, buffer in list(module._buffers.items()):
            if buffer is None:
                continue
            with fake:
                data = torch.empty(buffer.shape, dtype=buffer.dtype, device="cpu")
            module._buffers[name] = data
    return groups
