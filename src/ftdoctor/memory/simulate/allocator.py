"""Replay a list of allocations through a copy of the CUDA caching allocator's rules.

Rules and constants: c10/cuda/CUDACachingAllocator.cpp of torch 2.x (kMinBlockSize 512,
kSmallSize 1 MiB, kSmallBuffer 2 MiB, kLargeBuffer 20 MiB, kMinLargeAlloc 10 MiB, kRoundLarge 2 MiB;
`should_split`: small blocks split when at least 512 bytes remain, large ones when more than
kSmallSize remains). Best fit in each pool; freed blocks merge with free neighbours; when the device
is full, free segments are returned first and then the allocation is tried again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass

MIB = 1 << 20
SMALL = MIB
SMALL_BUFFER = 2 * MIB
LARGE_BUFFER = 20 * MIB
MIN_LARGE = 10 * MIB
ROUND_LARGE = 2 * MIB


class DeviceFull(Exception):
    """The replay found no room for an allocation."""


@dataclass(slots=True, eq=False)
class Block:
    """A piece of a segment."""

    address: int
    size: int
    large: bool
    free: bool = True
    before: Block | None = None
    after: Block | None = None


class CachingAllocator:
    """The caching allocator of one device. Sizes are bytes; `capacity` 0 means no limit."""

    def __init__(self, capacity: int = 0, expandable: bool = False) -> None:
        self.capacity = capacity
        self.expandable = expandable
        self.reserved = 0
        self.allocated = 0
        self.peak_reserved = 0
        self.peak_allocated = 0
        self._free: dict[bool, list[tuple[int, int]]] = {False: [], True: []}
        self._blocks: dict[int, Block] = {}
        self._top = 1 << 40

    def malloc(self, size: int) -> Block:
        """Take a block of `size` bytes (a multiple of 512).

        Raises:
            DeviceFull: the capacity does not allow it even after cached segments went back.
        """
        large = size > SMALL
        block = self._fit(size, large) or self._segment(size, large)
        rest = block.size - size
        if rest >= (512 if not large else SMALL + 1):
            tail = Block(block.address + size, rest, large, True, block, block.after)
            if block.after is not None:
                block.after.before = tail
            block.after = tail
            block.size = size
            self._add(tail)
        block.free = False
        self.allocated += block.size
        self.peak_allocated = max(self.peak_allocated, self.allocated)
        return block

    def release(self, block: Block) -> None:
        """Give a block back to the cache."""
        self.allocated -= block.size
        block.free = True
        for other in (block.before, block.after):
            if other is not None and other.free:
                self._drop(other)
                first, second = (other, block) if other is block.before else (block, other)
                first.size += second.size
                first.after = second.after
                if second.after is not None:
                    second.after.before = first
                block = first
        self._add(block)

    def empty_cache(self) -> None:
        """Return every segment that is wholly free to the device."""
        for block in list(self._blocks.values()):
            if block.before is None and block.after is None:
                self._drop(block)
                self.reserved -= block.size

    def _add(self, block: Block) -> None:
        self._blocks[block.address] = block
        insort(self._free[block.large], (block.size, block.address))

    def _drop(self, block: Block) -> None:
        pool = self._free[block.large]
        del pool[bisect_left(pool, (block.size, block.address))]
        del self._blocks[block.address]

    def _fit(self, size: int, large: bool) -> Block | None:
        pool = self._free[large]
        at = bisect_left(pool, (size, 0))
        if at == len(pool):
            return None
        block = self._blocks[pool[at][1]]
        self._drop(block)
        return block

    def _segment(self, size: int, large: bool) -> Block:
        if self.expandable:
            unit = LARGE_BUFFER if large else SMALL_BUFFER
            want = (size + unit - 1) // unit * unit
        elif not large:
            want = SMALL_BUFFER
        elif size < MIN_LARGE:
            want = LARGE_BUFFER
        else:
            want = (size + ROUND_LARGE - 1) // ROUND_LARGE * ROUND_LARGE
        if self.capacity and self.reserved + want > self.capacity:
            self.empty_cache()
            if self.reserved + want > self.capacity:
                raise DeviceFull(f"{size} bytes asked, {self.capacity - self.allocated} free")
        self.reserved += want
        self.peak_reserved = max(self.peak_reserved, self.reserved)
        self._top += want + (1 << 21)
        return Block(self._top - want, want, large)


def replay(
    events: list[tuple[int, int, str]], *, steps_from: int = 0, repeats: int = 1, capacity: int = 0
) -> CachingAllocator:
    """Replay events; those from `steps_from` on are one training step and run `repeats` times.

    A second step meets a cache that the first one left, which is what a long run looks like.
    Blocks that the step leaves alive are freed before it is repeated.

    Raises:
        DeviceFull: `capacity` is set and the events do not fit.
    """
    device = CachingAllocator(capacity)
    held: dict[int, Block] = {}

    def play(part: list[tuple[int, int, str]]) -> list[int]:
        born: list[int] = []
        for number, size, _ in part:
            if size > 0:
                held[number] = device.malloc(size)
                born.append(number)
            elif number in held:
                device.release(held.pop(number))
        return born

    play(events[:steps_from])
    for _ in range(repeats):
        for number in play(events[steps_from:]):
            if number in held:
                device.release(held.pop(number))
    return device
