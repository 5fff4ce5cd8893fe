"""Copies nbytes of device memory to another place in it: the plainest kernel, and the roof of every other one."""

from __future__ import annotations

from typing import Any

from kbench import Copy, Launch, Op, Out, Skip, cdiv, kernel

VECTOR_BYTES = {"float2": 8, "float4": 16, "uint2": 8, "uint4": 16}


def entry(*, variant: str, dtype: Any, loads: int = 0, hint: str = "", **_: Any) -> str:
    if variant == "naive":
        return f"copy_naive<{dtype.cpp}>"
    if variant == "unrolled":
        return f"copy_unrolled<{dtype.cpp}, {loads}, {hint}>"
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
    },
    tuning=("variant", "threads", "loads", "hint"),
    baselines=("memcpy",),
    only={"loads": ("unrolled",), "hint": ("unrolled",)},
    also={"hint": ["plain", "bypass", "evict_first"]},
)
def copy(
    xp: Any, rng: Any, *, nbytes: int, dtype: Any, variant: str, threads: int, loads: int, hint: str
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
    per_thread = {"naive": dtype.itemsize, "unrolled": 16 * (loads or 1)} | VECTOR_BYTES
    return Launch(grid=cdiv(nbytes, threads * per_thread[variant]), block=threads, args=(dst, src, n), **about)
