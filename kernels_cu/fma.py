"""K multiply-adds per element: the same bytes with more and more arithmetic, along the roofline."""

from __future__ import annotations

from typing import Any

from kbench import Launch, Out, cdiv, kernel

# a = -255/256 keeps |y| below 1 and still remembers x after 256 steps; its sign makes one step too many or too few
# visible. Both are exact in fp16.
A, B = -255 / 256, 1 / 8


def stepped(xp: Any, x: Any, k: int) -> Any:
    """fp16: every value that x in [0, 1] can have, taken k steps with one rounding each, then looked up."""
    y = xp.arange(0x3C01, dtype=xp.uint16).view(xp.float16)
    for _ in range(k):
        y = (y.astype(xp.float64) * A + B).astype(xp.float16)
    return y[x.view(xp.uint16).astype(xp.int64)]


def solved(xp: Any, x: Any, k: int) -> Any:
    """fp32: the closed form of k steps of y = a y + b, in float64."""
    return (x.astype(xp.float64) * A**k + B * (1 - A**k) / (1 - A)).astype(xp.float32)


@kernel(
    "fma.cu",
    entry="fma_{variant}<{dtype}, {k}>",
    axes={
        "n": ["2^14", "2^26"],
        "k": [0, 4, 16, 64, 256],
        "dtype": ["float32", "float16"],
        "variant": ["naive", "vector"],
        "threads": [128, 256],
    },
)
def fma(xp: Any, rng: Any, *, n: int, k: int, dtype: Any, variant: str, threads: int) -> Launch:
    x = rng.random(n, dtype)
    y = xp.empty_like(x)
    if dtype == "float32":  # each step rounds by at most half an ulp of a value below 1
        out = Out(y, lambda: solved(xp, x, k), rtol=0.0, atol=(k + 1) * 2.0**-24)
    else:  # steps are rounded alike; a double rounding may differ by an ulp of a value below 1
        out = Out(y, lambda: stepped(xp, x, k), rtol=0.0, atol=2.0**-9)
    per_thread = 16 // dtype.itemsize if variant == "vector" else 1
    scalar = xp.float32 if dtype == "float32" else xp.float16
    return Launch(
        grid=cdiv(n, threads * per_thread), block=threads, args=(y, x, scalar(A), scalar(B), n),
        outputs={"y": out}, bytes_read=x.nbytes, bytes_written=y.nbytes, flops=2 * k * n, formula="2 n itemsize",
    )  # fmt: skip
