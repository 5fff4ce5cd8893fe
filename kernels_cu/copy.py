"""Copies nbytes of device memory to another place in it: the plainest kernel, and the roof of every other one."""

from __future__ import annotations

from typing import Any

from kbench import Copy, Launch, Op, Out, Skip, cdiv, kernel

VECTOR_BYTES = {"float2": 8, "float4": 16, "uint2": 8, "uint4": 16}


def entry(*, variant: str, dtype: Any, loads: int = 0, hint: str = "", **_: Any) -> str:
    if variant == "naive":
        return f"copy_naive<{dtype.cpp}>"
    if variant in ("unrolled", "looping"):
        return f"copy_{variant}<{dtype.cpp}, {loads}, {hint}>"
    return f"copy_vector<{dtype.cpp}, {variant}>"


@kernel(
    "copy.cu",
    entry=entry,
    axes={
        "nbytes": ["1MiB", "1GiB"],
        "dtype": ["float32", "float16"],
        "variant": ["naive", *VECTOR_BYTES, "unrolled", "memcpy"],
        "threads": [128, 256, 512],
        "loads": [4],
        "hint": ["streaming"],
        "grid": [1024],
    },
    tuning=("variant", "threads", "loads", "hint", "grid"),
    baselines=("memcpy",),
    only={"loads": ("unrolled", "looping"), "hint": ("unrolled", "looping"), "grid": ("looping",)},
    also={"variant": ["looping"], "hint": ["plain", "bypass", "evict_first"]},
)
def copy(
    xp: Any, rng: Any, *, nbytes: int, dtype: Any, variant: str, threads: int, loads: int, hint: str, grid: int
) -> Op | Launch:
    if nbytes % dtype.itemsize:
        raise Skip(f"nbytes is no multiple of the {dtype.itemsize} bytes of {dtype}")
    n = nbytes // dtype.itemsize
    src = rng.bits(n, dtype)
    dst = xp.empty_like(src)
    about: dict[str, Any] = {
        "outputs": {"dst": Out(dst, src, exact=True)},
        "bytes_read": nbytes,
        "bytes_written": nbytes,
        "formula": "2 nbytes",
    }
    if variant == "memcpy":
        return Op(steps=[Copy(dst, src)], **about)
    of_chunk = 16 * (loads or 1)
    per_thread = {"naive": dtype.itemsize, "unrolled": of_chunk, "looping": of_chunk} | VECTOR_BYTES
    blocks = cdiv(nbytes, threads * per_thread[variant])
    return Launch(grid=min(blocks, grid or blocks), block=threads, args=(dst, src, n), **about)
