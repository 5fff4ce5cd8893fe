"""The clock graph: how much longer a long graph of runs takes than a short one, over the runs that it has more.

What starting a graph costs, and the time stamps around it, are in both and so in neither. What is left is one run among
its like, back to back, with nothing between them but what the GPU itself needs to start the next.

    main stream  | long, not timed | start | short | stop | start | long | stop | start | short | stop | …

The first graph keeps the GPU busy while the host submits the rest, so that no gap of the host gets in between. The runs
of a long graph go on with the buffer sets where those of the short one left off: a short and a long one together are
whole turns of the rotation, and no set comes round before all the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kbench.machine.cuda.device import CudaDevice

LEAST_S, MOST_S = 0.5e-3, 20e-3
"""What the additional runs of the long graph should take, so that a tick of the stamps is nothing; and how long a turn
of the rotation may take at most."""
MOST_NODES = 4096
"""Launch entries in a long graph at most: making a graph takes host time for each."""
SHORT = 4
"""The additional runs are this many times those of the short graph."""


def lengths(run_s: float, entries: int, sets: int) -> tuple[int, int]:
    """Runs of the short and of the long graph, for runs of about `run_s` seconds and `entries` launch entries each, on
    so many buffer sets in turn. Whole turns together, as far as MOST_S and MOST_NODES allow."""
    run_s = max(run_s, 1e-9)
    more = max(-(-LEAST_S // run_s), 2.0)
    short = max(1.0, more // SHORT)
    if sets * run_s <= MOST_S:
        more = -(-(2 * short + more) // sets) * sets - 2 * short
    most = max(2, MOST_NODES // max(entries, 1))
    short = min(short, most // 2)
    long = min(short + more, most)
    whole = (short + long) // sets * sets - short
    return int(short), int(whole if whole > short else long)


def slopes(short_s: Sequence[float], long_s: Sequence[float], runs: int) -> tuple[float, ...]:
    """Seconds of one run, from the times of short graphs and of such as have `runs` more, in pairs."""
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
    """Graphs of `short` and of `long` runs. submits: of one run each, on the buffer sets in turn; the last of them is
    on the set that is checked, and it is the last of the long graph too. runs: that the long graph has more."""

    def __init__(self, device: CudaDevice, submits: Sequence[Callable[[], None]], short: int, long: int) -> None:
        turns = last(submits, short + long)
        self._device, self.short, self.long, self.runs = device, short, long, long - short
        self._short, self._long = Graph(device, turns[:short]), Graph(device, turns[short:])

    def launch(self) -> None:
        """Both, in stream order."""
        self._short.launch()
        self._long.launch()

    def sample(self, count: int) -> tuple[float, ...]:
        """`count` slopes in seconds."""
        times = self._device.clocks.times([self._short, self._long] * count)
        return slopes(times[::2], times[1::2], self.runs)


def last(submits: Sequence[Callable[[], None]], count: int) -> list[Callable[[], None]]:
    """`count` runs that take turns and end with the last of `submits`."""
    return [submits[(number - count) % len(submits)] for number in range(count)]
