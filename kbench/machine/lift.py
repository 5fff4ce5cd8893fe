"""What would let more of a kernel's warps be resident: fewer registers, less shared memory, another block size."""

from __future__ import annotations

import msgspec

from kbench.machine.occupancy import MOST_THREADS, WARP, Footprint, Limits, occupancy


class Lift(msgspec.Struct, frozen=True):
    """change: the footprint as it would have to be; names: what differs from the present one, "registers", "shared
    memory", "threads"; blocks, share: what it would give."""

    change: Footprint
    names: tuple[str, ...]
    blocks: int
    share: float


def lifts(limits: Limits, footprint: Footprint) -> tuple[Lift, ...]:
    """At most two: the most that registers and shared memory may be for one block more, and the block size that fills
    the multiprocessor best with the same registers and shared memory. () where it is full."""
    now = occupancy(limits, footprint)
    if now.share >= 1:
        return ()
    found = [_smaller(limits, footprint), _resized(limits, footprint)]
    return tuple(lift for lift in found if lift is not None)


def _smaller(limits: Limits, footprint: Footprint) -> Lift | None:
    now = occupancy(limits, footprint)
    wanted = now.blocks + 1
    if not set(now.limiters) <= {"registers", "shared memory"}:
        return None
    registers, shared = footprint.registers, footprint.shared_bytes
    if "registers" in now.limiters:
        fits = (r for r in range(registers - 1, 0, -1) if _allowed(limits, footprint, registers=r) >= wanted)
        registers = next(fits, 0)
    if "shared memory" in now.limiters:
        of_block = limits.shared_bytes // wanted // limits.shared_unit * limits.shared_unit
        shared = of_block - limits.reserved_bytes
    if registers <= 0 < footprint.registers or shared < 0:
        return None
    change = Footprint(footprint.threads, registers, shared)
    then = occupancy(limits, change)
    return Lift(change, now.limiters, then.blocks, then.share) if then.blocks > now.blocks else None


def _allowed(limits: Limits, footprint: Footprint, registers: int) -> int:
    by = occupancy(limits, Footprint(footprint.threads, registers)).by_registers
    return limits.blocks if by is None else by


def _resized(limits: Limits, footprint: Footprint) -> Lift | None:
    """Of those that fill it best the one nearest to the present size."""
    now = occupancy(limits, footprint)
    sizes = (Footprint(n, footprint.registers, footprint.shared_bytes) for n in range(WARP, MOST_THREADS + 1, WARP))
    best = max(sizes, key=lambda f: (occupancy(limits, f).share, -abs(f.threads - footprint.threads)))
    then = occupancy(limits, best)
    return Lift(best, ("threads",), then.blocks, then.share) if then.share > now.share else None
