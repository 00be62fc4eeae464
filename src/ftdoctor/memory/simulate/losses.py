"""Allocations of trl's loss implementations, on tensors without data."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

#: trl 1.16.0, trainer/utils.py:1484 and kernels/chunked_logprob.py:31.
VOCAB_TILE = 32768
TOKEN_TILE = 4096
#: trl 1.7 to 1.14, trainer/sft_trainer.py `_chunked_cross_entropy_loss`.
CHUNK = 256


class Compact(torch.autograd.Function):  # type: ignore[misc]
    """hidden[mask] with every token kept: a copy, whose gradient is scattered into zeros."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor) -> torch.Tensor:
        """Allocate what the forward pass does."""
        ctx.shape = hidden.shape
        return hidden.new_empty((hidden.shape[0] * hidden.shape[1], hidden.shape[2]))

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        """Allocate what the backward pass does."""
        return grad.new_zeros(ctx.shape)


class Dropout(torch.autograd.Function):  # type: ignore[misc]
    """Dropout as CUDA does it: the result and a mask of one byte."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        """Allocate what the forward pass does."""
        ctx.save_for_backward(x.new_empty(x.shape, dtype=torch.bool))
        return torch.empty_like(x)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        """Allocate what the backward pass does."""
        _ = ctx.saved_tensors
        return torch.empty_like(grad)


class FusedHead(torch.autograd.Function):  # type: ignore[misc]
    """Log-probabilities by tiles of [4096 tokens, 32768 words]; gradients accumulate in float32."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Allocate what the forward pass does."""
        kind = hidden.dtype
        if torch.is_autocast_enabled("cpu"):
            kind = torch.get_autocast_dtype("cpu")
        n, vocab = hidden.shape[0], weight.shape[0]
        running = [hidden.new_empty((n,), dtype=torch.float32) for _ in range(7)]
        tile = hidden.new_empty((min(n, TOKEN_TILE), VOCAB_TILE), dtype=kind)
        for start in range(0, n, TOKEN_TILE):
            rows = hidden[start : start + TOKEN_TILE].to(kind)
            for low in range(0, vocab, VOCAB_TILE):
                columns = weight[low : low + VOCAB_TILE].to(kind)
                del columns
            del rows
        out = running[0] - running[1]
        ctx.save_for_backward(hidden, weight, out)
        ctx.kind = kind
        del tile
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Allocate what the backward pass does."""
        hidden, weight, _ = ctx.saved_tensors
        n, vocab = hidden.shape[0], weight.shape[0]
        wide = (
            hidden.new_empty(hidden.shape, dtype=torch.float32) if ctx.needs_input_grad[0] else None
        )
        wide_weight = (
            weight.new_empty(weight.shape, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        )
        tile = hidden.new_empty((min(n, TOKEN_TILE), VOCAB_TILE), dtype=ctx.kind)
        for start in range(0, n, TOKEN_TILE):
            rows = hidden[start : start + TOKEN_TILE].to(ctx.kind)
            for low in range(0, vocab, VOCAB_TILE):
                columns = weight[low : low + VOCAB_TILE].to(ctx.kind)
                del columns
            del rows
        del tile
        return (
            wide.to(hidden.dtype) if wide is not None else None,
            wide_weight.to(weight.dtype) if wide_weight is not None else None,
        )


def fused(hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """trl 1.15 and later: no logits in memory. `hidden` is [batch, seq, width]."""
    return FusedHead.apply(Compact.apply(hidden[:, :-1]), weight).sum()


def chunked(
    hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, *, float32: bool
) -> torch.Tensor:
    """trl 1.4 to 1.14 `chunked_nll`: 256 tokens at a time, recomputed in the backward pass.

    Up to 1.12 the whole head is copied to float32 for every chunk; from 1.13 on it is cast to the
    dtype of the hidden states.
    """
    rows = hidden[:, :-1].reshape(-1, hidden.shape[-1])
    order = rows.new_empty(rows.shape)
    rows = _gather(rows, order)
    flat = labels[:, 1:].reshape(-1)

    def chunk(h: torch.Tensor, w: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if float32:
            logits = h.float() @ w.float().t()
        else:
            logits = (h @ w.to(h.dtype).t()).float()
        log_p = torch.log_softmax(logits.float(), dim=-1)
        loss = torch.nn.functional.nll_loss(log_p, y, reduction="sum")
        correct = (logits.argmax(dim=-1) == y).sum().float()
        entropy = -(log_p.exp() * log_p).sum(dim=-1).sum()
        return loss, correct, entropy

    total = hidden.new_zeros((), dtype=torch.float32)
    for start in range(0, rows.shape[0], CHUNK):
        part, _, _ = checkpoint(
            chunk,
            rows[start : start + CHUNK],
            weight,
            flat[start : start + CHUNK],
            use_reentrant=False,
        )
        total = total + part
    return total


class _Gather(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """Allocate what the forward pass does."""
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Allocate what the backward pass does."""
        return grad.new_zeros(grad.shape), None


def _gather(rows: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Pack valid tokens to the front: an indexed copy."""
    return _Gather.apply(rows, out)
