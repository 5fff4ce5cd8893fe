"""The cpu device's one clock, "host": wall time of an emulated run. Never a GPU's performance, and labelled so."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kbench.errors import UsageError, did_you_mean
from kbench.machine.binary import Target
from kbench.machine.build import BuildRequest, build
from kbench.machine.cpu.launch import Conditions, Library, PreparedLaunch
from kbench.machine.device import Batch
from kbench.machine.floors import Floors

_UNKNOWN_CACHE, _LARGEST_FLUSH = 32 << 20, 512 << 20
_FLOOR_SAMPLES = 15
_MIB = 1 << 20


@cache
def last_level_cache_bytes() -> int | None:
    """Size of the largest cache of CPU 0, from sysfs; None where it does not tell."""
    sizes = []
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text().strip()
        if text[:-1].isdigit() and text[-1] in "KM":
            sizes.append(int(text[:-1]) << (10 if text[-1] == "K" else 20))
    return max(sizes, default=None)


def flush_buffer() -> np.ndarray[Any, Any]:
    """Memory to read all of, so that nothing else is left in the caches and nothing in them is dirty: twice the last
    level's, within reason."""
    size = min(2 * (last_level_cache_bytes() or _UNKNOWN_CACHE), _LARGEST_FLUSH)
    return np.ones(size // 8, np.uint64)


class HostClock:
    """Times the steps of Ops that were built in one mode."""

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._floors = Floors()

    @cached_property
    def empty(self) -> Library:
        """An empty kernel, compiled like the kernels that are timed."""
        source = Path(__file__).with_name("empty.cu")
        return Library(build(BuildRequest(str(source), "empty", Target("cpu", self._mode))))

    def choose(self, asked: str, cache: str) -> tuple[str, str]:
        if asked not in ("auto", "host"):
            raise UsageError(f"the cpu device has no clock {asked!r}: only host{did_you_mean(asked, ['host', 'auto'])}")
        if cache not in ("cold", "warm"):
            raise UsageError(f"the cpu device samples cold or warm, not {cache!r}")
        return "host", "the only clock of the cpu device"

    def sample(self, runs: Sequence[Callable[[], int | None]], count: int, cache: str, conditions: Conditions) -> Batch:
        """`count` runs of all steps. A single launch or copy is timed by the native code around it, several steps by
        Python's clock around them."""
        elapsed = []
        native = len(runs) == 1
        for _ in range(count):
            if cache == "cold":
                self._flush()
            start = time.perf_counter_ns()
            inner = [run() for run in runs]
            outer = time.perf_counter_ns() - start
            native = native and inner[0] is not None
            elapsed.append((inner[0] if native and inner[0] is not None else outer) * 1e-9)
        return Batch("host", cache, tuple(elapsed), (), self._floor(native, conditions), self._note(native, cache))

    def _floor(self, native: bool, conditions: Conditions) -> float:
        way = (native, conditions.worker_count, conditions.timeout_s is None)
        return self._floors.of(way, lambda: self._nothing(native, conditions))

    def _nothing(self, native: bool, conditions: Conditions) -> list[float]:
        """Samples of an empty kernel, seconds."""
        grid = (conditions.worker_count, 1, 1)
        null = PreparedLaunch(
            self.empty, grid=grid, block=(1, 1, 1), shared_bytes=0, arguments=(), conditions=conditions
        )
        samples = []
        for _ in range(_FLOOR_SAMPLES):
            start = time.perf_counter_ns()
            inner = null.run()
            samples.append((inner if native else time.perf_counter_ns() - start) * 1e-9)
        return samples

    @cached_property
    def _flush_buffer(self) -> np.ndarray[Any, Any]:
        return flush_buffer()

    def _flush(self) -> None:
        """A read-only pass: what it evicts later is clean."""
        self._flush_buffer.sum()

    def _note(self, native: bool, cache: str) -> str:
        around = "clocked by the launcher, Python excluded" if native else "perf_counter around all steps"
        parts = [f"emulated on the cpu ({self._mode} build), no measure of a GPU", around]
        if cache == "cold":
            known = last_level_cache_bytes()
            size = self._flush_buffer.nbytes // _MIB
            what = "an unknown last-level cache" if known is None else f"a last-level cache of {known // _MIB} MiB"
            parts.append(f"cold: a read-only pass over {size} MiB before each sample ({what})")
        return "; ".join(parts)

    def close(self) -> None:
        if "empty" in self.__dict__:
            self.__dict__.pop("empty").close()
        self.__dict__.pop("_flush_buffer", None)
