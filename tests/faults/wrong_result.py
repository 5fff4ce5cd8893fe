"""Planted fault: one wrong element."""

from kbench import Launch, cdiv, kernel


@kernel("wrong_result.cu", entry="wrong_result", axes={"n": [4096], "threads": [128]})
def wrong_result(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n, threads), block=threads, args=(y, x, n),
        outputs={"y": (y, lambda: x + xp.float32(1))},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
