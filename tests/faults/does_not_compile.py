"""Planted fault: the .cu file does not compile."""

from kbench import Launch, cdiv, kernel


@kernel("does_not_compile.cu", entry="does_not_compile", axes={"n": [4096], "threads": [128]})
def does_not_compile(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n, threads), block=threads, args=(y, x, n),
        outputs={"y": (y, lambda: x + xp.float32(1))},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
