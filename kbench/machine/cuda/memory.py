"""Memory of an Op on a GPU: every distinct allocation copied once into a buffer of its own, with guard bands around it.

A band before and a band after each array hold bytes that depend on their own address (see instruments.cu); a kernel
that writes past an end changes some of them. Pinned host memory has exactly the size that is asked for: CuPy's own
pinned pool rounds up to a power of two.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kbench.errors import SpecError
from kbench.machine.cuda.faults import faults
from kbench.machine.layout import Base, Operand

if TYPE_CHECKING:
    from kbench.machine.cuda.instruments import Instruments

GUARD = 4096
"""Bytes of each guard band; the band after an array also takes what is left to the next multiple of 512."""
_ALIGNMENT = 512
_MAPPED = 0x02  # cudaHostAllocMapped: kernels can use the address
_KEPT = 2 * 2**30
_HASH = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Damage:
    """Guard bytes of a buffer that were overwritten: `first` and `last` are byte offsets from the array's start if they
    lie `before` it (negative), else from its end."""

    buffer: int
    before: bool
    first: int
    last: int


def _padded(nbytes: int) -> int:
    return GUARD + -(-nbytes // _ALIGNMENT) * _ALIGNMENT + GUARD


def _bytes_at(address: int, nbytes: int) -> np.ndarray[Any, Any]:
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


class DeviceBuffer:
    host = pageable = False

    def __init__(self, nbytes: int, source: int, keep: Any, stream: int) -> None:
        import cupy

        self.nbytes, self._source, self._keep, self._stream = nbytes, source, keep, stream
        with faults(f"allocating {nbytes} bytes on the GPU"):
            self._memory = cupy.cuda.alloc(_padded(nbytes))
        self.address = int(self._memory.ptr) + GUARD

    def restore(self) -> None:
        """From the initial contents, in stream order; those may lie on the host (a table of addresses)."""
        from cupy.cuda import runtime

        if self.nbytes:
            runtime.memcpyAsync(self.address, self._source, self.nbytes, runtime.memcpyDefault, self._stream)

    def view(self, operand: Operand) -> Any:
        import cupy

        pointer = self._memory + (GUARD + operand.offset)
        return cupy.ndarray(operand.shape, dtype=operand.dtype, memptr=pointer, strides=operand.strides)

    def bands(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """(address, bytes) of the band before and of the band after."""
        end = self.address - GUARD + _padded(self.nbytes)
        after = self.address + self.nbytes
        return (self.address - GUARD, GUARD), (after, end - after)

    def close(self) -> None:
        del self._memory  # back to CuPy's pool


class HostBuffer:
    host = True

    def __init__(self, nbytes: int, source: int, keep: Any, pool: PinnedPool | None) -> None:
        self.nbytes, self._source, self._keep, self._pool = nbytes, source, keep, pool
        self.pageable = pool is None
        if pool is None:
            self._storage = np.empty(_padded(nbytes) + GUARD, np.uint8)
            self._start = -(-int(self._storage.ctypes.data) // GUARD) * GUARD
        else:
            self._start = pool.take(_padded(nbytes))
        self.address = self._start + GUARD

    def restore(self) -> None:
        if self.nbytes:
            ctypes.memmove(self.address, self._source, self.nbytes)
        for address, length in self.bands():
            _bytes_at(address, length)[:] = self._pattern(address, length)

    def view(self, operand: Operand) -> Any:
        memory = _bytes_at(self.address, self.nbytes)
        return np.ndarray(operand.shape, operand.dtype, memory, operand.offset, operand.strides)

    def bands(self) -> tuple[tuple[int, int], tuple[int, int]]:
        after, end = self.address + self.nbytes, self._start + _padded(self.nbytes)
        return (self._start, GUARD), (after, end - after)

    def overwritten(self) -> tuple[bool, int, int] | None:
        """(before, lowest, highest index in the band) of the first damaged band."""
        for before, (address, length) in zip((True, False), self.bands(), strict=True):
            (bad,) = np.nonzero(_bytes_at(address, length) != self._pattern(address, length))
            if bad.size:
                return before, int(bad[0]), int(bad[-1])
        return None

    def close(self) -> None:
        if self._pool is not None:
            self._pool.give(self._start, _padded(self.nbytes))

    @staticmethod
    def _pattern(address: int, length: int) -> np.ndarray[Any, Any]:
        addresses = np.uint64(address) + np.arange(length, dtype=np.uint64)
        return (addresses * _HASH >> np.uint64(56)).astype(np.uint8)


class GuardedMemory:
    """The buffers of one Op: one for each base of its layout, then one for each table of addresses."""

    def __init__(self, bases: Sequence[Base], pinned: PinnedPool, instruments: Instruments, stream: int) -> None:
        self.buffers: list[DeviceBuffer | HostBuffer] = []
        self._instruments, self._stream = instruments, stream
        self._guards: _DeviceGuards | None = None
        try:
            self.buffers += (self._buffer(base, pinned) for base in bases)
        except BaseException:
            self.close()
            raise

    def _buffer(self, base: Base, pinned: PinnedPool) -> DeviceBuffer | HostBuffer:
        if base.host:
            return HostBuffer(base.nbytes, base.address, base.owner, pinned if base.pinned else None)
        if any(isinstance(root, np.ndarray) for root in base.owner):
            shape, dtype = base.owner[0].shape, base.owner[0].dtype
            raise SpecError(f"{dtype}{list(shape)} is a NumPy array: make it with xp, or with kbench.host")
        return DeviceBuffer(base.nbytes, base.address, base.owner, self._stream)

    def address(self, operand: Operand) -> int:
        return self.buffers[operand.base].address + operand.offset

    def addresses(self, base: np.ndarray[Any, Any], offset: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Of many operands at once, as uint64."""
        starts = np.array([buffer.address for buffer in self.buffers], np.uint64)
        found: np.ndarray[Any, Any] = starts[base] + offset.astype(np.uint64)
        return found

    def view(self, operand: Operand) -> Any:
        return self.buffers[operand.base].view(operand)

    def table(self, operands: Sequence[Operand]) -> Operand:
        """A guarded device array with the addresses of these operands."""
        entries = np.array([self.address(operand) for operand in operands], np.uint64)
        self.buffers.append(DeviceBuffer(entries.nbytes, int(entries.ctypes.data), entries, self._stream))
        last = len(self.buffers) - 1
        return Operand(last, 0, entries.shape, entries.dtype, entries.strides, entries.nbytes)

    def restore(self) -> None:
        """All contents and all guard bands as they were in the beginning."""
        for buffer in self.buffers:
            buffer.restore()
        self._device_guards().fill()

    def damage(self) -> Damage | None:
        """The first buffer, in the order of use, with damaged guard bytes."""
        on_device = self._device_guards().overwritten()
        for index, buffer in enumerate(self.buffers):
            found = buffer.overwritten() if isinstance(buffer, HostBuffer) else on_device.get(index)
            if found is not None:
                before, low, high = found
                shift = GUARD if before else 0
                return Damage(index, before, low - shift, high - shift)
        return None

    def close(self) -> None:
        for buffer in self.buffers:
            buffer.close()
        self.buffers.clear()

    def _device_guards(self) -> _DeviceGuards:
        if self._guards is None:
            bands = [(i, band) for i, b in enumerate(self.buffers) if not b.host for band in b.bands()]
            self._guards = _DeviceGuards(bands, self._instruments, self._stream)
        return self._guards


