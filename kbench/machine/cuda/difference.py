"""Where two pieces of memory differ, compared where they lie."""

from __future__ import annotations

from typing import Any

from kbench.machine.cuda.blocks import bytes_at

_CHUNK = 16 * 2**20
"""Bytes compared at a time: the temporaries stay small, however large the arrays."""


def first_difference(now: int, before: int, nbytes: int, *, on_host: bool) -> int | None:
    """The offset of the first byte that differs, both addresses on the GPU or both on the host; None if none does."""
    view = bytes_at if on_host else _device_bytes
    for start in range(0, nbytes, _CHUNK):
        size = min(_CHUNK, nbytes - start)
        bad = view(now + start, size) != view(before + start, size)
        if bool(bad.any()):
            return start + int(bad.argmax())
    return None


def _device_bytes(address: int, nbytes: int) -> Any:
    import cupy

    memory = cupy.cuda.UnownedMemory(address, nbytes, None)
    return cupy.ndarray((nbytes,), dtype=cupy.uint8, memptr=cupy.cuda.MemoryPointer(memory, 0))
