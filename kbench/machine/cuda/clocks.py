"""The clocks of a GPU: one entry to all of them. Which one an Op gets is decided in choice.py.

cupti (traced.py): the GPU's stamps of each kernel. events (events.py): CUDA events around each run, with their own cost
calibrated (calibration.py). graph (graph.py): how much longer a longer graph takes. host: perf_counter around a run on
an idle GPU, for what the host takes part in.

Cold means: the flush comes after whatever the last run wrote, and only reads, so that no line of the Op is left in L2
and no line in it is dirty. Warm means: nothing lies between one run and the next. Sustained means: runs back to back
over buffer sets (rotation.py), so that each finds in L2 what others left there to be written back.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import msgspec

from kbench.errors import UsageError
from kbench.machine.cuda import graph, rotation
from kbench.machine.cuda.calibration import Calibration, calibrate, cold_by_graph
from kbench.machine.cuda.cupti import Cupti
from kbench.machine.cuda.events import EventClock
from kbench.machine.cuda.graph import Graph, Pair
from kbench.machine.cuda.program import Program
from kbench.machine.cuda.rotation import Rotation
from kbench.machine.cuda.traced import TracedClock
from kbench.machine.device import Batch
from kbench.machine.floors import Floors

if TYPE_CHECKING:
    from kbench.machine.cuda.device import CudaDevice

FLOOR_SAMPLES = 15
MOST_ROLLED, MOST_ROLLED_S = 512, 5e-3
"""Runs before the first sample of a batch at most, and seconds, for sets that are small: to fill L2 takes many."""
_SHORT_S = 200e-6
BUSY_S = 20e-3
"""Work that is queued before the host waits for it, where a GPU is only to be kept busy."""


@dataclass
class Subject:
    """What is timed: a program on its one buffer set, a way to get it on many, and graphs of it once they were made."""

    program: Program
    rotate: Callable[[], Rotation] | None = None
    run_s: float | None = None
    """About what a run takes; at first with what the host needs to start it."""
    pairs: dict[str, tuple[Any, Pair, int]] = field(default_factory=dict)


class Clocks:
    """The clocks of one device and their floors. Calibrations are measured once each, when they are first needed."""

    def __init__(self, device: CudaDevice) -> None:
        self._device = device
        self.by_events = EventClock(device)
        self._events: list[Any] = []
        self._floors = Floors()
        self._calibrations: dict[bool, Calibration] = {}

    @cached_property
    def cupti(self) -> Cupti:
        return Cupti()

    @cached_property
    def by_cupti(self) -> TracedClock:
        return TracedClock(self._device, self.cupti)

    def sample(self, subject: Subject, count: int, clock: str, cache: str) -> Batch:
        """`count` samples of a program that has run before: code that is still to be loaded cannot be, behind a hold.
        `clock` and `cache` are a pair that `choose` allows."""
        if clock != "cupti":
            self.quiet()
        if clock == "graph":
            return self._by_graph(subject, count, cache)
        if clock == "host":
            elapsed, submit = self._by_host(subject.program, count, cache == "cold")
            return Batch(clock, cache, elapsed, submit, self._floor(clock, cache))
        if clock == "cupti":
            batch, way = self._by_cupti(subject, count, cache), self._way(clock, cache)
        else:
            batch, way = self._by_events(subject.program, count, cache), self._way(clock, cache, subject.program)
        return msgspec.structs.replace(batch, tick_s=self._floors.tick_s(way))

    def quiet(self) -> None:
        """Trace nothing, so that no other clock pays for it."""
        if "cupti" in self.__dict__ and not self.cupti.missing:
            self.cupti.stop()

    def calibration(self, cache: str) -> Calibration:
        cold = cache == "cold"
        if cold not in self._calibrations:
            self._calibrations[cold] = calibrate(self._device, cold)
        return self._calibrations[cold]

    def traced(self, program: Program, count: int, cold: bool) -> tuple[float, ...]:
        """By CUPTI, one buffer set."""
        if cold:
            return self.by_cupti.cold(program, count).elapsed_s
        return self.by_cupti.back_to_back([program.submit] * (count + 1), count, program).elapsed_s

    def difference(self, program: Program) -> float:
        """A cold run as graphs tell it: (flush and run) minus (flush). Raises UsageError where no graph can hold it."""
        if program.uncapturable:
            raise UsageError(f"no graph can hold it: {program.uncapturable}")
        self.quiet()
        return cold_by_graph(self._device, program)

    def graph_traced(self, subject: Subject, count: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Slopes of the clock graph while CUPTI traces the graphs, and the slopes of what CUPTI sees of them: the same
        launches by two clocks. On the buffer sets of a rotation where there is one."""
        cache = "sustained" if subject.rotate else "warm"
        self._by_graph(subject, 1, cache)
        _, pair, _ = subject.pairs[cache]
        self.by_cupti.begin()
        by_events = pair.sample(count)
        return by_events, graph.slopes(*self.by_cupti.spans(2 * count + 1), pair.runs)

    def times(self, graphs: Sequence[Graph]) -> list[float]:
        """Seconds of each graph, by events around them, launched one after another behind the last of them, which runs
        once more than it is timed."""
        from cupy.cuda import Event, runtime

        while len(self._events) < 2 * len(graphs):
            self._events.append(Event())
        main, stamps = self._device.stream(0).ptr, [event.ptr for event in self._events]
        graphs[-1].launch()
        for number, each in enumerate(graphs):
            runtime.eventRecord(stamps[2 * number], main)
            each.launch()
            runtime.eventRecord(stamps[2 * number + 1], main)
        self._device.synchronize()
        return [1e-3 * runtime.eventElapsedTime(stamps[2 * n], stamps[2 * n + 1]) for n in range(len(graphs))]

    def keep_busy(self, subject: Subject, least_s: float, rotating: bool) -> int:
        """Runs back to back for at least so long; how many there were."""
        self.quiet()
        program, runs = subject.program, 0
        if program.uncapturable:
            turn, each = program.submit, 1
        else:
            cache = "sustained" if rotating else "warm"
            self._by_graph(subject, 1, cache)
            pair = subject.pairs[cache][1]
            turn, each = pair.launch, pair.short + pair.long
        at_once = max(1, int(BUSY_S / (self._about(subject) * each)))
        begin = time.perf_counter()
        while True:
            for _ in range(at_once):
                turn()
            self._device.synchronize()
            runs += at_once * each
            if time.perf_counter() - begin >= least_s:
                return runs

    def _by_cupti(self, subject: Subject, count: int, cache: str) -> Batch:
        program, floor = subject.program, self._floor("cupti", cache)
        if cache == "cold":
            timed = self.by_cupti.cold(program, count)
        elif cache == "warm":
            timed = self.by_cupti.back_to_back([program.submit] * (count + 2), count, program)
        else:
            return self._rotated(subject, count, floor)
        return Batch("cupti", cache, timed.elapsed_s, (), floor, timed.note)

    def _rotated(self, subject: Subject, count: int, floor: float) -> Batch:
        assert subject.rotate is not None
        turning = subject.rotate()
        enough = min(MOST_ROLLED, self._to_fill_l2(turning), int(MOST_ROLLED_S / self._about(subject)))
        sets = turning.form.count
        turning.begin()
        numbers = rotation.order(count + 1, sets, enough)
        timed = self.by_cupti.back_to_back(
            [partial(turning.submit, number) for number in numbers],
            count,
            subject.program,
        )
        covered = turning.covered(min(len(numbers), sets))
        subject.run_s = statistics.median(timed.elapsed_s)
        notes = [timed.note, self._uncovered(covered)]
        return Batch("cupti", "sustained", timed.elapsed_s, (), floor, "; ".join(filter(None, notes)), sets=sets,
                     covered_bytes=covered)  # fmt: skip

    def _to_fill_l2(self, turning: Rotation) -> int:
        """Runs that touch twice as much as L2 holds."""
        return -(-2 * self._device.l2_bytes // turning.form.touched)

    def _uncovered(self, covered: int) -> str:
        if covered >= 2 * self._device.l2_bytes:
            return ""
        return f"its buffer sets cover {covered} bytes, L2 holds {self._device.l2_bytes}: part of them stays in it"

    def _by_graph(self, subject: Subject, count: int, cache: str) -> Batch:
        turning = subject.rotate() if cache == "sustained" and subject.rotate else None
        if turning is not None:
            turning.begin()
        known = subject.pairs.get(cache)
        if known is None or known[0] is not turning:
            known = (turning, *self._pair(subject, turning))
            subject.pairs[cache] = known
        _, pair, covered = known
        sets = turning.form.count if turning else 1
        note = f"each sample is a slope over {pair.runs} runs"
        if turning is not None:
            note = "; ".join(filter(None, [note, self._uncovered(covered)]))
        return Batch("graph", cache, pair.sample(count), (), self._floor("graph", "warm"), note, sets=sets,
                     covered_bytes=covered)  # fmt: skip

    def _about(self, subject: Subject) -> float:
        """Seconds that a run takes, on the host's clock until a finer one has told."""
        if subject.run_s is None:
            subject.run_s = self._by_host(subject.program, 2, cold=False)[0][-1]
        return max(subject.run_s, 1e-7)

    def _pair(self, subject: Subject, turning: Rotation | None) -> tuple[Pair, int]:
        """Graphs of fitting lengths, and the bytes of the sets that they run on."""
        program, about = subject.program, self._about(subject)
        submits: list[Callable[[], None]] = [program.submit]
        sets = 1
        if turning is not None:
            sets = turning.form.count
            submits = [partial(turning.submit, number) for number in range(sets - 1, -1, -1)]
        if about < _SHORT_S:
            few = max(1, min(8, graph.MOST_NODES // 2 // max(program.entries, 1)))
            about = subject.run_s = statistics.median(Pair(self._device, submits, few, 2 * few).sample(3))
        short, long = graph.lengths(about, program.entries, sets)
        if turning is None:
            return Pair(self._device, submits, short, long), 0
        turning.begin()
        pair = Pair(self._device, submits, short, long)
        return pair, turning.covered(min(short + long, sets))

    def _by_events(self, program: Program, count: int, cache: str) -> Batch:
        floor, timed = self._floor("events", cache, program), self.by_events.sample(program, count, cache == "cold")
        if self.by_events.unheld(program):
            return Batch("events", cache, timed.elapsed_s, (), floor, timed.note)
        found = self.calibration(cache)
        notes = "; ".join(filter(None, [timed.note, found.how]))
        return Batch("events", cache, timed.elapsed_s, (), floor, notes, found.correction(program.bytes_written),
                     found.left_s)  # fmt: skip

    def _by_host(self, program: Program, count: int, cold: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Seconds until everything has ended, and until everything was submitted, of each run on an idle GPU."""
        flush = self._device.flush if cold else None
        if not cold:
            program.submit()  # what another Op left in L2 is none of its own
        pairs = [by_host(flush, program.submit, self._device.synchronize) for _ in range(count)]
        return tuple(elapsed for elapsed, _ in pairs), tuple(submitted for _, submitted in pairs)

    def _floor(self, clock: str, cache: str, like: Program | None = None) -> float:
        """What a clock reads for an empty kernel, queued as `like` is."""
        way = self._way(clock, cache, like)
        return self._floors.of(way, lambda: self._of_nothing(*way))

    def _way(self, clock: str, cache: str, like: Program | None = None) -> tuple[str, str, bool]:
        return clock, cache, like is None or not self.by_events.unheld(like)

    def _of_nothing(self, clock: str, cache: str, held: bool) -> tuple[float, ...]:
        nothing, cold = self._device.nothing, cache == "cold"
        if clock == "host":
            return self._by_host(nothing, FLOOR_SAMPLES, cold)[0]
        if clock == "cupti":
            return self.traced(nothing, FLOOR_SAMPLES, cold)
        if clock == "graph":
            return Pair(self._device, [nothing.submit], 250, 750).sample(9)
        if not held:
            nothing = Program(1, "what it is compared with is not held either", (nothing.submit,))
        return self.by_events.sample(nothing, FLOOR_SAMPLES, cold).elapsed_s


def by_host(
    flush: Callable[[], None] | None, launch: Callable[[], None], wait: Callable[[], None],
    now: Callable[[], float] = time.perf_counter,
) -> tuple[float, float]:  # fmt: skip
    """One sample of the host's clock: seconds until the launch has ended, and until it was submitted. The flush has
    ended before the clock is read for the first time."""
    if flush:
        flush()
    wait()
    begin = now()
    launch()
    submitted = now()
    wait()
    return now() - begin, submitted - begin
