"""Planted for the rule occupancy-block-size: blocks of one warp, of which 32 fill a multiprocessor of 64."""

from kbench import Launch, cdiv, kernel


@kernel("limited_by_blocks.cu", entry="limited_by_blocks", axes={"n": [2**14, 2**25], "threads": [32]})
def limited_by_blocks(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n, threads), block=threads, args=(y, x, n),
        outputs={"y": (y, lambda: x + xp.float32(1))},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
