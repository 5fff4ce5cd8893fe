"""Planted fault: the spec itself raises."""

from kbench import Launch, cdiv, kernel


@kernel("raises.cu", entry="raises", axes={"n": [4096], "threads": [128]})
def raises(xp, rng, *, n, threads):
    x = rng.random(n)
    sizes = {}
    return Launch(grid=cdiv(n, threads), block=threads, args=(x, x, sizes["n"]), outputs={}, bytes_read=x.nbytes)
