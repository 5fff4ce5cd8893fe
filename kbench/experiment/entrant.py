"""One configuration among those of its problem: checked, then sampled a few at a time, then checked once more."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from kbench.errors import ClockError
from kbench.experiment.check import works_in_place
from kbench.experiment.result import NO_ENERGY, Measurement, Standing
from kbench.experiment.standing import by_intervals
from kbench.experiment.stats import LEAST_KNOWN, Center, allowed, center, interval, not_allowed, relative, summarise
from kbench.experiment.verdict import Problem, Verdict, checked
from kbench.intent.method import Method
from kbench.intent.op import Out
from kbench.machine.device import Batch, Bound, Telemetry

_T = TypeVar("_T")

SETTLED = 0.02
"""Warm: the medians of two batches in a row differ by less than this fraction."""
WARM_BATCHES = 8
BATCH = 10
FIRST_ROUNDS = 4, 2
"""Rounds in which the least number of samples is taken, so that a drift reaches every configuration alike; where the
cache state is sustained, which takes a while to come about in each batch."""
ENERGY_S = 2.0
"""Energy is counted in steps of some ten milliseconds: over so long they are little."""
PATIENCE = 0.2
"""The share of a configuration's time-out after which sampling ends in any case: slow kernels on the cpu."""


class Gauge:
    """Reads a device's telemetry, at most every `every_s` seconds: it takes longer than a small batch does."""

    def __init__(self, read: Callable[[], Telemetry | None], every_s: float = 0.02) -> None:
        self._read, self._every_s = read, every_s
        self._last: Telemetry | None = None
        self._when = float("-inf")

    def read(self, anew: bool = False) -> Telemetry | None:
        if anew or time.monotonic() - self._when > self._every_s:
            self._last, self._when = self._read(), time.monotonic()
        return self._last


