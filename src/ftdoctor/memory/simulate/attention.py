"""What scaled_dot_product_attention takes on a CUDA device, on tensors without data.

torch chooses flash, then memory-efficient, then math (aten/src/ATen/native/transformers/cuda/
sdp_utils.cpp). Flash wants 16-bit inputs, no mask and a head dim of at most 256; memory-efficient
takes a mask and float32 but no `enable_gqa`; math takes everything and builds [batch, heads, seq,
seq] tensors. On the CPU torch would choose otherwise, hence these stand-ins.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

NAME = "ftdoctor_sdpa"


class Flash(torch.autograd.Function):  # type: ignore[misc]
    """Forward: output and log-sum-exp. Backward: float32 accumulators beside the gradients."""

    @staticmethod
    def forward(ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Allocate what the forward pass does."""
        b, h, s, d = q.shape
        out = q.new_empty((b, s, h, d)).transpose(1, 2)
        lse = q.new_empty((b, h, s), dtype=torch.float32)
        ctx.save_for_backward(q, k, v, out, lse)
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Allocate what the backward pass does."""
        q, k, v, _, _ = ctx.saved_tensors
        b, h, s, d = q.shape
        s128, d32 = (s + 127) // 128 * 128, (d + 31) // 32 * 32
        grad = grad.contiguous()
        dq = q.new_empty((b, s, h, d)).transpose(1, 2)
        dk = k.new_empty((b, s, k.shape[1], d)).transpose(1, 2)
        dv = v.new_empty((b, s, v.shape[1], d)).transpose(1, 2)
        dot = q.new_empty((b, h, s128), dtype=torch.float32)
        accumulator = q.new_empty((b, s128, h, d32), dtype=torch.float32)
        if k.shape[1] != h:
            wide_k = q.new_empty((b, s, h, d))
            wide_v = q.new_empty((b, s, h, d))
            del wide_k, wide_v
        del dot, accumulator
        return dq, dk, dv


class Efficient(torch.autograd.Function):  # type: ignore[misc]
    """Memory-efficient attention; a boolean mask becomes an additive one of the input dtype."""

    @staticmethod
    def forward(
        ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Allocate what the forward pass does."""
        b, h, s, d = q.shape
        out = q.new_empty((b, s, h, d)).transpose(1, 2)
        lse = q.new_empty((b, h, (s + 31) // 32 * 32), dtype=torch.float32)
        ctx.save_for_backward(q, k, v, out, lse, mask)
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Allocate what the backward pass does."""
        q, k, v, _, _, _ = ctx.saved_tensors
        b, h, s, d = q.shape
        grad = grad.contiguous()
        dq, dk, dv = (torch.empty_like(x) for x in (q, k, v))
        delta = q.new_empty((b, h, s), dtype=torch.float32)
        workspace = None
        if q.dtype != torch.float32:
            workspace = q.new_empty((b, h, s, d), dtype=torch.float32)
        del delta, workspace
        return dq, dk, dv, None


def repeat(x: torch.Tensor, times: int) -> torch.Tensor:
    """Copy each key/value head `times` times, as transformers' `repeat_kv` does."""
    if times == 1:
        return x
    b, h, s, d = x.shape
    return x[:, :, None].expand(b, h, times, s, d).reshape(b, h * times, s, d)


def forward(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Do what transformers' `sdpa_attention_forward` does (integrations/sdpa_attention.py)."""
    groups = getattr(module, "num_key_value_groups", 1)
    dims_fit = key.shape[-1] == value.shape[-1] and key.shape[-1] <= 256
    gqa = groups > 1 and attention_mask is None and dims_fit
    if groups > 1 and not gqa:
        key, value = repeat(key, groups), repeat(value, groups)
    half = query.dtype in (torch.float16, torch.bfloat16)
    if torch.is_autocast_enabled("cpu") and query.dtype == torch.float32:
        half = True
        kind = torch.get_autocast_dtype("cpu")
        query, key, value = query.to(kind), key.to(kind), value.to(kind)
    if half and attention_mask is None and dims_fit:
        out = Flash.apply(query, key, value)
    elif not gqa and key.shape[-1] == value.shape[-1]:
        mask = attention_mask
        if mask is not None and mask.dtype == torch.bool:
            mask = mask.new_empty(mask.shape, dtype=query.dtype)
        out = Efficient.apply(query, key, value, mask)
    else:
        with sdpa_kernel(SDPBackend.MATH):
            out = torch.nn.functional.scaled_dot_product_attention(
                query,
                key,
                value,
                attn_mask=attention_mask,
                scale=scaling,
                is_causal=attention_mask is None and query.shape[2] > 1,
                enable_gqa=gqa,
            )
    return out.transpose(1, 2).contiguous(), None


def flash_only(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any
) -> tuple[torch.Tensor, None]:
    """flash_attention_2 and its kin: no mask in memory, 16 bit always."""
    if query.dtype == torch.float32:
        query, key, value = (x.to(torch.bfloat16) for x in (query, key, value))
    return Flash.apply(query, key, value).transpose(1, 2).contiguous(), None


def register() -> None:
    """Make both known to transformers as attention implementations."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionInterface.register(NAME, forward)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    AttentionInterface.register(f"{NAME}_packed", flash_only)
    AttentionMaskInterface.register(f"{NAME}_packed", lambda *_, **__: None)
