"""What would let more warps in: it does, and a little more would not."""

from __future__ import annotations

import random

import pytest

from kbench.machine.lift import lifts
from kbench.machine.occupancy import ARCHITECTURES, Footprint, limits_of, occupancy

HOPPER = limits_of("sm_90")


def test_full_needs_nothing() -> None:
    assert lifts(HOPPER, Footprint(256, 32)) == ()


def test_registers() -> None:
    smaller, *_ = lifts(HOPPER, Footprint(256, 48))  # 40 warps: 5 blocks
    assert (smaller.names, smaller.change.registers, smaller.blocks) == (("registers",), 40, 6)


def test_shared_memory() -> None:
    smaller, *_ = lifts(HOPPER, Footprint(256, 32, 48 * 1024))  # 4 blocks of 49 KiB
    assert (smaller.names, smaller.blocks) == (("shared memory",), 5)
    assert smaller.change.shared_bytes == 228 * 1024 // 5 // 128 * 128 - 1024


def test_a_block_size() -> None:
    (resized,) = lifts(HOPPER, Footprint(768, 24))
    assert (resized.names, resized.share) == (("threads",), 1.0)
    assert resized.change.threads == 512


@pytest.mark.parametrize("seed", range(300))
def test_the_most_that_helps(seed: int) -> None:
    draw = random.Random(seed)
    limits = draw.choice(list(ARCHITECTURES.values()))
    shared = draw.choice((0, draw.randint(0, limits.block_shared_bytes)))
    footprint = Footprint(32 * draw.randint(1, 32), draw.randint(1, 255), shared)
    now = occupancy(limits, footprint)
    for lift in lifts(limits, footprint):
        then = occupancy(limits, lift.change)
        assert (then.blocks, then.share) == (lift.blocks, lift.share)
        assert then.share > now.share
        if "registers" in lift.names:
            more = Footprint(footprint.threads, lift.change.registers + 1, lift.change.shared_bytes)
            assert occupancy(limits, more).blocks == now.blocks
        if "shared memory" in lift.names:
            more = Footprint(footprint.threads, lift.change.registers, lift.change.shared_bytes + 1)
            assert occupancy(limits, more).blocks == now.blocks
