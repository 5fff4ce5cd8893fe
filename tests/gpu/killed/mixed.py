"""y = x + 1 in a hundred configurations a problem, five of which are planted faults where `faulty` says so."""

from kbench import Launch, cdiv, kernel

FAULTS = {3: "outside", 17: "endless", 24: "wrong", 51: "uncompilable", 88: "memory"}
TEMPLATES = {"": 0, "outside": 1, "endless": 2, "wrong": 3, "uncompilable": 4, "memory": 0}
MORE_THAN_ANY_GPU_HAS = 2**40


def fault_of(i, faulty):
    return FAULTS.get(i, "") if faulty == "yes" else ""


def entry(*, i, faulty, **_):
    return f"mixed<{TEMPLATES[fault_of(i, faulty)]}>"


@kernel(
    "mixed.cu", entry=entry, tuning=("i",),
    axes={"n": [2**14, 2**16, 2**18], "i": list(range(100)), "faulty": ["no", "yes"]},
)  # fmt: skip
def mixed(xp, rng, *, n, i, faulty):
    x = rng.random(n)
    y = xp.empty_like(x)
    if fault_of(i, faulty) == "memory":
        xp.empty(MORE_THAN_ANY_GPU_HAS, xp.uint8)
    threads = 64 * (1 + i % 8)
    return Launch(
        grid=cdiv(n, threads), block=threads, args=(y, x, n),
        outputs={"y": (y, lambda: x + xp.float32(1))},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
