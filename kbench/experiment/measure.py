"""The order of one configuration: check, warm up, sample, check the last timed launch.

A wrong kernel is never timed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kbench.errors import SpecError
from kbench.experiment.check import Reference, compare, reference_of
from kbench.experiment.result import Check, Measurement
from kbench.experiment.stats import half_width, summarise
from kbench.intent.method import Method
from kbench.intent.numbers import Rng
from kbench.intent.op import HostArray, Out
from kbench.machine.device import Batch, Bound

SETTLED = 0.02
"""Warm: the medians of two batches in a row differ by less than this fraction."""
WARM_BATCHES = 8
BATCH = 10
PATIENCE = 0.2
"""The share of a configuration's time-out after which sampling ends in any case: slow kernels on the cpu."""

Say = Callable[[str], None]


class Problem:
    """What the configurations of one problem share: inputs and references, made once.

    asker: on whose behalf references are asked for: a variant while measuring, a configuration while verifying. Each
    asker's own reference is evaluated once and must agree with the first one's: what is right belongs to the problem.
    """

    def __init__(self, name: str, xp: Any) -> None:
        self.name = name
        self.xp = xp
        self.rng = Rng(xp, name)
        self.asker = ""
        self._references: dict[str, Reference] = {}
        self._askers: dict[str, list[str]] = {}

    def reference(self, name: str, out: Out) -> Reference:
        """Raises SpecError, also where the references of two askers differ. A shape or dtype that differs between
        configurations of a problem is evaluated anew."""
        array = out.array.array if isinstance(out.array, HostArray) else out.array
        key = f"{name} {array.dtype}{list(array.shape)}"
        if key not in self._references:
            self._references[key] = reference_of(name, out, self.xp)
            self._askers[key] = [self.asker]
        elif self.asker not in self._askers[key]:
            own = reference_of(name, out, self.xp)
            found = compare(name, out, own.flat, self._references[key], self.xp)
            if not found.ok:
                raise SpecError(
                    f"the reference of output {name!r} depends on more than the problem: {self.asker}'s is not that of "
                    f"{self._askers[key][0]} ({found.message.replace('got', 'not')})"
                )
            self._askers[key].append(self.asker)
        return self._references[key]


@dataclass(frozen=True)
class Verdict:
    """What a checked launch left behind. damage: guard bytes or inputs that it overwrote, in words."""

    checks: tuple[Check, ...]
    damage: str | None = None

    @property
    def ok(self) -> bool:
        return self.damage is None and all(c.ok for c in self.checks)

    @property
    def message(self) -> str:
        wrong = [f"{c.output}: {c.message}" for c in self.checks if not c.ok]
        return "\n".join(filter(None, [self.damage, *wrong]))


def checked(bound: Bound, outs: Mapping[str, Out], problem: Problem, launch: Callable[[], Any]) -> Verdict:
    """Restore all memory, poison the outputs, launch, and hold everything against what it must be: guard bytes,
    outputs, and all else, which must not have changed."""
    references = {name: problem.reference(name, out) for name, out in outs.items()}
    bound.restore({name: out.poison for name, out in outs.items() if out.poison is not False})
    launch()
    damage = bound.damaged() or bound.changed()
    return Verdict(tuple(compare(n, out, bound.read(n), references[n], problem.xp) for n, out in outs.items()), damage)


def measure(
    bound: Bound, outs: Mapping[str, Out], problem: Problem, method: Method, asked: tuple[str, str], say: Say
) -> tuple[Verdict, Measurement | None]:
    """Check and time a bound Op. asked: (clock, cache state). Without a measurement where a checked launch was wrong.

    Raises KernelFault, SpecError (references), UsageError (a clock that cannot work here), MemoryError.
    """
    clock, why = bound.clock(asked[0])
    say("check")
    first = checked(bound, outs, problem, bound.run)
    if not first.ok:
        return first, None
    sampler = _Sampler(bound, method, clock, asked[1], notes=[why] if why else [])
    say("warm-up")
    sampler.warm_up()
    say("samples")
    sampler.collect()
    last = checked(bound, outs, problem, lambda: sampler.take(1))
    if not last.ok:
        damage = f"the last timed launch was wrong, though the first launch was right: {last.damage or ''}".rstrip(": ")
        return Verdict(last.checks, damage), None
    return Verdict(last.checks), sampler.measurement()


@dataclass
class _Sampler:
    """Samples of one configuration as they come in."""

    bound: Bound
    method: Method
    clock: str
    cache: str
    notes: list[str]
    batches: list[Batch] = field(default_factory=list)
    samples: list[float] = field(default_factory=list)
    wall_s: float = 0.0
    """Wall time of one sample of the latest batch, flush and submission included."""

    def warm_up(self) -> None:
        """Run until two batches agree, for at most as long as the samples themselves may take."""
        begin = time.perf_counter()
        before = statistics.median(self._batch(1).elapsed_s)
        for _ in range(WARM_BATCHES):
            now = statistics.median(self._batch(self._affordable(BATCH)).elapsed_s)
            if abs(now - before) <= SETTLED * before:
                return
            if time.perf_counter() - begin > self.method.max_time_s:
                break
            before = now
        self.notes.append(f"not settled to {SETTLED:.0%} by the warm-up")

    def collect(self) -> None:
        """Take samples until the stopping rule holds, less the one that is taken last and checked."""
        method, begin = self.method, time.perf_counter()
        while len(self.samples) < method.samples_max - 1:
            n = len(self.samples)
            enough, wall_s = n >= method.samples_min - 1, time.perf_counter() - begin
            if enough and (sum(self.samples) >= method.max_time_s or half_width(self.samples) <= method.precision):
                return
            if n and wall_s > PATIENCE * method.timeout_s:
                if not enough:
                    self.notes.append(f"only {n + 1} samples: they took {wall_s:.1f} s")
                return
            missing = method.samples_min - 1 - n
            wanted = missing if missing > 0 else max(BATCH, n // 2)  # growing: each look at the samples costs time too
            self.take(min(self._affordable(wanted), method.samples_max - 1 - n))

    def take(self, count: int) -> None:
        batch = self._batch(count)
        self.batches.append(batch)
        self.samples += batch.elapsed_s

    def _affordable(self, count: int) -> int:
        """At most `count`, and no more than a quarter of the patience at a time."""
        quarter = PATIENCE * self.method.timeout_s / 4
        return max(1, min(count, int(quarter / self.wall_s) if self.wall_s > 0 else count))

    def _batch(self, count: int) -> Batch:
        begin = time.perf_counter()
        batch = self.bound.sample(count, clock=self.clock, cache=self.cache)
        self.wall_s = (time.perf_counter() - begin) / count
        return batch

    def measurement(self) -> Measurement:
        last = self.batches[-1]
        notes = [*self.notes, *(b.note for b in self.batches if b.note)]
        found = Measurement(
            clock=last.clock,
            cache=last.cache,
            samples_s=tuple(self.samples),
            submit_s=tuple(s for b in self.batches for s in b.submit_s),
            floor_s=last.floor_s,
            summary=summarise(self.samples),
            note="; ".join(dict.fromkeys(notes)),
        )
        if not found.near_floor:
            return found
        return msgspec.structs.replace(found, note=f"{found.note}; near the clock's floor: it says little".lstrip("; "))
