"""A stand-in for bitsandbytes' 4-bit and 8-bit linear layers, without bitsandbytes or data.

Layout (bitsandbytes 0.50, functional.py `quantize_4bit`; nn/modules.py): two weights a byte, one
float32 scale for 64 weights, which double quantisation turns into one byte and a float32 scale for
256 scales. A product with many rows first unpacks the whole weight into the compute dtype; the
backward pass unpacks it again (autograd/_functions.py `MatMul4Bit`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Unpacked(torch.autograd.Function):  # type: ignore[misc]
    """x @ W.T with W unpacked for the time of the product."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, shape: tuple[int, int], bias: Any) -> Any:
        """Allocate what the forward pass does."""
        ctx.shape = shape
        weight = x.new_empty(shape)
        return torch.nn.functional.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, None, None]:
        """Allocate what the backward pass does."""
        if not ctx.needs_input_grad[0]:
            return None, None, None
        weight = grad.new_empty(ctx.shape)
        return torch.matmul(grad, weight), None, None


class PackedLinear(nn.Linear):  # type: ignore[misc]
    """A linear layer whose weight lies packed in memory."""

    def __init__(self, old: nn.Module, compute: torch.dtype, double: bool, int8: bool) -> None:
        nn.Module.__init__(self)
        weight: torch.Tensor = old.weight
        if type(old).__name__ == "Conv1D":
            self.in_features, self.out_features = weight.shape
        else:
            self.out_features, self.in_features = weight.shape
        self.compute = compute
        self.int8 = int8
        n = weight.numel()
        kinds: dict[str, tuple[int, torch.dtype]] = {}
        if int8:
            kinds = {"packed": (n, torch.int8), "scales": (self.out_features, torch.float32)}
        else:
            blocks = (n + 63) // 64
            kinds = {"packed": ((n + 1) // 2, torch.uint8), "code": (16, torch.float32)}
            if double:
                kinds["scales"] = (blocks, torch.uint8)
                kinds["scales_of_scales"] = ((blocks + 255) // 256, torch.float32)
                kinds["scale_code"] = (256, torch.float32)
                kinds["offset"] = (1, torch.float32)
            else:
                kinds["scales"] = (blocks, torch.float32)
        self.weight = nn.Parameter(
            torch.empty(kinds["packed"][0], 1, dtype=kinds["packed"][1], device="meta"),
            requires_grad=False,
        )
        for name, (size, dtype) in kinds.items():
            if name != "packed":
                self.register_buffer(name, torch.empty(size, dtype=dtype, device="meta"))
        bias = getattr(old, "bias", None)
        self.register_parameter("bias", bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Cast to the compute dtype, multiply, cast back (nn/modules.py, Linear4bit.forward)."""
        kind = x.dtype
        shape = (self.out_features, self.in_features)
        bias = None if self.bias is None else self.bias.to(self.compute)
        return Unpacked.apply(x.to(self.compute), shape, bias).to(kind)


def replace_linears(
    model: nn.Module, *, compute: torch.dtype, double: bool, int8: bool = False
) -> int:
    """Pack every linear layer that transformers would hand to bitsandbytes. Return how many."""
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.base import get_keys_to_not_convert

    kept = set(get_keys_to_not_convert(model))
    done = 0
    for name, module in list(model.named_modules()):
        if not isinstance(module, (nn.Linear, Conv1D)) or isinstance(module, PackedLinear):
            continue
        if name in kept or any(f"{name}.".startswith(f"{k}.") for k in kept):
            continue
        parent = model.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], PackedLinear(module, compute, double, int8))
        done += 1
    return done


def packed_lora() -> type[nn.Module]:
    """Return PEFT's LoRA layer with the forward of its bitsandbytes form (tuners/lora/bnb.py)."""
    from peft.tuners.lora.layer import Linear

    class PackedLora(Linear):  # type: ignore[misc]
        def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            result = self.base_layer(x).clone()
            for name in self.active_adapters:
                a, b = self.lora_A[name], self.lora_B[name]
                convert = not torch.is_autocast_enabled("cpu")
                if convert:
                    x = self._cast_input_dtype(x, a.weight.dtype)
                if name in self.lora_variant:
                    kind = result.dtype
                    result = self.lora_variant[name].forward(
                        self, active_adapter=name, x=x, result=result
                    )
                    result = result.to(kind) if convert else result
                    continue
                out = b(a(self.lora_dropout[name](x))) * self.scaling[name]
                result = result + (out.to(result.dtype) if convert else out)
            return result

    return PackedLora
