"""Planted for memcheck: one element past the end of y."""

from kbench import Launch, cdiv, kernel


@kernel("out_of_bounds.cu", entry="out_of_bounds", axes={"n": [4096], "threads": [256]})
def out_of_bounds(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n + 1, threads), block=threads, args=(y, x, n),
        outputs={"y": (y, lambda: x + xp.float32(1))},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
