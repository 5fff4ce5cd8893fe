"""Planted fault: writes 16 bytes past the end of y."""

from kbench import Launch, cdiv, kernel


@kernel("past_the_end.cu", entry="past_the_end", axes={"n": [4096], "threads": [128]})
def past_the_end(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n + 4, threads), block=threads, args=(y, x, n),
        outputs={"y": (y, lambda: x + xp.float32(1))},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
