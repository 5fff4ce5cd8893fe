"""What the clock events adds to a run: found out on kernels whose own time another clock tells.

An event is taken when all before it has ended, writes included. So an empty kernel and kernels that write much and
little are timed by events, and what each reads more than the kernel's own time is what the events add:

    added = what the events read for such a kernel - its own time, in the same cache state

A run that writes nothing is corrected by what they add to the empty kernel, any other by the lower quartile of the
kernels that write. On an H200 (2026-11-20) that is 0.1 to 0.3 us more, however much is written. Now and then one or
some of these kernels read 0.5 us more for as long as their process lives, though kernels under test that write as much
do not: a curve over the bytes, which went through each point, was 0.5 us off in 3 of 7 processes, and the median of the
six once in five.

The own time is CUPTI's where that loads. Else only the empty kernel is compared, with its node in a graph: for a kernel
that writes, (flush and kernel) minus (flush) reads several microseconds too much, since the next flush waits for the
write-back. A node's time holds the gap to the next one, so too little is taken to be added, at most by that time.
left_s bounds what may be left.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kbench.machine.cuda.graph import Graph, Pair
from kbench.machine.cuda.program import Program

if TYPE_CHECKING:
    from kbench.machine.cuda.device import CudaDevice

WRITTEN = (0, 2**16, 2**18, 2**20, 2**22, 2**24, 2**26)
"""Bytes that the kernels write. No more than L2 holds can still be under way."""
LEAST_LEFT_S = 5e-7
"""Of 280 centres of copies of 64 KiB to 16 MiB in ten processes 97 % lay within this of CUPTI's, 44 % of those of 1 MiB
more than 0.1 us apart (H200, 2026-11-20)."""
_SAMPLES, _TURNS, _GRAPH_RUNS, _THREADS = 64, 8, 20, 256


@dataclass(frozen=True)
class Calibration:
    """Seconds that the events add to a run that writes nothing, and to one that writes; own_s: what an empty kernel
    takes; how: by which clock; left_s: see above."""

    empty_s: float
    writing_s: float
    own_s: float
    left_s: float
    how: str

    def correction(self, bytes_written: int) -> float:
        """Seconds that the events add to a run that writes so much."""
        return self.writing_s if bytes_written else self.empty_s


def calibration(events_s: Sequence[Sequence[float]], own_s: Sequence[float], *, by_graph: bool) -> Calibration:
    """From samples of the events and own times of kernels, the empty one first. What is left: what half of those that
    write differ by (how a kernel spreads its writes is its own affair), how sure their middles are, and by graphs an
    empty node's time."""
    empty, *writing = (middle(samples) - own for samples, own in zip(events_s, own_s, strict=True))
    low, high = np.percentile(writing, [25, 75]) if writing else (empty, empty)
    scatter = max(float(np.subtract(*np.percentile(s, [75, 25]))) / len(s) ** 0.5 for s in events_s)
    left = max(float(high - low) + scatter, LEAST_LEFT_S) + (own_s[0] if by_graph else 0.0)
    how = "graphs" if by_graph else "CUPTI"
    kernels = f"{len(own_s)} kernels" if writing else "an empty kernel"
    return Calibration(empty, float(low), own_s[0], left, f"events calibrated on {kernels} by {how}")


def middle(samples: Sequence[float]) -> float:
    """The mean of the middle half: a median would jump by whole ticks of the clock, 2 % of a microsecond and a half."""
    ordered = np.sort(np.asarray(samples, float))
    quarter = len(ordered) // 4
    return float(ordered[quarter : len(ordered) - quarter].mean())


def calibrate(device: CudaDevice, cold: bool) -> Calibration:
    """Takes some 60 ms, once for a device and cache state."""
    import cupy

    memory = cupy.cuda.alloc(WRITTEN[-1])
    by_graph = bool(device.clocks.cupti.missing)
    written = WRITTEN[:1] if by_graph else WRITTEN
    programs = [_store(device, int(memory.ptr), nbytes) for nbytes in written]
    device.synchronize()
    if by_graph:
        own = [_node(device, program) for program in programs]
    else:
        own = [middle(samples) for samples in _in_turn(programs, lambda p, n: device.clocks.traced(p, n, cold))]
        device.clocks.cupti.stop()
    events = _in_turn(programs, lambda p, n: device.clocks.by_events.sample(p, n, cold).elapsed_s)
    return calibration(events, own, by_graph=by_graph)


def _in_turn(programs: Sequence[Program], sample: Callable[[Program, int], Sequence[float]]) -> list[list[float]]:
    """Samples of each, a few at a time, so that what drifts does so for all. The first turn of each is not counted."""
    each = _SAMPLES // _TURNS
    turns = [[sample(program, each) for program in programs] for _ in range(_TURNS + 1)][1:]
    return [[second for turn in turns for second in turn[number]] for number in range(len(programs))]


def _store(device: CudaDevice, address: int, nbytes: int) -> Program:
    if not nbytes:
        return device.nothing
    words = nbytes // 16
    grid = (-(-words // _THREADS), 1, 1)
    (launch,) = device.instruments.store.prepare(
        grid, (_THREADS, 1, 1), [address, np.uint64(words)], device.stream(0).ptr
    )
    launch()  # never for the first time behind a hold
    return Program(1, "", (launch,), bytes_written=nbytes)


def cold_by_graph(device: CudaDevice, program: Program) -> float:
    """Seconds of a run after a flush, as graphs tell it: (flush and run) minus (flush), with the gap between them."""
    flush: Callable[[], None] = device.flush
    both = Graph(device, [flush, program.submit] * _GRAPH_RUNS)
    alone = Graph(device, [flush] * _GRAPH_RUNS)
    pairs = device.clocks.times([graph for _ in range(_SAMPLES // 6) for graph in (alone, both)])
    return statistics.median(b - a for a, b in zip(pairs[::2], pairs[1::2], strict=True)) / _GRAPH_RUNS


def _node(device: CudaDevice, program: Program) -> float:
    """Seconds of one more run in a graph of many."""
    return statistics.median(Pair(device, [program.submit], 5 * _GRAPH_RUNS, 15 * _GRAPH_RUNS).sample(_SAMPLES // 6))
