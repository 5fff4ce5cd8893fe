"""Planted for the rule bandwidth-bound: nothing else is wrong with this copy of far more than L2 holds."""

from kbench import Launch, cdiv, kernel


@kernel("streaming_copy.cu", entry="streaming_copy", axes={"n": [2**14, 2**27], "threads": [256]})
def streaming_copy(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n // 4, threads), block=threads, args=(y, x, n // 4),
        outputs={"y": (y, lambda: x)},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
