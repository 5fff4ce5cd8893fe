"""Planted for the rule spilling: 64 values at a time with 32 registers a thread."""

from kbench import Launch, cdiv, kernel


def summed(xp, x, each):
    held = x.reshape(64, each)
    total = xp.zeros(each, "float32")
    for k in range(64):
        total = total * held[(k * 29 + 5) % 64] + held[k]
    return total


@kernel("spills.cu", entry="spills", axes={"n": [2**17, 2**24], "threads": [1024]})
def spills(xp, rng, *, n, threads):
    each = n // 64
    x = rng.random(each * 64)
    y = xp.empty(each, "float32")
    return Launch(
        grid=cdiv(each, threads), block=threads, args=(y, x),
        outputs={"y": (y, lambda: summed(xp, x, each))},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="n 4 + n / 64 4",
    )  # fmt: skip