class _DeviceGuards:
    """The guard bands of all device buffers, filled and checked by one small kernel each."""

    def __init__(self, bands: Sequence[tuple[int, tuple[int, int]]], instruments: Instruments, stream: int) -> None:
        import cupy

        self._owners = [index for index, _ in bands]
        self._stream = stream
        if not bands:
            return
        self._bands = cupy.asarray(np.array([band for _, band in bands], np.uint64))
        self._intact = cupy.asarray(np.array([(2**64 - 1, 0)] * len(bands), np.uint64))
        self._damage = cupy.empty_like(self._intact)
        grid, table, damage = (len(bands), 1, 1), int(self._bands.data.ptr), int(self._damage.data.ptr)
        self._fill = instruments.fill_bands.prepare(grid, (256, 1, 1), [table], stream)
        self._check = instruments.check_bands.prepare(grid, (256, 1, 1), [table, damage], stream)

    def fill(self) -> None:
        if self._owners:
            self._fill()

    def overwritten(self) -> dict[int, tuple[bool, int, int]]:
        """Of each damaged buffer: (before, lowest, highest index in the band)."""
        if not self._owners:
            return {}
        self._damage.data.copy_from_device_async(self._intact.data, self._intact.nbytes)
        self._check()
        found: dict[int, tuple[bool, int, int]] = {}
        for band, (low, high) in enumerate(self._damage.get().tolist()):
            if low <= high:
                found.setdefault(self._owners[band], (band % 2 == 0, low, high))
        return found
