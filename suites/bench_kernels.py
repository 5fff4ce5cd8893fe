"""The bundled kernels under pytest-benchmark: pytest suites/bench_kernels.py --benchmark-autosave

On a GPU sizes that fill it, on the cpu device small ones. A later run with --benchmark-compare is held against the one
that was saved; --benchmark-histogram draws them. Needs the plugin kbench.pytest_plugin, which comes with kbench, and
pytest-benchmark[histogram].
"""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def small(kbench_benchmark: Any) -> bool:
    """Whether there is no GPU to fill."""
    from kbench.machine.choose import choose

    return choose(kbench_benchmark.device).kind == "cpu"


@pytest.mark.benchmark(group="copy")
@pytest.mark.parametrize("variant", ["naive", "float4", "uint4", "unrolled"])
def test_copy(kbench_benchmark: Any, small: bool, variant: str) -> None:
    nbytes = 2**16 if small else 2**28
    kbench_benchmark("copy", nbytes=nbytes, dtype="float32", variant=variant, threads=128)


@pytest.mark.benchmark(group="copy_blocks")
@pytest.mark.parametrize("variant", ["naive", "uint4", "split"])
def test_copy_blocks(kbench_benchmark: Any, small: bool, variant: str) -> None:
    axes = {"layers": 2, "pairs": 2, "dim": 64} if small else {"layers": 32, "pairs": 64, "dim": 128}
    kbench_benchmark("copy_blocks", dtype="float16", variant=variant, threads=128, loads=2, **axes)


@pytest.mark.benchmark(group="transpose")
@pytest.mark.parametrize("variant", ["naive", "tiled", "padded", "vector"])
def test_transpose(kbench_benchmark: Any, small: bool, variant: str) -> None:
    n = 128 if small else 8192
    kbench_benchmark("transpose", rows=n, cols=n, dtype="float32", variant=variant, threads=256, group=8)


@pytest.mark.benchmark(group="reshape_and_cache")
@pytest.mark.parametrize("slots", ["consecutive", "random"])
def test_reshape_and_cache(kbench_benchmark: Any, small: bool, slots: str) -> None:
    axes = {"tokens": 64, "heads": 2, "dim": 64} if small else {"tokens": 4096, "heads": 8, "dim": 128}
    kbench_benchmark("reshape_and_cache", slots=slots, dtype="float16", threads=128, variant="naive", **axes)


@pytest.mark.benchmark(group="callables")
def test_fill(kbench_benchmark: Any, small: bool) -> None:
    """A library's own call beside the kernels: CuPy's fill, or NumPy's where there is no GPU."""
    if small:
        import numpy as xp
    else:
        import cupy as xp
    y = xp.empty(2**16 if small else 2**26, dtype=xp.float32)
    kbench_benchmark.callable(y.fill, 1.0, bytes=y.nbytes)
