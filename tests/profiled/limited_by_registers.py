"""Planted for the rule occupancy-registers: 128 values held at a time: more than 128 registers a thread."""

from kbench import Launch, cdiv, kernel


def summed(xp, x, each):
    held = x.reshape(128, each)
    total = xp.zeros(each, "float32")
    for k in range(128):
        total = total * held[(k * 29 + 5) % 128] + held[k]
    return total


@kernel("limited_by_registers.cu", entry="limited_by_registers", axes={"n": [2**16, 2**25], "threads": [256]})
def limited_by_registers(xp, rng, *, n, threads):
    each = n // 128
    x = rng.random(each * 128)
    y = xp.empty(each, "float32")
    return Launch(
        grid=cdiv(each, threads), block=threads, args=(y, x),
        outputs={"y": (y, lambda: summed(xp, x, each))},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="n 4 + n / 128 4",
    )  # fmt: skip
