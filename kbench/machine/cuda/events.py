"""The clock events: CUDA events around each run, a few runs queued while a hold keeps the GPU waiting.

One sample, in this order: flush (cold only), start, launch, stop. All of it runs without the host once it is released:

    main stream    | hold ........ | flush | start | the Op | stop | flush | start | the Op | stop | …
    host           | queue all of it, then release | wait for all, read the events

start and stop are time stamps that the GPU takes when everything before them has ended. So what is between them is the
Op and the cost of the stamps themselves and of one launch on the GPU, never the host's. What that cost is,
calibration.py finds out. It is the more, the more is queued, and from some depth on it jumps: on an H200 (2026-11-20)
events around an empty kernel read 2.6 us with 1 to 4 samples behind a hold, 2.9 with 8, 3.1 with 16, and with 60 by
turns 3.1 and 3.6. So only a few are queued at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from kbench.machine.cuda.program import Program
from kbench.machine.profiler import around

if TYPE_CHECKING:
    from kbench.machine.cuda.device import CudaDevice

QUEUE = 16
"""Launch-queue entries that are put behind one hold at most, but for a single sample that has more."""
MANY_ENTRIES = 200
"""With more entries than this the host's submission limits an Op, and the host's clock is the honest one. The queue
takes about a thousand; a host that fills it waits for the GPU, which waits for the host, until the hold gives up."""


class Timed(NamedTuple):
    """Seconds of each run, and a note where a gap that the host left may be in some."""

    elapsed_s: tuple[float, ...]
    note: str = ""


class EventClock:
    def __init__(self, device: CudaDevice) -> None:
        self._device = device
        self._stamps: list[Stamps] = []
        self._profiler = around()

    def unheld(self, program: Program) -> str:
        """Why runs of this program are not queued behind a hold, "" if they are."""
        if self._profiler is not None:
            return f"a profiler runs launches one by one: {self._profiler.why}"
        return program.unholdable or (f"{program.entries} entries a run" if program.entries > MANY_ENTRIES else "")

    def sample(self, program: Program, count: int, cold: bool) -> Timed:
        why = self.unheld(program)
        a_sample = program.entries + 3  # flush, start, stop
        at_once = max(1, QUEUE // a_sample)
        samples: list[float] = []
        gave_up = False
        if not cold:
            program.submit()  # what another Op left in L2 is none of its own
        while len(samples) < count:
            samples += self._round(program, min(at_once, count - len(samples)), cold, held=not why)
            gave_up |= not why and self._device.hold.gave_up
        if why:
            note = f"events not queued behind a hold ({why}): gaps that the host leaves are in the time"
        else:
            note = "the hold gave up before all samples were queued: gaps that the host left may be in some"
        return Timed(tuple(samples), note if why or gave_up else "")

    def _round(self, program: Program, count: int, cold: bool, *, held: bool) -> list[float]:
        """Everything is queued, then runs, then the stamps are read."""
        samples = self._stamps_for(count)
        flush = self._device.flush if cold else None
        with self._device.hold() if held else nullcontext():
            queue(samples, flush, program.submit)
        self._device.synchronize()
        return [sample.elapsed_s() for sample in samples]

    def _stamps_for(self, count: int) -> Sequence[Stamps]:
        while len(self._stamps) < count:
            self._stamps.append(Stamps(self._device.stream(0).ptr))
        return self._stamps[:count]


class Stamps:
    """The two time stamps of one sample: calls that enqueue them, and the seconds between them once they were taken."""

    def __init__(self, stream: int) -> None:
        from cupy.cuda import Event, runtime

        first, last = Event(), Event()
        self.start = lambda: runtime.eventRecord(first.ptr, stream)
        self.stop = lambda: runtime.eventRecord(last.ptr, stream)
        self.elapsed_s: Callable[[], float] = lambda: 1e-3 * runtime.eventElapsedTime(first.ptr, last.ptr)


def queue(samples: Iterable[Any], flush: Callable[[], None] | None, launch: Callable[[], None]) -> None:
    """Enqueue samples (anything with start and stop), each in the one order that is right."""
    for sample in samples:
        if flush:
            flush()
        sample.start()
        launch()
        sample.stop()
