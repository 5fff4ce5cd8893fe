"""The clocks of a GPU: CUDA events for what runs on it, perf_counter for what the host takes part in.

One sample, in this order: flush (cold only), start, launch, stop. With events, many samples are queued while a hold
keeps the GPU waiting (`queue` below), and run without the host when it is released:

    main stream    | hold ........ | flush | start | the Op | stop | flush | start | the Op | stop | …
    host           | queue all of it, then release | wait for all, read the events

start and stop are time stamps that the GPU takes when everything before them has ended. So what is between them is the
Op and the cost of the stamps themselves and of one launch on the GPU, never the host's. That cost is what the same
clock reads for an empty kernel: `floor_s`, told with every batch and subtracted from nothing.

Cold means: the flush comes after whatever the last run wrote, and only reads, so that no line of the Op is left in L2
and no line in it is dirty. Warm means: nothing lies between one run and the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from kbench.errors import UsageError
from kbench.machine.cuda.program import Program
from kbench.machine.device import Batch
from kbench.machine.floors import Floors

if TYPE_CHECKING:
    from kbench.machine.cuda.device import CudaDevice

QUEUE = 600
"""Launch-queue entries that are put behind one hold at most. The queue takes about a thousand; a host that fills it
waits for the GPU, which waits for the host, until the hold gives up."""
MANY_ENTRIES = 200
"""With more entries than this the host's submission limits an Op, and the host's clock is the honest one."""
FLOOR_SAMPLES = 15
CACHES = ("cold", "warm")
_LATER = ("cupti", "graph")


def choose(asked: str, link: str, entries: int) -> tuple[str, str]:
    """The clock for an Op, and why. link: how the host takes part in it, "" if it does not; entries: those of one run
    in the launch queue. Raises UsageError for a clock that this version does not have."""
    if asked in _LATER:
        raise UsageError(f"the clock {asked!r} comes in a later version of kbench; this one has events and host")
    if asked in ("events", "host"):
        return asked, f"clock {asked}: asked for"
    if asked != "auto":
        raise UsageError(f"unknown clock {asked!r}: auto, events or host")
    if link:
        return "host", f"clock host: {link}"
    if entries > MANY_ENTRIES:
        return "host", f"clock host: the host submits {entries} entries for each run"
    return "events", "clock events: all of it runs on the GPU"


class Clocks:
    """The clocks of one device and their floors."""

    def __init__(self, device: CudaDevice) -> None:
        self._device = device
        self._stamps: list[Stamps] = []
        self._floors = Floors()

    def sample(self, program: Program, count: int, clock: str, cache: str) -> Batch:
        """Run `program` exactly `count` times and time each run. It must have run before: code that is still to be
        loaded cannot be, behind a hold. Raises UsageError for a clock or cache state that does not exist here."""
        if cache not in CACHES:
            raise UsageError(f"cache state {cache!r} needs the clock graph, which comes in a later version of kbench")
        if clock == "host":
            elapsed, submit = self._host(program, count, cache == "cold")
            return Batch(clock, cache, elapsed, submit, self._floor(clock, cache, held=False))
        if clock != "events":
            raise UsageError(f"unknown clock {clock!r}: events or host")
        held = not program.unholdable and program.entries <= MANY_ENTRIES
        floor = self._floor(clock, cache, held)
        elapsed, note = self._events(program, count, cache == "cold", held)
        if not held:
            why = program.unholdable or f"{program.entries} entries a run"
            note = f"events not queued behind a hold ({why}): gaps that the host leaves are in the time"
        return Batch(clock, cache, elapsed, (), floor, note)

    def _floor(self, clock: str, cache: str, held: bool) -> float:
        nothing, cold = self._device.nothing, cache == "cold"
        if clock == "host":
            return self._floors.of((clock, cache), lambda: self._host(nothing, FLOOR_SAMPLES, cold)[0])
        return self._floors.of((clock, cache, held), lambda: self._events(nothing, FLOOR_SAMPLES, cold, held)[0])

    def _events(self, program: Program, count: int, cold: bool, held: bool) -> tuple[tuple[float, ...], str]:
        """Seconds of each run, and a note where the hold gave up before all was queued."""
        a_sample = program.entries + 3  # flush, start, stop
        at_once = max(1, QUEUE // a_sample)
        samples: list[float] = []
        gave_up = False
        while len(samples) < count:
            samples += self._round(program, min(at_once, count - len(samples)), cold, held)
            gave_up |= held and self._device.hold.gave_up
        late = (
            "the hold gave up before all samples were queued: gaps that the host left may be in some" if gave_up else ""
        )
        return tuple(samples), late

    def _round(self, program: Program, count: int, cold: bool, held: bool) -> list[float]:
        """Everything is queued, then runs, then the stamps are read."""
        samples = self._stamps_for(count)
        flush = self._device.flush if cold else None
        with self._device.hold() if held else nullcontext():
            queue(samples, flush, program.submit)
        self._device.synchronize()
        return [sample.elapsed_s() for sample in samples]

    def _host(self, program: Program, count: int, cold: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Seconds until everything has ended, and until everything was submitted, of each run on an idle GPU."""
        flush = self._device.flush if cold else None
        pairs = [by_host(flush, program.submit, self._device.synchronize) for _ in range(count)]
        return tuple(elapsed for elapsed, _ in pairs), tuple(submitted for _, submitted in pairs)

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
