"""Transposes: a row-major matrix, and [heads, tokens, dim] to [tokens, heads, dim] or back."""

from __future__ import annotations

from typing import Any

from kbench import Call, Launch, Op, Out, Skip, cdiv, kernel

STATIC_SHARED_BYTES = 48 * 1024


def matrix_entry(
    *, variant: str, dtype: Any, threads: int = 0, tile: int = 0, group: int = 0, hint: str = "", **_: Any
) -> str:
    more = {"tiled": ", 0", "padded": ", 1", "vector": f", {tile}, {threads}, {group}, {hint}"}.get(variant, "")
    return f"transpose_{'tiled' if variant == 'padded' else variant}<{dtype.cpp}{more}>"


@kernel(
    "transpose.cu",
    entry=matrix_entry,
    axes={
        "rows": [64, 8192],
        "cols": [8192],
        "dtype": ["float32", "float16"],
        "variant": ["naive", "tiled", "padded", "vector", "cupy"],
        "threads": [128, 256, 512],
        "tile": [64],
        "group": [1, 8],
        "hint": ["plain"],
    },
    tuning=("variant", "threads", "tile", "group", "hint"),
    baselines=("cupy",),
    only={"tile": ("vector",), "group": ("vector",), "hint": ("vector",)},
    also={"hint": ["streaming", "bypass", "evict_first"]},
)
def transpose(
    xp: Any, rng: Any, *, rows: int, cols: int, dtype: Any, variant: str, threads: int, tile: int, group: int, hint: str
) -> Op | Launch:
    """Transposes a row-major matrix of rows x cols elements."""
    x = rng.bits((rows, cols), dtype)
    out = xp.empty((cols, rows), x.dtype)
    about: dict[str, Any] = {
        "outputs": {"out": Out(out, lambda: xp.ascontiguousarray(x.T), exact=True)},
        "bytes_read": x.nbytes,
        "bytes_written": out.nbytes,
        "formula": "2 rows cols itemsize",
    }
    if variant == "cupy":
        return Op(steps=[Call(lambda to, what: xp.copyto(to, what.T), (out, x))], **about)
    side = 32
    if variant == "vector":
        side = tile
        if threads % 32:
            raise Skip("a block that loads whole tile rows is a multiple of 32 threads")
        if tile * dtype.itemsize % 128 or tile * tile * dtype.itemsize > STATIC_SHARED_BYTES:
            raise Skip(f"a tile of {tile} x {tile} {dtype} is not rows of 128 bytes within 48 KiB of shared memory")
    grid = cdiv(rows * cols, threads) if variant == "naive" else cdiv(rows, side) * cdiv(cols, side)
    return Launch(grid=grid, block=threads, args=(out, x, rows, cols), **about)


def heads_entry(*, variant: str, dtype: Any, loads: int = 0, hint: str = "", **_: Any) -> str:
    more = f", {loads}, {hint}" if variant == "vector" else ""
    return f"transpose_heads_{variant}<{dtype.cpp}{more}>"


@kernel(
    "transpose.cu",
    entry=heads_entry,
    axes={
        "layout": ["heads_first", "tokens_first"],
        "heads": [8],
        "tokens": [256, 65536],
        "dim": [128],
        "dtype": ["float16"],
        "variant": ["naive", "vector", "cupy"],
        "threads": [128, 256, 512],
        "loads": [1, 4],
        "hint": ["streaming"],
    },
    tuning=("variant", "threads", "loads", "hint"),
    baselines=("cupy",),
    only={"loads": ("vector",), "hint": ("vector",)},
    also={"hint": ["plain", "bypass", "evict_first"]},
)
def transpose_heads(
    xp: Any, rng: Any, *, layout: str, heads: int, tokens: int, dim: int, dtype: Any,
    variant: str, threads: int, loads: int, hint: str,
) -> Op | Launch:  # fmt: skip
    """Swaps heads and tokens of [heads, tokens, dim] (heads_first) or [tokens, heads, dim] (tokens_first)."""
    a, b = (heads, tokens) if layout == "heads_first" else (tokens, heads)
    x = rng.bits((a, b, dim), dtype)
    out = xp.empty((b, a, dim), x.dtype)
    about: dict[str, Any] = {
        "outputs": {"out": Out(out, lambda: xp.ascontiguousarray(x.transpose(1, 0, 2)), exact=True)},
        "bytes_read": x.nbytes,
        "bytes_written": out.nbytes,
        "formula": "2 heads tokens dim itemsize",
        "items": {"tokens": tokens},
    }
    if variant == "cupy":
        return Op(steps=[Call(lambda to, what: xp.copyto(to, what.transpose(1, 0, 2)), (out, x))], **about)
    if variant == "vector" and dim * dtype.itemsize % 16:
        raise Skip(f"a row of {dim} {dtype} is no multiple of 16 bytes")
    if x.nbytes >= 2**35:
        raise Skip("the vector's index has 32 bits: at most 32 GiB")
    units = x.nbytes // 16 if variant == "vector" else x.size
    return Launch(grid=cdiv(units, threads * (loads or 1)), block=threads, args=(out, x, a, b, dim), **about)
