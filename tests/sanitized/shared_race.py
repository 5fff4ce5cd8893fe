"""Planted for racecheck: a missing barrier."""

from kbench import Launch, cdiv, kernel


def swapped(xp, x):
    """Each element beside its partner in a block of 256: warps swapped in pairs."""
    return x.reshape(-1, 2, 32)[:, ::-1].ravel() + xp.float32(1)


@kernel("shared_race.cu", entry="shared_race", axes={"n": [4096], "threads": [256]})
def shared_race(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n, threads), block=threads, args=(y, x, n),
        outputs={"y": (y, lambda: swapped(xp, x))},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
