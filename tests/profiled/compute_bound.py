"""Planted for the rule compute-bound: chains of multiply-adds in registers, eight at a time, for each 8 bytes moved."""

from kbench import Launch, cdiv, kernel


@kernel("compute_bound.cu", entry="compute_bound", axes={"n": [2**12, 2**24], "threads": [256]})
def compute_bound(xp, rng, *, n, threads):
    x = rng.integers(0, 256, n, "int32").astype("float32")
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n, threads), block=threads, args=(y, x, xp.float32(1), n),
        outputs={"y": (y, lambda: 8 * (x + 512) + 28)},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
        flops=n * 2 * 8 * 512,
    )  # fmt: skip
