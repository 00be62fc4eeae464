"""States and step temporaries of the optimizers that transformers knows, without data."""

from __future__ import annotations

import torch

#: 8-bit states only from this many elements (bitsandbytes optim/optimizer.py, min_8bit_size), and
#: paged memory from this many (get_state_buffer).
MIN_8BIT = 4096
MIN_PAGED = 100_000


class Optimizer:
    """Allocates what an optimizer keeps, and in `step` what it takes for a moment.

    Args:
        states: number of states for each parameter.
        eight_bit: states of one byte, with a float32 scale for 256 of them.
        temporaries: tensors of the size of all parameters that a step takes at once.
        fp32_states: float32 whatever the dtype of the parameter.
        paged: states lie in managed memory, outside the caching allocator.
        factored: row and column sums only (Adafactor).
    """

    def __init__(
        self,
        params: list[torch.nn.Parameter],
        *,
        states: int = 2,
        eight_bit: bool = False,
        temporaries: int = 0,
        fp32_states: bool = False,
        paged: bool = False,
        factored: bool = False,
    ) -> None:
        self.params = params
        self.states = states
        self.eight_bit = eight_bit
        self.temporaries = temporaries
        self.fp32_states = fp32_states
        self.paged = paged
        self.factored = factored
        self.held: list[torch.Tensor] = []

    def allocate(self) -> None:
        """Allocate the states of all parameters."""
        if self.eight_bit and self.params:
            self.held += [torch.empty(256, dtype=torch.float32) for _ in range(self.states)]
        for p in self.params:
            n = p.numel()
            for _ in range(self.states):
                if self.factored and p.ndim >= 2:
                    self.held.append(torch.empty(p.shape[:-1], dtype=torch.float32))
                    self.held.append(torch.empty((*p.shape[:-2], p.shape[-1]), dtype=torch.float32))
                elif self.eight_bit and n >= MIN_8BIT:
                    if not (self.paged and n >= MIN_PAGED):
                        self.held.append(torch.empty(n, dtype=torch.uint8))
                    self.held.append(torch.empty((n + 255) // 256, dtype=torch.float32))
                elif not (self.paged and n >= MIN_PAGED):
                    kind = torch.float32 if self.fp32_states or self.eight_bit else p.dtype
                    self.held.append(torch.empty(n, dtype=kind))

    def step(self) -> None:
        """Take the temporaries of one step and give them back."""
        grads = [p.grad for p in self.params if p.grad is not None]
        taken = [torch.empty_like(g) for _ in range(self.temporaries) for g in grads]
        del taken
        if self.factored and grads:
            largest = max(grads, key=lambda g: g.numel())
            update = [torch.empty(largest.shape, dtype=torch.float32) for _ in range(2)]
            del update


def make(name: str, params: list[torch.nn.Parameter]) -> Optimizer:
    """Return the optimizer of a `TrainingArguments.optim` name.

    `adamw_torch` is torch's foreach AdamW (torch/optim/adamw.py: `_foreach_sqrt` makes one list of
    temporaries of the size of all parameters); the fused kernel needs none.
    """
    paged = name.startswith("paged_")
    base = name.removeprefix("paged_")
    eight = base.endswith("8bit")
    if base in {"adamw_torch", "adamw_torch_4bit", "adamw_torch_8bit", "adamw", "adam"}:
        return Optimizer(params, temporaries=1)
    if base in {"adamw_torch_fused", "adamw_apex_fused", "adamw_fused"}:
        return Optimizer(params)
    if base in {"adamw_8bit", "adamw_bnb_8bit", "ademamix_8bit"}:
        return Optimizer(params, states=3 if "ademamix" in base else 2, eight_bit=True, paged=paged)
    if base.startswith(("lion", "rmsprop", "sgd", "adagrad")):
        states = 0 if base == "sgd" else 1
        return Optimizer(params, states=states, eight_bit=eight, paged=paged, fp32_states=True)
    if base == "adafactor":
        return Optimizer(params, states=1, factored=True)
    return Optimizer(params, eight_bit=eight, paged=paged, fp32_states=base.endswith("32bit"))
