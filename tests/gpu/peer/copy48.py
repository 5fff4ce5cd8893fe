"""The same kernel as a spec of kbench: 4 sizes, 4 thread counts, 3 vector widths."""

from __future__ import annotations

from typing import Any

import numpy as np

from kbench import Launch, Out, cdiv, kernel


@kernel(
    "copy48.cu",
    entry="copy48",
    axes={"nbytes": "64KiB..256MiB:x16", "threads": [128, 256, 512, 1024], "vec": [1, 2, 4]},
    defines=("VEC={vec}",),
)
def copy48(xp: Any, rng: Any, *, nbytes: int, threads: int, vec: int) -> Launch:
    n = nbytes // 4
    src = rng.bits(n, "float32")
    dst = xp.empty_like(src)
    # The name of an extern "C" kernel does not tell its parameters: n is passed with its size.
    return Launch(
        grid=cdiv(n, threads * vec), block=threads, args=(dst, src, np.int64(n)),
        outputs={"dst": Out(dst, src, exact=True)},
        bytes_read=nbytes, bytes_written=nbytes, formula="2 nbytes",
    )  # fmt: skip
