"""A pytest fixture that gives pytest-benchmark GPU-correct samples of kernels: `kbench_benchmark`.

pytest-benchmark times what Python can see of a call. Here kbench takes the samples, in its worker and with its clocks,
and pytest-benchmark only files them, so that its tables, JSON, comparisons and histograms work on kernels:

    def test_copy(kbench_benchmark):
        kbench_benchmark("copy", nbytes=2**20, dtype="float32", variant="uint4", threads=128)

Nothing of kbench is loaded before a test uses the fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from kbench.api.timing import Timing
    from kbench.experiment.result import Result
    from kbench.intent.spec import Kernel


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("kbench").addoption(
        "--kbench-device", default="auto", metavar="auto|cuda|cuda:N|cpu", help="Where kbench_benchmark runs kernels."
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """pytest-benchmark takes a timer for each test, from the closest marker: it gets one that replays the samples."""
    for item in items:
        if "kbench_benchmark" in getattr(item, "fixturenames", ()):
            given = item.get_closest_marker("benchmark")
            options = {**(given.kwargs if given else {}), "timer": Replay()}
            item.add_marker(pytest.mark.benchmark(**options), append=False)


class Replay:
    """A timer that reads the given samples: every first reading of a round is 0, every second one the sample."""

    __name__ = "kbench"

    def __init__(self) -> None:
        self._readings: Iterator[float] = iter(())

    def load(self, samples: Sequence[float]) -> None:
        self._readings = iter([reading for sample in samples for reading in (0.0, sample)])

    def __call__(self) -> float:
        return next(self._readings)


class KernelBenchmark:
    """What the fixture gives. Use it once in a test, as pytest-benchmark's own."""

    def __init__(self, benchmark: Any, replay: Replay, device: str) -> None:
        self._benchmark, self._replay, self.device = benchmark, replay, device

    def __call__(
        self, kernel: str | Path | Kernel, *, cache: str = "cold", clock: str = "auto", path: Any = None,
        method: dict[str, Any] | None = None, **axes: Any,
    ) -> Result:  # fmt: skip
        """Compile, check and time one configuration; its samples become the rounds, and its row is returned.

        axes: one value each; those left out take the kernel's own only value. method: precision, samples, … as for
        kbench.sweep. The test is skipped where the spec skips the configuration, and fails with the row's message where
        the kernel is wrong or does not run. Raises UsageError where the axes leave several configurations.
        """
        from kbench.api import sweep
        from kbench.errors import UsageError

        how = {"samples": 1} if self._benchmark.disabled else method or {}
        rows = sweep(kernel, axes=axes, device=self.device, path=path, cache=cache, clock=clock, **how)
        if len(rows) != 1:
            several = ", ".join(row.config.id for row in rows[:3])
            raise UsageError(f"one test times one configuration; these axes leave {len(rows)}: {several}, …")
        result, measured = rows[0], rows[0].measurement
        if result.status == "skipped":
            pytest.skip(f"{result.config.id}: {result.message}")
        if result.status != "ok" or measured is None:
            pytest.fail(f"{result.status}: {result.config.id}: {result.message}", pytrace=False)
        self._file([sample - measured.correction_s for sample in measured.samples_s], rows.to_dicts()[0])
        return result

    def callable(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Timing:
        """Time fn(*args) as kbench.measure does, with its options; the samples become the rounds."""
        from kbench.api import measure

        timing = measure(fn, *args, **{"device": self.device, **options})
        known = {"time_s": timing.center_s, "clock": timing.clock, "cache": timing.cache, "floor_s": timing.floor_s}
        samples = [sample - timing.correction_s for sample in timing.samples]
        self._file(samples, {**known, "clock_note": timing.note, "gbps": timing.gbps})
        return timing

    def _file(self, samples: Sequence[float], info: dict[str, Any]) -> None:
        self._benchmark.extra_info.update({name: value for name, value in info.items() if value is not None})
        self._replay.load(samples)
        self._benchmark.pedantic(_replayed, rounds=len(samples), iterations=1)


def _replayed() -> None:
    """Stands for the kernel, which has run already."""


@pytest.fixture
def kbench_benchmark(request: pytest.FixtureRequest, benchmark: Any) -> KernelBenchmark:
    """Times kernels and GPU callables with kbench, and files the samples with pytest-benchmark."""
    marker = request.node.get_closest_marker("benchmark")
    return KernelBenchmark(benchmark, marker.kwargs["timer"], request.config.getoption("--kbench-device"))
