"""Planted for the rule occupancy-shared-memory: 48 KiB of shared memory for each block of 128 threads."""

from kbench import Launch, cdiv, kernel


@kernel("limited_by_shared.cu", entry="limited_by_shared", axes={"n": [2**14, 2**25], "threads": [128]})
def limited_by_shared(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n, threads), block=threads, args=(y, x, n),
        outputs={"y": (y, lambda: x + xp.float32(1))},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
