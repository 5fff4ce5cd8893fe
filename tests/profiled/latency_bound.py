"""Planted for the rule latency-bound: chains of loads that wait for each other, on a full GPU."""

from kbench import Launch, cdiv, kernel


@kernel("latency_bound.cu", entry="latency_bound", axes={"n": [2**16, 2**24], "threads": [256]})
def latency_bound(xp, rng, *, n, threads):
    step, walkers = n // 32, n // 64
    following = ((xp.arange(n) + step) % n).astype("int32")
    y = xp.empty(walkers, "int32")
    return Launch(
        grid=cdiv(walkers, threads), block=threads, args=(y, following, walkers),
        outputs={"y": (y, lambda: (xp.arange(walkers) + 31 * step).astype("int32"))},
        bytes_read=31 * walkers * 4, bytes_written=y.nbytes, formula="32 n / 64 4",
    )  # fmt: skip
