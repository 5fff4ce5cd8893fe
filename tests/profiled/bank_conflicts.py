"""Planted for the rule bank-conflicts: all lanes of a warp read the same bank of shared memory, 32 passes for one."""

from kbench import Launch, cdiv, kernel


@kernel("bank_conflicts.cu", entry="bank_conflicts", axes={"n": [2**14, 2**24], "threads": [256]})
def bank_conflicts(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty(cdiv(n, 1024) * threads, "float32")
    return Launch(
        grid=cdiv(n, 1024), block=threads, args=(y, x, n),
        outputs={"y": (y, lambda: xp.repeat(2 * x.reshape(-1, 1, 32, 32).sum(axis=3), threads // 32, axis=1).ravel())},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="n 4 + n / 1024 threads 4",
    )  # fmt: skip
