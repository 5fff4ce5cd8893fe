"""The kernels whose best is a roof: ordinary specs, swept, checked and timed like any other."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from kbench import Call, Copy, Launch, Op, Out, Skip, cdiv, host, kernel

PARTS = {"read": 1, "write": 1, "copy": 2, "2to1": 3, "1to2": 3}
CHAINS, TIMES = 8, 1025
BASELINES = ("memcpy", "memcpy_threads")


@kernel(
    "roof.cu",
    entry="roof_{mix}<{unroll}>",
    axes={
        "mix": list(PARTS), "nbytes": "2^16..2^32:x2", "variant": ["kernel", *BASELINES],
        "threads": [128, 256, 512], "unroll": [1, 4, 8],
    },
    tuning=("variant", "threads", "unroll"),
    baselines=BASELINES,
)  # fmt: skip
def roof(xp: Any, rng: Any, *, mix: str, nbytes: int, variant: str, threads: int, unroll: int) -> Launch | Op:
    """Device memory at a mix of reads and writes; nbytes is everything read and written."""
    if variant != "kernel" and mix != "copy":
        raise Skip("memcpy has one mix: a byte written for each byte read")
    n = max(nbytes // PARTS[mix] // 16, 1)
    x = rng.bits((n, 4), "uint32") if mix != "write" else None
    y = xp.empty((n, 4), "uint32")
    if variant != "kernel":
        return _memcpy(y, x, variant)
    made = {"read": _read, "write": _write, "copy": _copy, "2to1": _two_to_one, "1to2": _one_to_two}[mix]
    return made(xp, rng, x, y, cdiv(n, threads * unroll), threads, unroll)


def _memcpy(y: Any, x: Any, variant: str) -> Op:
    step: Any = Copy(y, x) if variant == "memcpy" else Call(_copy_in_threads, (y, x))
    return Op(steps=[step], outputs={"y": Out(y, x, exact=True)}, bytes_read=x.nbytes, bytes_written=y.nbytes)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1)


def _copy_in_threads(y: Any, x: Any) -> None:
    rows = cdiv(len(x), os.cpu_count() or 1)
    parts = [slice(start, start + rows) for start in range(0, len(x), rows)]
    list(_pool().map(lambda part: np.copyto(y[part], x[part]), parts))


def _read(xp: Any, rng: Any, x: Any, y: Any, grid: int, threads: int, unroll: int) -> Launch:
    sums = xp.empty(grid, "uint32")

    return Launch(
        grid=grid, block=threads, args=(sums, x, len(x)), bytes_read=x.nbytes,
        outputs={"sums": Out(sums, lambda: _chunk_sums(xp, x, grid, threads * unroll), exact=True)},
    )  # fmt: skip


def _chunk_sums(xp: Any, x: Any, grid: int, rows_each: int) -> Any:
    """Sums, as uint32, of the rows that each block reads."""
    rows = x.sum(axis=1, dtype=np.uint32)
    padded = xp.zeros(grid * rows_each, np.uint32)
    padded[: len(rows)] = rows
    return padded.reshape(grid, -1).sum(axis=1, dtype=np.uint32)


def _write(xp: Any, rng: Any, x: Any, y: Any, grid: int, threads: int, unroll: int) -> Launch:
    def expected() -> Any:
        words = xp.arange(len(y), dtype=np.uint32) * xp.uint32(2654435761)
        return xp.ascontiguousarray(xp.broadcast_to(words[:, None], y.shape))

    return Launch(
        grid=grid, block=threads, args=(y, len(y)), outputs={"y": Out(y, expected, exact=True)}, bytes_written=y.nbytes
    )


def _copy(xp: Any, rng: Any, x: Any, y: Any, grid: int, threads: int, unroll: int) -> Launch:
    return Launch(
        grid=grid, block=threads, args=(y, x, len(x)), outputs={"y": Out(y, x, exact=True)},
        bytes_read=x.nbytes, bytes_written=y.nbytes,
    )  # fmt: skip


def _two_to_one(xp: Any, rng: Any, x: Any, y: Any, grid: int, threads: int, unroll: int) -> Launch:
    b = rng.bits(x.shape, "uint32")
    return Launch(
        grid=grid, block=threads, args=(y, x, b, len(x)), outputs={"y": Out(y, lambda: x ^ b, exact=True)},
        bytes_read=x.nbytes + b.nbytes, bytes_written=y.nbytes,
    )  # fmt: skip


def _one_to_two(xp: Any, rng: Any, x: Any, y: Any, grid: int, threads: int, unroll: int) -> Launch:
    z = xp.empty_like(y)
    return Launch(
        grid=grid, block=threads, args=(y, z, x, len(x)),
        outputs={"y": Out(y, x, exact=True), "z": Out(z, x, exact=True)},
        bytes_read=x.nbytes, bytes_written=y.nbytes + z.nbytes,
    )  # fmt: skip


@kernel(
    "roof.cu",
    entry="l2_{mix}<{unroll}>",
    axes={"mix": ["read", "copy"], "nbytes": "2^20..2^25:x2", "passes": 64, "threads": [256, 512], "unroll": [1, 4, 8]},
    tuning=("threads", "unroll"),
)
def l2(xp: Any, rng: Any, *, mix: str, nbytes: int, passes: int, threads: int, unroll: int) -> Launch:
    """What stays in L2, read or copied `passes` times in one launch. The bytes are those of one pass."""
    n = max(nbytes // PARTS[mix] // 16, 1)
    x = rng.bits((n, 4), "uint32")
    grid = cdiv(n, threads * unroll)
    if mix == "copy":
        y = xp.empty_like(x)
        return Launch(
            grid=grid, block=threads, args=(y, x, n, passes), outputs={"y": Out(y, x, exact=True)},
            bytes_read=x.nbytes, bytes_written=y.nbytes,
        )  # fmt: skip
    sums = xp.empty(grid, "uint32")

    def expected() -> Any:
        chunks = _chunk_sums(xp, x, grid, threads * unroll)
        return sum((xp.roll(chunks, -p) for p in range(passes)), xp.zeros_like(chunks))

    return Launch(
        grid=grid, block=threads, args=(sums, x, n, passes), outputs={"sums": Out(sums, expected, exact=True)},
        bytes_read=x.nbytes,
    )  # fmt: skip


@kernel(
    "roof.cu",
    entry="",
    axes={"direction": ["h2d", "d2h"], "memory": ["pinned", "pageable"], "nbytes": "2^16..2^28:x2"},
    tuning=(),
)
def link(xp: Any, rng: Any, *, direction: str, memory: str, nbytes: int) -> Op:
    """The host link, one way."""
    x = rng.bits(nbytes)
    far = host(x, pinned=memory == "pinned")
    if direction == "h2d":
        y = xp.empty_like(x)
        return Op(steps=[Copy(y, far)], outputs={"y": Out(y, x, exact=True)}, bytes_h2d=nbytes)
    y = host(nbytes, pinned=memory == "pinned")
    return Op(steps=[Copy(y, x)], outputs={"y": Out(y, x, exact=True)}, bytes_d2h=nbytes)


@kernel(
    "roof.cu",
    entry="fma_peak_{precision}",
    axes={"precision": ["fp32", "fp16"], "threads": [128, 256, 512], "blocks": 4096},
)
def fma_peak(xp: Any, rng: Any, *, precision: str, threads: int, blocks: int) -> Launch:
    """Multiply-adds outside the tensor cores, operands in registers. x -> c - x, so every value stays exact in half."""
    c = 127.0
    x = rng.integers(0, 128, blocks * threads, "int64").astype("float32")
    y = xp.empty_like(x)
    lanes = 2 if precision == "fp16" else 1
    drift = CHAINS * (CHAINS - 1) / 2
    return Launch(
        grid=blocks, block=threads, args=(y, x, -1.0, c, TIMES),
        outputs={"y": Out(y, lambda: lanes * (CHAINS * (c - x) - xp.float32(drift)), exact=True)},
        bytes_read=x.nbytes, bytes_written=y.nbytes, flops=2 * lanes * CHAINS * TIMES * len(x),
    )  # fmt: skip
