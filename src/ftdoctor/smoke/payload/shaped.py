"""A model of real size with random weights, built on its device one layer at a time.

What `from_pretrained` keeps on the device is built, with as little beside it: the skeleton has no
memory (meta device), transformers' own quantizer puts in the layers that it would put in, and each
weight is drawn on the device and packed at once. So a 4-bit model takes its 4-bit size plus the
largest single weight.
"""

from __future__ import annotations

from typing import Any

#: Standard deviation of drawn weights: initializer_range of Llama and most others.
SPREAD = 0.02


def build(
    config: Any,
    auto_class: Any,
    *,
    device: str,
    quantization: Any = None,
    dtype: Any = None,
    attention: str | None = None,
) -> Any:
    """Return the model of a configuration with random weights on `device`.

    `quantization` is a BitsAndBytesConfig or None, `dtype` a torch dtype.
    """
    import torch
    from accelerate import init_empty_weights

    keywords: dict[str, Any] = {"attn_implementation": attention} if attention else {}
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        # Buffers are computed for real: they are not part of a checkpoint (rotary frequencies).
        with _unfilled(), init_empty_weights(include_buffers=False):
            model = auto_class.from_config(config, **keywords, **_dtype_keyword(dtype))
    finally:
        torch.set_default_dtype(before)
    quantizer = None
    if quantization is not None:
        from transformers.quantizers import AutoHfQuantizer

        quantizer = AutoHfQuantizer.from_config(quantization, pre_quantized=False)
        with init_empty_weights(include_buffers=False):
            quantizer.preprocess_model(
                model=model, device_map={"": device}, keep_in_fp32_modules=[], dtype=dtype
            )
    _draw(model, device, dtype)
    model.tie_weights()
    if quantizer is not None:
        quantizer.postprocess_model(model)
        model.hf_quantizer = quantizer
    model.eval()
    return model


def _dtype_keyword(dtype: Any) -> dict[str, Any]:
    """`dtype` since transformers 4.56, `torch_dtype` before."""
    import transformers

    numbers = tuple(int(x) for x in transformers.__version__.split(".")[:2])
    return {"dtype" if numbers >= (4, 56) else "torch_dtype": dtype}


class _unfilled:
    """Keep torch from filling weights that go to the meta device in the same moment."""

    def __enter__(self) -> None:
        from torch import nn

        self.kept = {kind: kind.reset_parameters for kind in (nn.Linear, nn.Embedding)}
        for kind in self.kept:
            kind.reset_parameters = lambda self: None

    def __exit__(self, *_: object) -> None:
        for kind, own in self.kept.items():
            kind.reset_parameters = own


def _draw(model: Any, device: str, dtype: Any) -> None:
    """Give every parameter a value on the device; one that is used twice stays one."""
    from torch import nn

    made: dict[int, Any] = {}
    for module in model.modules():
        for name, old in list(module._parameters.items()):
            if old is None:
                continue
            if id(old) not in made:
                made[id(old)] = _value(module, name, old, device, dtype)
            module._parameters[name] = made[id(old)]
        for name, buffer in list(module._buffers.items()):
            if buffer is not None and not buffer.is_meta:
                module._buffers[name] = buffer.to(device)
    left = [n for n, p in model.named_parameters() if p.is_meta]
    if left or not isinstance(model, nn.Module):
        raise RuntimeError(f"these weights were not made: {left[:3]}")


def _value(module: Any, name: str, old: Any, device: str, dtype: Any) -> Any:
    """Return the parameter on the device: packed for a layer of bitsandbytes."""
    import torch

    kind = type(old).__name__
    # The bias of a layer that bitsandbytes puts in is made in float32; loading gives it the dtype.
    replaced = name == "bias" and type(module).__name__ in ("Linear4bit", "Linear8bitLt")
    wanted = old.dtype if old.dtype.is_floating_point and not replaced else dtype
    if old.dim() == 1:
        filled = (torch.ones if name == "weight" else torch.zeros)(
            old.shape, dtype=wanted, device=device
        )
    else:
        # A GPU draws in any dtype; a CPU is slow at halves, which only tests feel.
        filled = torch.empty(_unpacked(module, old), dtype=wanted, device=device)
        filled.normal_(0.0, SPREAD)
    if kind == "Params4bit":
        import bitsandbytes

        keywords = {
            n: getattr(old, n)
            for n in ("blocksize", "compress_statistics", "quant_type", "quant_storage")
            if hasattr(old, n)
        }
        packed = bitsandbytes.nn.Params4bit(filled.to(dtype), requires_grad=False, **keywords)
        packed.module = module
        return packed.to(device)
    if kind == "Int8Params":
        import bitsandbytes

        held = bitsandbytes.nn.Int8Params(
            filled.to(torch.float16).cpu(), requires_grad=False, has_fp16_weights=False
        )
        return held.to(device)
    return torch.nn.Parameter(filled, requires_grad=old.requires_grad or replaced)


def _unpacked(module: Any, old: Any) -> tuple[int, ...]:
    """Return the size of a weight before it is packed."""
    if type(old).__name__ in ("Params4bit", "Int8Params"):
        return (int(module.out_features), int(module.in_features))
    return tuple(old.shape)
