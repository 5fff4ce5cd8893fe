"""Memory whose edges are watched: an allocation ends (or begins) at a protected page, canary bytes fill the slack."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from kbench.errors import UsageError

_NONE, _READ, _READ_WRITE = 0, mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE
_CANARY = 0xCB
ALIGN = 16  # of an allocation that ends at a guard page: what the widest vector type needs


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return libc


@cache
def guard_bytes() -> int:
    """Protected bytes on each side of an allocation ($KBENCH_GUARD, default 64 MiB): address space, no memory."""
    text = os.environ.get("KBENCH_GUARD", str(64 << 20))
    if not text.isdigit():
        raise UsageError(f"KBENCH_GUARD is a number of bytes, got {text!r}")
    return -(-int(text) // mmap.PAGESIZE) * mmap.PAGESIZE


class Region:
    """`nbytes` bytes at `address` between two guards. place: "end" finds what runs past the end, "start" what runs
    before the start. Raises MemoryError."""

    def __init__(self, nbytes: int, place: str = "end") -> None:
        guard = guard_bytes()
        self.nbytes = nbytes
        self._body = max(1, -(-nbytes // mmap.PAGESIZE)) * mmap.PAGESIZE
        self._total = self._body + 2 * guard
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | (0x4000 if sys.platform == "linux" else 0)  # MAP_NORESERVE
        self._map = _libc().mmap(None, self._total, _NONE, flags, -1, 0)
        if self._map in (None, ctypes.c_void_p(-1).value):
            self._map = None
            raise MemoryError(f"cannot map {self._total} bytes of guarded memory (a smaller KBENCH_GUARD may help)")
        self._low = self._map + guard
        self.protect(writable=True)
        end = self._low + self._body
        self.address: int = self._low if place == "start" else (end - nbytes) // ALIGN * ALIGN
        self._slack = ((self._low, self.address - self._low), (self.address + nbytes, end - self.address - nbytes))
        self.renew()

    def renew(self) -> None:
        """Make the canary bytes whole again."""
        for start, size in self._slack:
            ctypes.memset(start, _CANARY, size)

    def protect(self, *, writable: bool) -> None:
        if _libc().mprotect(self._low, self._body, _READ_WRITE if writable else _READ):
            raise MemoryError(f"cannot change the protection of {self._body} bytes: {os.strerror(ctypes.get_errno())}")

    def holds(self, address: int) -> bool:
        """Whether the address lies in this region or in its guards."""
        return bool(self._map is not None and self._map <= address < self._map + self._total)

    def damage(self) -> int | None:
        """Offset from `address` of the overwritten canary byte nearest to the memory; None if all are intact."""
        for start, size in self._slack:
            found = np.flatnonzero(np.frombuffer(ctypes.string_at(start, size), np.uint8) != _CANARY)
            if found.size:
                return int(start - self.address + (found[-1] if start < self.address else found[0]))
        return None

    def view(self, shape: Sequence[int], dtype: Any, offset: int = 0, strides: Sequence[int] | None = None) -> Any:
        """A NumPy array over this memory; use it only while the region is open."""
        if self.nbytes == 0:
            return np.empty(tuple(shape), dtype)
        buffer: Any = (ctypes.c_ubyte * self.nbytes).from_address(self.address)
        return np.ndarray(tuple(shape), dtype, buffer, offset, None if strides is None else tuple(strides))

    def close(self) -> None:
        if self._map is not None:
            _libc().munmap(self._map, self._total)
            self._map = None

    def __del__(self) -> None:
        if getattr(self, "_map", None) is not None:
            self.close()


@dataclass(frozen=True)
class Watched:
    """A region by the name that the messages of a launch give it."""

    region: Region
    name: str

    def where(self, address: int) -> str:
        """The address in words, relative to the memory it missed."""
        offset = address - self.region.address
        if 0 <= offset < self.region.nbytes:
            return f": {self.name} is read-only for this kernel (const), byte offset {offset}"
        if offset >= self.region.nbytes:
            return f" {offset - self.region.nbytes} bytes past the end of {self.name}"
        return f" {-offset} bytes before the start of {self.name}"
