from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from ftdoctor.memory.simulate.allocator import MIB, CachingAllocator, DeviceFull, replay


def test_segment_sizes() -> None:
    device = CachingAllocator()
    device.malloc(512)
    assert device.reserved == 2 * MIB
    device.malloc(2 * MIB)
    assert device.reserved == 22 * MIB
    device.malloc(33 * MIB)
    assert device.reserved == 22 * MIB + 34 * MIB


def test_a_freed_block_is_used_again_and_neighbours_merge() -> None:
    device = CachingAllocator()
    blocks = [device.malloc(4 * MIB) for _ in range(5)]
    assert device.reserved == 20 * MIB
    for block in blocks:
        device.release(block)
    device.malloc(19 * MIB)
    assert device.reserved == 20 * MIB
    assert device.allocated == 20 * MIB  # the rest of 1 MiB is not split off


def test_a_gap_that_is_too_small_is_not_used() -> None:
    device = CachingAllocator()
    held = [device.malloc(12 * MIB) for _ in range(4)]
    for block in held[::2]:
        device.release(block)
    device.malloc(20 * MIB)
    assert device.reserved == 68 * MIB


def test_cached_segments_go_back_before_it_fails() -> None:
    device = CachingAllocator(capacity=100 * MIB)
    first = device.malloc(60 * MIB)
    device.release(first)
    device.malloc(80 * MIB)
    assert device.reserved == 80 * MIB
    with pytest.raises(DeviceFull):
        device.malloc(40 * MIB)


def test_replay_of_a_step_with_a_warm_cache() -> None:
    load = [(0, 30 * MIB, "weights")]
    step = [(1, 64 * MIB, "a"), (2, 32 * MIB, "b"), (1, -64 * MIB, ""), (2, -32 * MIB, "")]
    once = replay([*load, *step], steps_from=1)
    twice = replay([*load, *step], steps_from=1, repeats=2)
    assert once.peak_allocated == 126 * MIB
    assert twice.peak_reserved == once.peak_reserved == 126 * MIB


@given(st.lists(st.tuples(st.integers(1, 64 * MIB), st.booleans()), max_size=60))
def test_it_never_loses_memory(requests: list[tuple[int, bool]]) -> None:
    device = CachingAllocator()
    held = []
    for size, release in requests:
        held.append(device.malloc((size + 511) // 512 * 512))
        if release:
            device.release(held.pop(0))
        assert 0 <= device.allocated <= device.reserved
        assert device.allocated == sum(b.size for b in held)
    for block in held:
        device.release(block)
    assert device.allocated == 0
    device.empty_cache()
    assert device.reserved == 0
