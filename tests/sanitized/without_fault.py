"""Without a fault."""

from kbench import Launch, cdiv, kernel


def swapped(xp, x):
    """Each element beside its partner in a block of 256: warps swapped in pairs."""
    return x.reshape(-1, 2, 32)[:, ::-1].ravel() + xp.float32(1)


@kernel("without_fault.cu", entry="without_fault", axes={"n": [4096], "threads": [256]})
def without_fault(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty_like(x)
    return Launch(
        grid=cdiv(n, threads), block=threads, args=(y, x, n),
        outputs={"y": (y, lambda: swapped(xp, x))},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
