"""Memory with guard bands around it, on a GPU and on the host.

A band before and a band after each array hold bytes that depend on their own address (see instruments.cu); a kernel
that writes past an end changes some of them. Pinned host memory has exactly the size that is asked for: CuPy's own
pinned pool rounds up to a power of two.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from kbench.machine.cuda.faults import faults
from kbench.machine.layout import Operand
from kbench.machine.profiler import around

GUARD = 4096
"""Bytes of each guard band; the band after an array also takes what is left to the next multiple of 512."""
_ALIGNMENT = 512
_MAPPED = 0x02  # cudaHostAllocMapped: kernels can use the address
_KEPT = 2 * 2**30
_HASH = np.uint64(0x9E3779B97F4A7C15)


def bare() -> bool:
    """Whether arrays get an allocation of exactly their size and no guard bands: under a memory checker, which then
    sees every access outside of them itself."""
    profiler = around()
    return profiler is not None and profiler.tool == "sanitizer"


def padded(nbytes: int) -> int:
    return GUARD + -(-nbytes // _ALIGNMENT) * _ALIGNMENT + GUARD


def bytes_at(address: int, nbytes: int) -> np.ndarray[Any, Any]:
    """Host memory there."""
    return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))


class PinnedPool:
    """Page-locked host memory by exact size. Locking pages is slow, and the configurations of one problem ask for the
    same sizes again and again, so up to 2 GiB of freed blocks are kept."""

    def __init__(self) -> None:
        self._free: dict[int, list[int]] = {}
        self._kept = 0

    def take(self, nbytes: int) -> int:
        from cupy.cuda import runtime

        if self._free.get(nbytes):
            self._kept -= nbytes
            return self._free[nbytes].pop()
        with faults(f"page-locking {nbytes} bytes"):
            return int(runtime.hostAlloc(nbytes, _MAPPED))

    def give(self, address: int, nbytes: int) -> None:
        """Take back a block. Where too much is kept, other blocks are unlocked, which waits for the device."""
        self._free.setdefault(nbytes, []).append(address)
        self._kept += nbytes
        if self._kept > _KEPT:
            self.clear()

    def clear(self) -> None:
        from cupy.cuda import runtime

        with faults("unlocking pages"):
            for addresses in self._free.values():
                while addresses:
                    runtime.freeHost(addresses.pop())
        self._kept = 0


class DeviceBlock:
    host = pageable = False

    def __init__(self, nbytes: int) -> None:
        import cupy

        self.nbytes = nbytes
        self._guard = 0 if bare() else GUARD
        with faults(f"allocating {nbytes} bytes on the GPU"):
            if self._guard:
                self._memory = cupy.cuda.alloc(padded(nbytes))
            else:  # not from the pool, whose allocations are larger than what is asked for
                self._memory = cupy.cuda.MemoryPointer(cupy.cuda.Memory(max(nbytes, 1)), 0)
        self.address = int(self._memory.ptr) + self._guard

    def fill(self, source: int, stream: int) -> None:
        """From initial contents, in stream order; those may lie on the host (a table of addresses)."""
        from cupy.cuda import runtime

        if self.nbytes:
            runtime.memcpyAsync(self.address, source, self.nbytes, runtime.memcpyDefault, stream)

    def view(self, operand: Operand) -> Any:
        import cupy

        pointer = self._memory + (self._guard + operand.offset)
        return cupy.ndarray(operand.shape, dtype=operand.dtype, memptr=pointer, strides=operand.strides)

    def bands(self) -> tuple[tuple[int, int], ...]:
        """(address, bytes) of the band before and of the band after, if there are any."""
        if not self._guard:
            return ()
        end = self.address - GUARD + padded(self.nbytes)
        after = self.address + self.nbytes
        return (self.address - GUARD, GUARD), (after, end - after)

    def close(self) -> None:
        del self._memory  # back to where it came from


class HostBlock:
    host = True

    def __init__(self, nbytes: int, pool: PinnedPool | None) -> None:
        self.nbytes, self._pool = nbytes, pool
        self.pageable = pool is None
        if pool is None:
            self._storage = np.empty(padded(nbytes) + GUARD, np.uint8)
            self._start = -(-int(self._storage.ctypes.data) // GUARD) * GUARD
        else:
            self._start = pool.take(padded(nbytes))
        self.address = self._start + GUARD

    def fill(self, source: int, stream: int = 0) -> None:
        """From initial contents, at once; the guard bands too."""
        if self.nbytes:
            ctypes.memmove(self.address, source, self.nbytes)
        for address, length in self.bands():
            bytes_at(address, length)[:] = self._pattern(address, length)

    def view(self, operand: Operand) -> Any:
        memory = bytes_at(self.address, self.nbytes)
        return np.ndarray(operand.shape, operand.dtype, memory, operand.offset, operand.strides)

    def bands(self) -> tuple[tuple[int, int], tuple[int, int]]:
        after, end = self.address + self.nbytes, self._start + padded(self.nbytes)
        return (self._start, GUARD), (after, end - after)

    def overwritten(self) -> tuple[bool, int, int] | None:
        """(before, lowest, highest index in the band) of the first damaged band."""
        for before, (address, length) in zip((True, False), self.bands(), strict=True):
            (bad,) = np.nonzero(bytes_at(address, length) != self._pattern(address, length))
            if bad.size:
                return before, int(bad[0]), int(bad[-1])
        return None

    def close(self) -> None:
        if self._pool is not None:
            self._pool.give(self._start, padded(self.nbytes))

    @staticmethod
    def _pattern(address: int, length: int) -> np.ndarray[Any, Any]:
        addresses = np.uint64(address) + np.arange(length, dtype=np.uint64)
        return (addresses * _HASH >> np.uint64(56)).astype(np.uint8)
