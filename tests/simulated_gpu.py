"""A GPU that is only a timeline: what is enqueued takes the time it is said to, and CuPy's few calls act on it.

One stream, in order. An event takes EVENT_S of its own; between two launches lies GAP_S. Times are exact, so that a
clock's arithmetic shows.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from kbench.machine.cuda.clocks import Clocks
from kbench.machine.cuda.program import Program

EVENT_S, GAP_S, NOTHING_S, FLUSH_S = 1.0e-6, 0.25e-6, 0.9e-6, 30e-6
Item = tuple[str, float]


class Stream:
    """CuPy's stream, as far as graphs need it: what is submitted between begin and end is captured, not run."""

    ptr = 7

    def __init__(self, gpu: SimulatedGpu) -> None:
        self._gpu = gpu

    def begin_capture(self) -> None:
        self._gpu.captured = []

    def end_capture(self) -> Any:
        items, self._gpu.captured = self._gpu.captured, None
        gpu = self._gpu

        def launch(stream: Any) -> None:
            gpu.now += 5e-6  # what starting a graph costs; in both of a pair
            gpu.calls += 1
            for name, seconds in items:
                gpu.run(name, seconds)

        return types.SimpleNamespace(upload=lambda stream: None, launch=launch)


class SimulatedGpu:
    """What Clocks needs of a CudaDevice. trace: (name, start, end) of all that ran, in seconds."""

    l2_bytes = 60 * 2**20

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1.0
        self.trace: list[tuple[str, float, float]] = []
        self.correlations: list[int] = []  # of each entry of the trace: the nodes of a graph share one
        self.calls = 0
        self.captured: list[Item] | None = None
        self.stamps: dict[int, float] = {}
        self.syncs = self.recorded = 0
        self._stream = Stream(self)
        self.nothing = self.program("kbench_nothing", NOTHING_S)
        self.mark = self.program("kbench_mark", NOTHING_S)
        self.instruments = types.SimpleNamespace(store=types.SimpleNamespace(prepare=self._store))
        monkeypatch.setitem(sys.modules, "cupy", self._cupy())
        monkeypatch.setitem(sys.modules, "cupy.cuda", sys.modules["cupy"].cuda)
        self.hold = Hold(self)
        self.clocks: Any = Clocks(self)  # type: ignore[arg-type]

    def enqueue(self, name: str, seconds: float) -> None:
        if self.captured is not None:
            self.captured.append((name, seconds))
            return
        self.calls += 1
        self.run(name, seconds)

    def run(self, name: str, seconds: float) -> None:
        start = self.now + GAP_S
        self.now = start + seconds
        self.trace.append((name, start, self.now))
        self.correlations.append(self.calls)

    def program(self, name: str, seconds: float, **more: Any) -> Program:
        return Program(1, "", [lambda: self.enqueue(name, seconds)], **more)

    def flush(self) -> None:
        self.enqueue("kbench_flush", FLUSH_S)

    def stream(self, number: int) -> Stream:
        return self._stream

    def synchronize(self) -> None:
        self.syncs += 1

    def _store(self, grid: Any, block: Any, values: Any, stream: int) -> list[Callable[[], None]]:
        """Ten bytes a picosecond, and an event behind it waits for one in fifty of its writes."""
        nbytes = int(values[1]) * 16
        return [lambda: self.enqueue(f"store {nbytes}", NOTHING_S + nbytes / 4e12)]

    def _record(self, event: int, stream: int) -> None:
        unfinished = 0.0
        if self.trace and self.trace[-1][0].startswith("store"):
            unfinished = min(int(self.trace[-1][0].split()[1]), 2**24) / 50e12
        self.recorded += 1
        self.now += EVENT_S + unfinished
        self.stamps[event] = self.now

    def _cupy(self) -> Any:
        numbers = iter(range(10**6))
        runtime = types.SimpleNamespace(
            eventRecord=self._record,
            eventElapsedTime=lambda a, b: 1e3 * (self.stamps[b] - self.stamps[a]),
            CUDARuntimeError=RuntimeError,
        )
        cuda: Any = types.ModuleType("cupy.cuda")
        cuda.runtime = runtime
        cuda.Event = lambda: types.SimpleNamespace(ptr=next(numbers))
        cuda.alloc = lambda nbytes: types.SimpleNamespace(ptr=4096)
        cupy: Any = types.ModuleType("cupy")
        cupy.cuda = cuda
        return cupy


class Hold:
    """depths: samples by events that were queued behind each."""

    gave_up = False

    def __init__(self, gpu: SimulatedGpu) -> None:
        self._gpu = gpu
        self.depths: list[int] = []

    @contextmanager
    def __call__(self) -> Iterator[None]:
        before = self._gpu.recorded
        yield
        self.depths.append((self._gpu.recorded - before) // 2)


class SimulatedCupti:
    """Records of what the GPU's trace says since the last start; `lose` takes some away before they are delivered."""

    missing = ""

    def __init__(self, gpu: SimulatedGpu) -> None:
        self.gpu, self.on, self.starts, self.stops = gpu, False, 0, 0
        self._from = 0
        self.lose: Callable[[list[Any]], list[Any]] = list
        self.dropped = 0

    def start(self) -> None:
        self.on, self._from, self.starts = True, len(self.gpu.trace), self.starts + 1

    def stop(self) -> None:
        self.on, self.stops = False, self.stops + 1

    def records(self, enough: Callable[[int], bool]) -> list[Any]:
        from kbench.machine.cuda.activity import Record, in_order

        found = [
            Record(number, name, round(start * 1e9), round(end * 1e9))
            for number, (name, start, end) in zip(
                self.gpu.correlations[self._from :], self.gpu.trace[self._from :], strict=True
            )
        ]
        np.random.default_rng(1).shuffle(found)  # type: ignore[arg-type]  # buffers come in any order
        return in_order(self.lose([Record(*map(_plain, record)) for record in found]), self.dropped)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else int(value)
