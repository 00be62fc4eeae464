"""Read the numbers of PyTorch's CUDA out-of-memory message, old wording and new.

Wordings: torch 1.x to 2.0 `(GPU 0; 15.78 GiB total capacity; ... already allocated; ... free; ...
reserved in total by PyTorch)`; torch 2.1 on `GPU 0 has a total capacity of ... of which ... is
free. Including non-PyTorch memory, this process has ... memory in use.`
(c10/cuda/CUDACachingAllocator.cpp; 2.1 wrote "capacty"). Sizes are in GiB, MiB, KiB or bytes.
"""

from __future__ import annotations

import re

from ftdoctor.records import dataclass

GIB = 2.0**30
_UNITS = {"bytes": 1.0, "byte": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": GIB, "TiB": 2.0**40}
_SIZE = r"(\d{1,12}(?:\.\d{1,4})?) ?(bytes?|[KMGT]iB)"


def _find(pattern: str, text: str) -> float | None:
    match = re.search(pattern.replace("SIZE", _SIZE), text)
    return float(match[1]) * _UNITS[match[2]] if match else None


@dataclass(frozen=True, slots=True)
class Oom:
    """An out-of-memory message in bytes; None where it does not say."""

    tried: float | None = None
    capacity: float | None = None
    free: float | None = None
    #: All that this process holds on the GPU, the CUDA context included.
    own: float | None = None
    allocated: float | None = None
    #: Held by PyTorch's allocator and not handed out.
    unallocated: float | None = None
    #: Held by other processes that the message lists.
    others: float = 0.0

    @property
    def unaccounted(self) -> float | None:
        """Bytes of the card that are neither free nor this process's, as far as it can be told.

        Where the message does not give the process's whole use, 1.5 GiB are granted for the CUDA
        context, cuBLAS workspaces and NCCL buffers.
        """
        if self.capacity is None or self.free is None:
            return None
        if self.own:
            return self.capacity - self.free - self.own
        held = (self.allocated or 0.0) + (self.unallocated or 0.0)
        if not held:
            return None
        return self.capacity - self.free - held - 1.5 * GIB


def read_numbers(text: str) -> Oom:
    """Return what a message (its lines joined by spaces) says."""
    reserved = _find(r"SIZE reserved in total by PyTorch", text)
    allocated = _find(r"Of the allocated memory SIZE is allocated by PyTorch", text)
    if allocated is None:
        allocated = _find(r"SIZE already allocated", text)
    unallocated = _find(r"SIZE is reserved by PyTorch but unallocated", text)
    if unallocated is None and reserved is not None and allocated is not None:
        unallocated = max(0.0, reserved - allocated)
    capacity = _find(r"total capac(?:i)?ty of SIZE", text) or _find(r"; SIZE total capacity", text)
    free = _find(r"of which SIZE is free", text)
    if free is None:
        free = _find(r"; SIZE free", text)
    listed = [
        float(number) * _UNITS[unit]
        for number, unit in re.findall(rf"Process \d{1, 10} has {_SIZE} memory in use", text)
    ]
    own = _find(r"this process has SIZE memory in use", text)
    if own is None and listed:
        # In a container the driver knows this process by another number, so it is in the list.
        held = (allocated or 0.0) + (unallocated or 0.0)
        itself = min(listed, key=lambda size: abs(size - held))
        if held and -0.1 * GIB <= itself - held <= 3 * GIB:
            listed.remove(itself)
            own = itself
    return Oom(
        tried=_find(r"[Tt]ried to allocate SIZE", text),
        capacity=capacity,
        free=free,
        own=own,
        allocated=allocated,
        unallocated=unallocated,
        others=sum(listed),
    )


def size(number: float) -> str:
    """Return bytes as a text in the unit that fits: "1.83 GiB", "20 MiB"."""
    if number >= GIB:
        return f"{number / GIB:.2f} GiB"
    return f"{number / 2**20:.0f} MiB"
