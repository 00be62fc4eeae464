"""Count the storages that a piece of torch code keeps alive, without any real memory.

A dispatch mode sees every operator below autograd. Each new storage is one allocation; a weak
reference tells when it goes. Sizes are rounded up to 512 bytes, as the CUDA caching allocator does
(c10/cuda/CUDACachingAllocator.cpp, kMinBlockSize).
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

BLOCK = 512


def rounded(nbytes: int) -> int:
    """Return the bytes that the caching allocator takes for a request."""
    return max(BLOCK, (nbytes + BLOCK - 1) // BLOCK * BLOCK)


class Tracker(TorchDispatchMode):  # type: ignore[misc]
    """Dispatch mode that records allocations and frees.

    `events` holds (identifier, bytes, name of the operator) for an allocation and
    (identifier, -bytes, "") for a free, in order. `live` and `peak` are bytes; `peak_at` is the
    number of events at the peak.
    """

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[int, int, str]] = []
        self.live = 0
        self.peak = 0
        self.peak_at = 0
        self.shapes: dict[int, tuple[tuple[int, ...], torch.dtype]] = {}
        self.keep_shapes = False
        self.marks: list[tuple[str, int]] = []
        self._known: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self._next = 0

    def mark(self, name: str) -> None:
        """Name the present point of the event list."""
        self.marks.append((name, len(self.events)))

    def watch(self, tensor: torch.Tensor, name: str = "") -> None:
        """Count the storage of a tensor if it is not known yet."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        size = storage.nbytes()
        if size == 0:
            return
        size = rounded(size)
        number = self._next
        self._next += 1
        self._known[key] = weakref.ref(storage, partial(self._gone, key, number, size))
        self._numbers[key] = number
        self.events.append((number, size, name))
        if self.keep_shapes:
            self.shapes[number] = (tuple(tensor.shape), tensor.dtype)
        self.live += size
        if self.live > self.peak:
            self.peak = self.live
            self.peak_at = len(self.events)

    def number_of(self, tensor: torch.Tensor) -> int:
        """Return the identifier of a tensor's storage, -1 when it was never seen."""
        return self._numbers.get(tensor.untyped_storage()._cdata, -1)

    def passing(self, nbytes: int) -> None:
        """Count memory that an operator takes inside and gives back before it returns."""
        size = rounded(nbytes)
        number = self._next
        self._next += 1
        self.events.append((number, size, "inside"))
        self.peak, self.peak_at = max(
            (self.peak, self.peak_at), (self.live + size, len(self.events))
        )
        self.events.append((number, -size, ""))

    def _gone(self, key: int, number: int, size: int, _: object) -> None:
        self._known.pop(key, None)
        self.live -= size
        self.events.append((number, -size, ""))

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.watch(out, func.__name__)
            if func.__name__ == "_safe_softmax.default":
                # One operator here, several on the device: softmax, a mask, and `where` into a
                # second tensor (aten/src/ATen/native/transformers/attention.cpp).
                self.passing(out.numel() * (out.element_size() + 1))
        elif isinstance(out, (tuple, list)):
            for item in tree_iter(out):
                if isinstance(item, torch.Tensor):
                    self.watch(item, func.__name__)
        return out


def live_at(events: list[tuple[int, int, str]], end: int) -> dict[int, tuple[int, str]]:
    """Return what is alive after the first `end` events: identifier to (bytes, operator)."""
    alive: dict[int, tuple[int, str]] = {}
    for number, size, name in events[:end]:
        if size > 0:
            alive[number] = (size, name)
        else:
            alive.pop(number, None)
    return alive
