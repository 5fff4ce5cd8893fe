"""Planted for the rule uncoalesced: a warp reads down a column, one sector for each of its 4-byte elements."""

from kbench import Launch, cdiv, kernel


@kernel("uncoalesced.cu", entry="uncoalesced", axes={"n": [2**14, 2**26], "threads": [256]})
def uncoalesced(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n, threads), block=threads, args=(y, x, n),
        outputs={"y": (y, lambda: x.reshape(-1, 1024).T.ravel())},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
