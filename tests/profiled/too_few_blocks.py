"""Planted for the rule too-little-parallelism: four blocks go through an array that could feed every multiprocessor."""

from kbench import Launch, kernel


@kernel("too_few_blocks.cu", entry="too_few_blocks", axes={"n": [2**14, 2**24], "threads": [256]})
def too_few_blocks(xp, rng, *, n, threads):
    x = rng.random(n)
    y = xp.empty_like(x)
    return Launch(
        grid=4, block=threads, args=(y, x, n),
        outputs={"y": (y, lambda: x + xp.float32(1))},
        bytes_read=x.nbytes, bytes_written=y.nbytes, formula="2 n 4",
    )  # fmt: skip
