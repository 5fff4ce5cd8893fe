"""Planted for initcheck: reads what it should only write."""

from kbench import Launch, cdiv, kernel


@kernel("uninitialised_read.cu", entry="uninitialised_read", axes={"n": [4096], "threads": [256]})
def uninitialised_read(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n, threads), block=threads, args=(y, x, n),
        outputs={"y": (y, lambda: x)},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
