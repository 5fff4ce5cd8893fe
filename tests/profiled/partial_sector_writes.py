"""Planted for the rule partial-sectors: 4-byte writes to random places, a sector each, of more than L2 holds."""

from kbench import Launch, cdiv, kernel


def scattered(xp, x, to):
    y = xp.empty_like(x)
    y[to] = x
    return y


@kernel("partial_sector_writes.cu", entry="partial_sector_writes", axes={"n": [2**14, 2**26], "threads": [256]})
def partial_sector_writes(xp, rng, *, n, threads):
    x = rng.random(n)
    to = rng.permutation(n).astype("int32")
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n, threads), block=threads, args=(y, x, to, n),
        outputs={"y": (y, lambda: scattered(xp, x, to))},
        bytes_read=x.nbytes + to.nbytes, bytes_written=y.nbytes, formula="3 n 4",
    )  # fmt: skip
