"""kbench.measure on a real GPU: CuPy and PyTorch, their streams, and what cannot be timed."""

from __future__ import annotations

from typing import Any

import pytest

import kbench
from kbench.errors import DeviceError, UsageError

pytestmark = pytest.mark.gpu
MIB = 2**20


@pytest.fixture
def arrays() -> tuple[Any, Any]:
    import cupy

    src = cupy.arange(64 * MIB // 4, dtype=cupy.float32)
    return cupy.zeros_like(src), src


def test_a_cupy_copy_is_as_fast_as_in_a_sweep(arrays: tuple[Any, Any]) -> None:
    import cupy

    dst, src = arrays
    timing = kbench.measure(cupy.copyto, dst, src, bytes=2 * src.nbytes)
    axes = {"nbytes": 64 * MIB, "dtype": "float32", "variant": "memcpy"}
    (row,) = kbench.sweep("copy", axes=axes, device="cuda")
    assert row.time_s is not None, row.message
    assert timing.clock in ("cupti", "events")
    assert timing.center_s == pytest.approx(row.time_s, rel=0.1)
    assert timing.gbps is not None
    assert timing.gbps > 100


def test_a_tiny_kernel_is_timed_without_python_s_gaps() -> None:
    import cupy

    x = cupy.zeros(256, dtype=cupy.float32)
    for clock in ("events", "auto"):
        timing = kbench.measure(x.fill, 1.0, clock=clock, cache="warm")
        assert timing.center_s < 8e-6, timing
        assert "gaps" not in timing.note


def test_the_caller_s_streams_are_what_they_were() -> None:
    import cupy

    x = cupy.zeros(256, dtype=cupy.float32)
    with cupy.cuda.Stream(non_blocking=True) as own:
        kbench.measure(x.fill, 1.0, samples=20)
        assert cupy.cuda.get_current_stream().ptr == own.ptr


def test_pytorch_work_goes_to_the_timed_stream(arrays: tuple[Any, Any]) -> None:
    torch = pytest.importorskip("torch")
    before = torch.cuda.current_stream()
    x = torch.ones(16 * MIB, device="cuda")
    y = torch.empty_like(x)
    timing = kbench.measure(y.copy_, x, bytes=2 * x.nbytes)
    assert torch.cuda.current_stream() == before
    assert timing.gbps is not None
    assert 100 < timing.gbps < 20_000
    by_host = kbench.measure(y.copy_, x, clock="host")
    assert timing.center_s < by_host.center_s < timing.center_s + 1e-3


def test_a_callable_that_waits_is_timed_and_says_so(arrays: tuple[Any, Any]) -> None:
    import cupy

    def waits() -> None:
        cupy.copyto(*arrays)
        cupy.cuda.get_current_stream().synchronize()

    timing = kbench.measure(waits, samples=20)
    assert "waits for the GPU itself" in timing.note
    assert "the hold gave up" not in timing.note


def test_work_on_another_stream_is_refused_and_the_host_s_clock_takes_it(arrays: tuple[Any, Any]) -> None:
    import cupy

    other = cupy.cuda.Stream(non_blocking=True)

    def stray() -> None:
        with other:
            for _ in range(20):
                cupy.copyto(*arrays)

    with pytest.raises(UsageError, match="stream that is not the current one"):
        kbench.measure(stray, clock="events")
    timing = kbench.measure(stray, clock="host", samples=20)
    assert timing.center_s > 20 * 2 * arrays[0].nbytes / 20e12


def test_gpu_arrays_are_not_timed_by_the_host_s_clock(arrays: tuple[Any, Any]) -> None:
    import cupy

    with pytest.raises(DeviceError, match="lies on a GPU"):
        kbench.measure(cupy.copyto, *arrays, device="cpu")


def test_sustained_needs_arrays_of_kbench_s_own(arrays: tuple[Any, Any]) -> None:
    import cupy

    with pytest.raises(UsageError, match="sustained"):
        kbench.measure(cupy.copyto, *arrays, cache="sustained")
