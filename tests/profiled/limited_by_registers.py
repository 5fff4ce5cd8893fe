"""Planted for the rule occupancy-registers: 128 values held at a time, more than 128 registers a thread."""

from kbench import Launch, cdiv, kernel


def summed(xp, x, each, step):
    held = x.reshape(128, each)
    total = x[xp.arange(each) + 31 * step]
    for k in range(128):
        total = total * held[(k * 29 + 5) % 128] + held[k]
    return total


@kernel("limited_by_registers.cu", entry="limited_by_registers", axes={"n": [2**16, 2**24], "threads": [256]})
def limited_by_registers(xp, rng, *, n, threads):
    each, step = n // 128, n // 32
    x = rng.random(n)
    following = ((xp.arange(n) + step) % n).astype("int32")
    y = xp.empty(each, "float32")
    return Launch(
        grid=cdiv(each, threads), block=threads, args=(y, x, following),
        outputs={"y": (y, lambda: summed(xp, x, each, step))},
        bytes_read=x.nbytes + 31 * each * 4, bytes_written=y.nbytes, formula="(n + 32 n / 128) 4",
    )  # fmt: skip
