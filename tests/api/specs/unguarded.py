"""A spec that sweeps itself when it is imported."""

from typing import Any

import kbench
from kbench import Launch, kernel


@kernel("unguarded.cu", entry="nothing", axes={"n": [1]})
def unguarded(xp: Any, rng: Any, *, n: int) -> Launch:
    x = xp.zeros(n, dtype=xp.float32)
    return Launch(grid=1, block=1, args=(), outputs={"x": (x, x)}, bytes_written=4)


kbench.sweep(unguarded, device="cpu")
