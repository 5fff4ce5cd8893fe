"""Theoretical occupancy from first principles: how many blocks of a kernel fit on a multiprocessor, and what bounds it.

A multiprocessor has so many places for warps and blocks, so many registers and so much shared memory; a block waits
until all that it needs is free. Numbers: the table of technical specifications in the CUDA programming guide, and the
architecture traits of NVIDIA's CCCL; allocation units: NVIDIA's occupancy calculator, with which the tests compare.
"""

from __future__ import annotations

import re

import msgspec

from kbench.errors import UsageError, did_you_mean

WARP = 32
MOST_THREADS = 1024  # of a block, on every architecture below
REGISTERS = 65536  # 32-bit ones of a multiprocessor, and as many at most of a block
MOST_REGISTERS = 255  # of a thread: an instruction names them with eight bits, and one name means zero
REGISTER_UNIT = 256  # registers are handed out to whole warps in multiples of this
SCHEDULERS = 4  # each owns a quarter of the registers, and a warp lives in one quarter
PLAIN_SHARED = 48 * 1024  # what a block gets without opting in
_KIB = 1024


class Limits(msgspec.Struct, frozen=True):
    """What one multiprocessor holds. shared_bytes: the most that can be set aside as shared memory; splits: what it can
    be set to, the rest is L1; reserved_bytes: kept by the system of every block; shared_unit: bytes that it is handed
    out in."""

    arch: str
    warps: int
    blocks: int
    shared_bytes: int
    splits: tuple[int, ...]
    reserved_bytes: int
    shared_unit: int

    @property
    def block_shared_bytes(self) -> int:
        """The most shared memory, static and dynamic together, that a block can opt in to."""
        return self.shared_bytes - self.reserved_bytes


def _limits(arch: str, warps: int, blocks: int, *splits_kib: int) -> Limits:
    ampere = int(arch[3:]) >= 80  # from there on: 1 KiB of every block is reserved, and units are smaller
    splits = tuple(kib * _KIB for kib in splits_kib)
    return Limits(arch, warps, blocks, splits[-1], splits, _KIB if ampere else 0, 128 if ampere else 256)


_TO_100 = (0, 8, 16, 32, 64, 100)
_TO_164 = (*_TO_100, 132, 164)
_TO_228 = (*_TO_164, 196, 228)
ARCHITECTURES: dict[str, Limits] = {
    limits.arch: limits
    for limits in (
        _limits("sm_70", 64, 32, 0, 8, 16, 32, 64, 96),
        _limits("sm_75", 32, 16, 32, 64),
        _limits("sm_80", 64, 32, *_TO_164),
        _limits("sm_86", 48, 16, *_TO_100),
        _limits("sm_87", 48, 16, *_TO_164),
        _limits("sm_88", 48, 16, *_TO_100),
        _limits("sm_89", 48, 24, *_TO_100),
        _limits("sm_90", 64, 32, *_TO_228),
        _limits("sm_100", 64, 32, *_TO_228),
        _limits("sm_103", 64, 32, *_TO_228),
        _limits("sm_110", 48, 24, *_TO_228),
        _limits("sm_120", 48, 24, *_TO_100),
        _limits("sm_121", 48, 24, *_TO_100),
    )
}


def limits_of(arch: str) -> Limits:
    """Of "sm_90", "sm_90a", "sm_120f", … Raises UsageError for an architecture that is not known here."""
    found = ARCHITECTURES.get(re.sub(r"(?<=\d)[af]$", "", arch))
    if found is None:
        raise UsageError(f"nothing is known of the occupancy of {arch}{did_you_mean(arch, ARCHITECTURES)}")
    return found


class Footprint(msgspec.Struct, frozen=True):
    """What a block needs. registers: of a thread; shared_bytes: static and dynamic together, without what is
    reserved."""

    threads: int
    registers: int = 0
    shared_bytes: int = 0

    @property
    def warps(self) -> int:
        return -(-self.threads // WARP)


class Occupancy(msgspec.Struct, frozen=True):
    """blocks: that fit on a multiprocessor at once, 0 for one that cannot be launched; share: warps resident, of what a
    multiprocessor holds. by_…: how many each resource alone allows, None where none of it is used. limiters: those that
    allow no more than `blocks`: "registers", "shared memory", "warps" (the block size), "blocks"; () at full
    occupancy."""

    arch: str
    footprint: Footprint
    blocks: int
    share: float
    by_registers: int | None
    by_shared: int | None
    by_warps: int
    by_blocks: int
    limiters: tuple[str, ...]


def occupancy(limits: Limits, footprint: Footprint, carveout: int | None = None) -> Occupancy:
    """carveout: the percentage of the most shared memory that the kernel prefers, None where it has no preference.
    Raises UsageError for a block without threads or a carve-out that is no percentage."""
    if footprint.threads < 1 or min(footprint.registers, footprint.shared_bytes) < 0:
        raise UsageError(f"no block has {footprint.threads} threads, {footprint.registers} registers")
    by_registers, by_shared = _by_registers(footprint), _by_shared(limits, footprint, carveout)
    by_warps = limits.warps // footprint.warps if footprint.threads <= MOST_THREADS else 0
    allowed = {
        "registers": by_registers, "shared memory": by_shared, "warps": by_warps, "blocks": limits.blocks,
    }  # fmt: skip
    blocks = min(number for number in allowed.values() if number is not None)
    share = blocks * footprint.warps / limits.warps
    limiters = tuple(name for name, number in allowed.items() if number == blocks) if share < 1 else ()
    return Occupancy(
        limits.arch, footprint, blocks, share, by_registers, by_shared, by_warps, limits.blocks, limiters
    )  # fmt: skip


def _by_registers(footprint: Footprint) -> int | None:
    """A warp's registers come from one of four quarters, so that what is left of each is lost. A block is let in only
    if its warps, rounded up to four, could have theirs."""
    if not footprint.registers:
        return None
    of_warp = _up(footprint.registers * WARP, REGISTER_UNIT)
    if footprint.registers > MOST_REGISTERS or of_warp * _up(footprint.warps, SCHEDULERS) > REGISTERS:
        return 0
    return REGISTERS // SCHEDULERS // of_warp * SCHEDULERS // footprint.warps


def _by_shared(limits: Limits, footprint: Footprint, carveout: int | None) -> int | None:
    of_block = _up(footprint.shared_bytes + limits.reserved_bytes, limits.shared_unit)
    if of_block > limits.shared_bytes:
        return 0
    if not of_block:
        return None
    there = limits.shared_bytes
    if carveout is not None:
        if not 0 <= carveout <= 100:
            raise UsageError(f"a carve-out is a percentage of shared memory from 0 to 100, not {carveout}")
        there = _split(limits, carveout * limits.shared_bytes // 100)
        if there < of_block:  # the preference yields to a block that would not fit
            there = _split(limits, of_block)
    return there // of_block


def _split(limits: Limits, nbytes: int) -> int:
    """The smallest possible split with so much shared memory."""
    return next(split for split in limits.splits if split >= nbytes)


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