class Entrant:
    """name: its id. asked: (clock, cache state). baseline: it is timed, but competes with nobody. a_sample_s: wall time
    of a sample of its latest batch, flush and submission included."""

    def __init__(
        self, name: str, bound: Bound, outs: Mapping[str, Out], problem: Problem, method: Method,
        asked: tuple[str, str], *, gauge: Gauge | None = None, baseline: bool = False,
    ) -> None:  # fmt: skip
        """Raises UsageError for a clock that cannot work here."""
        self.name, self.baseline, self.stopped = name, baseline, False
        self.samples: list[float] = []
        self.rounds = 0
        self._bound, self._outs, self._problem, self._method = bound, outs, problem, method
        self._cache = asked[1]
        self._clock, why = bound.clock(*asked)
        self._is_slope = self._clock == "graph"
        self._least = method.least(self._clock)
        self._gauge = gauge or Gauge(lambda: None)
        self._batches: list[Batch] = []
        self._notes = [why] if why else []
        self._telemetry: list[Telemetry] = []
        self._throttled = self._arrived = False
        self._energy_j: float | None = None
        self.a_sample_s = self._wall_s = self._sampled_s = 0.0
        self._looked: tuple[int, Center] | None = None
        self._first: tuple[int, Center] | None = None

    # ------------------------------------------------------------ checks
    def check(self) -> Verdict:
        """One checked launch. Raises KernelFault, SpecError (references), MemoryError."""
        return checked(self._bound, self._outs, self._problem, self._bound.run)

    def check_last(self) -> Verdict:
        """The last sample, restored and poisoned before and checked after."""
        verdict = self._twice(lambda: checked(self._bound, self._outs, self._problem, lambda: self._take(1, once=True)))
        if not verdict.ok and self._cache != "cold" and any(map(works_in_place, self._outs.values())):
            # Where nothing lies between runs a sample takes more than one, which here come to another result than one.
            verdict = self.check()
            self._notes.append("it works in place: the launch that was checked last was not a timed one")
        if verdict.ok:
            self._count_energy()
            return verdict
        damage = f"the last timed launch was wrong, though the first launch was right: {verdict.damage or ''}"
        return Verdict(verdict.checks, damage.rstrip(": "))

    def _count_energy(self) -> None:
        if not self._method.energy:
            return
        self._energy_j = self._bound.energy_j(min(ENERGY_S, PATIENCE * self._method.timeout_s))
        self._notes.append(NO_ENERGY if self._energy_j is None else "energy: of runs back to back")

    # ------------------------------------------------------------ sampling
    def warm_up(self) -> None:
        """Run until two batches agree, for at most as long as the samples themselves may take."""
        begin = time.perf_counter()
        before = statistics.median(self._sample(1).elapsed_s)
        for _ in range(WARM_BATCHES):
            now = statistics.median(self._sample(self._affordable(BATCH)).elapsed_s)
            if abs(now - before) <= SETTLED * before:
                return
            if time.perf_counter() - begin > self._method.max_time_s:
                break
            before = now
        self._notes.append(f"not settled to {SETTLED:.0%} by the warm-up")

    def take_turn(self) -> None:
        """A batch in a round: the least number of samples in the first few rounds, then at most as many again."""
        n, method = len(self.samples), self._method
        least = max(self._least - 1, 1)
        first = -(-least // FIRST_ROUNDS[self._cache == "sustained"])
        wanted = min(least - n, first) if n < least else max(BATCH, min(self._wanting, n))
        room = method.samples_max - 1 - n
        if room > 0:
            self._take(min(self._affordable(wanted), room))
        self.rounds += 1

    @property
    def _wanting(self) -> int:
        """Samples until a stopping rule holds, if those to come are like those so far."""
        n, method = len(self.samples), self._method
        to_precision = (self._precision / method.precision) ** 2
        return math.ceil(n * (min(to_precision, method.max_time_s / max(self._sampled_s, 1e-9)) - 1))

    @property
    def _precision(self) -> float:
        return relative(self.look()) if self.known else math.inf

    @property
    def enough(self) -> bool:
        """Whether it has its least number of samples (the last one, which is checked, is still to come)."""
        return len(self.samples) >= self._least - 1

    @property
    def known(self) -> bool:
        """Whether its samples are so many that their centre has an interval."""
        return len(self.samples) >= LEAST_KNOWN

    @property
    def done(self) -> bool:
        """Whether the stopping rule holds: precise enough, as many as allowed, or as much time as allowed."""
        method, n = self._method, len(self.samples)
        if n >= method.samples_max - 1:
            return True
        if n and self._wall_s > PATIENCE * method.timeout_s:
            if not self.enough:
                self._notes.append(f"only {n + 1} samples: they took {self._wall_s:.1f} s")
            return True
        return self.enough and (self._sampled_s >= method.max_time_s or self._precision <= method.precision)

    @property
    def a_trial_s(self) -> float:
        """What one more sample costs: of the clock graph many runs, of any other about itself."""
        return self.a_sample_s if self._is_slope else self.look().value

    def look(self) -> Center:
        """Centre and interval of the samples so far; computed once for as many."""
        if self._looked is None or self._looked[0] != len(self.samples):
            self._looked = len(self.samples), interval(self.samples, self._correction, self.tick_s)
        return self._looked[1]

    def first_look(self) -> Center:
        """Of its first few rounds alone: all have these, taken at the same time, whatever drifts later."""
        first = self.samples[: max(self._least - 1, 1)]
        if self._first is None or self._first[0] != len(first):
            self._first = len(first), interval(first, self._correction, self.tick_s)
        return self._first[1]

    def beside(self, best: Entrant, tick_s: float) -> Standing:
        """By the intervals of both, where they have some."""
        return by_intervals(self.look(), best.look(), tick_s=tick_s, known=self.known and best.known)

    def trial(self, count: int) -> float:
        """The centre of a few more samples, for a comparison: they are no part of its measurement."""
        return center(self._sample(count).elapsed_s, tick_s=self.tick_s).value - self._correction

    @property
    def tick_s(self) -> float:
        """The clock's; 0 where it is not known."""
        return self._batches[-1].tick_s if self._batches else 0.0

    # ------------------------------------------------------------ batches
    def _take(self, count: int, once: bool = False) -> None:
        """once: nothing else may run, because what the samples leave behind is checked."""
        begin = time.perf_counter()
        batch = self._sampled(count, once) if once else self._arriving(count)
        state = self._gauge.read()
        if state is not None and state.throttle and not (self._throttled or once):
            batch = self._sample(count)  # once more: it may have been short
            state = self._gauge.read(anew=True)
            self._throttled = bool(state and state.throttle)
        if state is not None:
            self._telemetry = [*self._telemetry[:1], *(t for t in self._telemetry[1:] if t.throttle), state]
        self._batches.append(batch)
        self.samples += batch.elapsed_s
        wall_s = time.perf_counter() - begin
        self._wall_s += wall_s
        self._sampled_s += wall_s if self._is_slope else sum(batch.elapsed_s)

    def _arriving(self, count: int) -> Batch:
        """The very first run is not counted: its memory is in no translation buffer yet."""
        lead = int(not self._arrived and not self._is_slope)
        self._arrived = True
        batch = self._sample(count + lead)
        return msgspec.structs.replace(batch, elapsed_s=batch.elapsed_s[lead:], submit_s=batch.submit_s[lead:])

    def _affordable(self, count: int) -> int:
        """At most `count`, and no more than a quarter of the patience at a time."""
        quarter = PATIENCE * self._method.timeout_s / 4
        return max(1, min(count, int(quarter / self.a_sample_s) if self.a_sample_s > 0 else count))

    def _twice(self, attempt: Callable[[], _T]) -> _T:
        """A clock that lost a sample may try again, once. Raises ClockError where that fails too."""
        try:
            return attempt()
        except ClockError as error:
            self._notes.append(f"sampled again: {error}")
            return attempt()

    def _sample(self, count: int) -> Batch:
        return self._twice(lambda: self._sampled(count))

    def _sampled(self, count: int, once: bool = False) -> Batch:
        begin = time.perf_counter()
        batch = self._bound.sample(count, clock=self._clock, cache=self._cache)
        if not once:  # the last one pays alone for what a batch shares
            self.a_sample_s = (time.perf_counter() - begin) / count
        return batch

    @property
    def _correction(self) -> float:
        """What is taken off every sample."""
        return allowed(self._batches[-1].correction_s, self.samples) if self._batches else 0.0

    # ------------------------------------------------------------ results
    def measurement(self, seed: int | None = None) -> Measurement:
        last = self._batches[-1]
        notes = [*self._notes, *(b.note for b in self._batches if b.note)]
        if self._correction != last.correction_s:
            notes.append(not_allowed(last.correction_s))
        if self._throttled:
            notes.append("throttled: " + ", ".join(dict.fromkeys(r for t in self._telemetry for r in t.throttle)))
        found = Measurement(
            clock=last.clock,
            cache=last.cache,
            samples_s=tuple(self.samples),
            submit_s=tuple(s for b in self._batches for s in b.submit_s),
            floor_s=last.floor_s,
            summary=summarise(self.samples, self._correction, self.tick_s),
            note="; ".join(dict.fromkeys(notes)),
            correction_s=self._correction,
            left_s=last.left_s,
            sets=last.sets,
            covered_bytes=max(b.covered_bytes for b in self._batches),
            rounds=max(self.rounds, 1),
            seed=seed,
            telemetry=tuple(dict.fromkeys(self._telemetry)),
            throttled=self._throttled,
            energy_j=self._energy_j,
            memory_bytes=self._bound.memory_bytes(),
            tick_s=self.tick_s,
        )
        if not found.near_floor:
            return found
        return msgspec.structs.replace(found, note=f"{found.note}; near the clock's floor: it says little".lstrip("; "))
