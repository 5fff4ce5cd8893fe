"""Planted for the rule launch-bound: starting it takes as long as what it does."""

from kbench import Launch, cdiv, kernel


@kernel("two_microseconds.cu", entry="two_microseconds", axes={"n": [2**14], "threads": [256]})
def two_microseconds(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n, threads), block=threads, args=(y, x, n),
        outputs={"y": (y, lambda: x + xp.float32(1))},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
