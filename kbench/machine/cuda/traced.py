"""The clock cupti: the GPU's own stamps of when each kernel, copy and fill of a run started and ended.

Nothing is added to the stream but what delimits the samples: the flush where runs are cold, two empty kernels before
all others where they come back to back. A run's time is that from its first start to its last end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import groupby
from typing import TYPE_CHECKING

from kbench.errors import ClockError
from kbench.machine.cuda import activity
from kbench.machine.cuda.activity import Record
from kbench.machine.cuda.cupti import Cupti
from kbench.machine.cuda.events import Timed
from kbench.machine.cuda.program import Program

if TYPE_CHECKING:
    from kbench.machine.cuda.device import CudaDevice

QUEUE = 100
"""Entries behind one hold at most: tracing takes launch-queue entries of its own for each."""
HOLD, FLUSH, MARK = "kbench_hold", "kbench_flush", "kbench_mark"

Submit = Callable[[], None]


class TracedClock:
    """Only an Op of several entries is queued behind a hold: what the host does between the samples is in none, but
    within one it would be."""

    def __init__(self, device: CudaDevice, cupti: Cupti) -> None:
        self._device, self._cupti = device, cupti

    def cold(self, program: Program, count: int) -> Timed:
        """`count` runs, each after a flush."""
        flush = self._device.flush

        def one() -> None:
            flush()
            program.submit()

        self.begin()
        note = self._rounds([one] * count, program)
        records = self._collected(lambda n: n >= 2 * count)
        return Timed(tuple(map(activity.seconds, activity.between(records, FLUSH, count))), note)

    def back_to_back(self, submits: Sequence[Submit], count: int, program: Program) -> Timed:
        """The last `count` of these runs; the first of them only shows what one consists of."""
        mark = self._device.mark.submit
        self.begin()
        mark()
        submits[0]()
        mark()
        note = self._rounds(submits[1:], program)
        records = self._collected(lambda n: n >= 2 + len(submits))
        return Timed(tuple(map(activity.seconds, activity.after(records, MARK, len(submits) - 1)))[-count:], note)

    def begin(self) -> None:
        self._device.synchronize()
        if not self._cupti.on:
            # The first launch that is traced makes CUPTI allocate memory, which must not happen behind a hold.
            self._cupti.start()
            self._device.nothing.submit()
            self._device.synchronize()
        self._cupti.start()

    def spans(self, graphs: int) -> tuple[list[float], list[float]]:
        """Seconds from the first start to the last end of each of so many graphs, launched since `begin`: a first one,
        then a shorter and a longer one in turn; both kinds without the first."""
        records = self._collected(lambda n: n > graphs)
        found = [activity.seconds(list(run)) for _, run in groupby(records, key=lambda r: r.correlation)]
        if len(found) != graphs:
            raise ClockError(f"CUPTI saw {len(found)} of {graphs} graphs")
        return found[1::2], found[2::2]

    def _collected(self, enough: Callable[[int], bool]) -> list[Record]:
        return [record for record in self._cupti.records(enough) if record.name != HOLD]

    def _rounds(self, runs: Sequence[Submit], program: Program) -> str:
        """Submit all runs and wait for them. A note where gaps of the host may be within samples."""
        why = self._device.clocks.by_events.unheld(program) or ("" if program.entries < QUEUE else "too many entries")
        held = program.entries > 1 and not why
        at_once = max(1, QUEUE // (program.entries + 1)) if held else max(1, len(runs))
        gave_up = False
        for first in range(0, len(runs), at_once):
            with self._device.hold() if held else nullcontext():
                for run in runs[first : first + at_once]:
                    run()
            self._device.synchronize()
            gave_up |= held and self._device.hold.gave_up
        if gave_up:
            return "the hold gave up before all samples were queued: gaps that the host left may be in some"
        if why and program.entries != 1:
            return f"not queued behind a hold ({why}): gaps that the host leaves within a run are in its time"
        return ""
