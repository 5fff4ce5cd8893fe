"""Planted for the rule cache-resident: a copy of 4 MiB that comes out of L2; profile it with --cache warm."""

from kbench import Launch, cdiv, kernel


@kernel("cache_resident.cu", entry="cache_resident", axes={"n": [2**14, 2**20], "threads": [256]})
def cache_resident(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n // 4, threads), block=threads, args=(y, x, n // 4),
        outputs={"y": (y, lambda: x)},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
