"""Planted for the rule divergent: lanes of a warp loop between 16 and 2048 times, so that most of them are idle."""

from kbench import Launch, cdiv, kernel


@kernel("divergence.cu", entry="divergence", axes={"n": [2**14, 2**20], "threads": [256]})
def divergence(xp, rng, *, n, threads):
    x = rng.integers(0, 256, n, "int32").astype("float32")
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n, threads), block=threads, args=(y, x, xp.float32(1), n),
        outputs={"y": (y, lambda: x + 16 * 2 ** (xp.arange(n) % 8).astype("float32"))},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
        flops=n * 2 * 510,
    )  # fmt: skip
