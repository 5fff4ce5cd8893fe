"""Planted for synccheck: half of the threads of a warp do not come to a barrier."""

from kbench import Launch, cdiv, kernel


@kernel("divergent_barrier.cu", entry="divergent_barrier", axes={"n": [4096], "threads": [256]})
def divergent_barrier(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n, threads), block=threads, args=(y, x, n),
        outputs={"y": (y, lambda: x + xp.float32(1))},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
