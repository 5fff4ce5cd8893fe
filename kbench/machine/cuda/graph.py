"""The clock graph: how much longer a graph of 2 N runs takes than one of N, over N.

What starting a graph costs, and the time stamps around it, are in both and so in neither. What is left is one run among
its like, back to back, with nothing between them but what the GPU itself needs to start the next.

    main stream  | graph of N, not timed | start | graph of N | stop | start | graph of 2 N | stop | start | …

The first graph keeps the GPU busy while the host submits the rest, so that no gap of the host gets in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kbench.machine.cuda.device import CudaDevice

LEAST_S, MOST_S = 1e-3, 20e-3
"""What a graph of N runs should take, so that a tick of the stamps is nothing; and at most, to come round all sets."""
MOST_NODES = 4096
"""Launch entries in a graph of 2 N runs at most: making a graph takes host time for each."""


def length(run_s: float, entries: int, sets: int) -> int:
    """N, for runs of about `run_s` seconds and `entries` launch entries each, on so many buffer sets in turn. As long
    as LEAST_S asks for and long enough to come round once, as far as MOST_NODES and MOST_S allow."""
    run_s = max(run_s, 1e-9)
    wanted = max(min(sets, MOST_S // run_s), -(-LEAST_S // run_s), 2)
    return int(max(1, min(wanted, MOST_NODES // 2 // max(entries, 1))))


def slopes(short_s: Sequence[float], long_s: Sequence[float], runs: int) -> tuple[float, ...]:
    """Seconds of one run, from the times of graphs of `runs` and of twice as many, in pairs."""
    return tuple((long - short) / runs for short, long in zip(short_s, long_s, strict=True))


class Graph:
    """What `submits` enqueue, captured once and ready to be launched as one."""

    def __init__(self, device: CudaDevice, submits: Iterable[Callable[[], None]]) -> None:
        self._main = device.stream(0)
        self._main.begin_capture()
        try:
            for submit in submits:
                submit()
        except BaseException:
            self._abandon()
            raise
        self._graph: Any = self._main.end_capture()
        self._graph.upload(self._main)

    def _abandon(self) -> None:
        """End a capture that went wrong, so that the stream can be used again; its own error says no more."""
        from cupy.cuda import runtime

        try:
            self._main.end_capture()
        except runtime.CUDARuntimeError as error:
            if error.status not in _CAPTURE_ERRORS:
                raise

    def launch(self) -> None:
        self._graph.launch(self._main)


_CAPTURE_ERRORS = range(900, 910)  # cudaErrorStreamCaptureUnsupported and those that follow it


class Pair:
    """Graphs of `runs` and of twice as many runs. submits: of one run each, on the buffer sets in turn; the last of
    them is on the set that is checked, and it is the last of both graphs too. short: the shorter graph, if it is there
    already."""

    def __init__(
        self, device: CudaDevice, submits: Sequence[Callable[[], None]], runs: int, short: Graph | None = None
    ) -> None:
        self._device, self.runs = device, runs
        self._short, self._long = short or captured(device, submits, runs), captured(device, submits, 2 * runs)

    def sample(self, count: int) -> tuple[float, ...]:
        """`count` slopes in seconds."""
        times = self._device.clocks.times([self._short, self._long] * count)
        return slopes(times[::2], times[1::2], self.runs)


def captured(device: CudaDevice, submits: Sequence[Callable[[], None]], runs: int) -> Graph:
    """A graph of `runs` runs that take turns and end with the last of `submits`."""
    return Graph(device, last(submits, runs))


def last(submits: Sequence[Callable[[], None]], count: int) -> list[Callable[[], None]]:
    """`count` runs that take turns and end with the last of `submits`."""
    return [submits[(number - count) % len(submits)] for number in range(count)]
