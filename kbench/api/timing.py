"""kbench.measure: time any callable that launches work on the GPU, in this process, with the clocks of a sweep."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from kbench.api.settings import method_of
from kbench.errors import DeviceError, UsageError
from kbench.experiment.entrant import BATCH, PATIENCE, SETTLED
from kbench.experiment.stats import LEAST_KNOWN, allowed, half_width, interval, not_allowed
from kbench.intent.method import Method
from kbench.machine.choose import Choice, choose
from kbench.machine.device import Batch
from kbench.reading import units


@dataclass(frozen=True)
class Timing:
    """What `measure` found. Times in seconds.

    center_s: the robust centre of the samples (Hodges-Lehmann), the clock's calibrated addition taken off. interval:
    the centre's 95 % interval (below 6 samples their range). samples: every sample as the clock gave it, none dropped.
    floor_s: what the clock reads for no work. correction_s: what it adds to every sample; left_s: what may be left of
    that. note: why this clock, and anything a reader must know. nbytes: as given to `measure`.
    """

    center_s: float
    interval: tuple[float, float]
    samples: tuple[float, ...]
    clock: str
    cache: str
    floor_s: float
    correction_s: float = 0.0
    left_s: float = 0.0
    note: str = ""
    nbytes: int | None = None

    @property
    def gbps(self) -> float | None:
        """1e9 bytes a second; None where `bytes` was not given."""
        return self.nbytes / self.center_s / 1e9 if self.nbytes else None

    @property
    def precision(self) -> float | None:
        """Half of the interval over the centre; None below 6 samples, from which no 95 % interval can be had."""
        if len(self.samples) < LEAST_KNOWN or self.center_s <= 0:
            return None
        return (self.interval[1] - self.interval[0]) / 2 / self.center_s

    def __str__(self) -> str:
        rate = f" · {units.digits(self.gbps)} GB/s" if self.gbps else ""
        how = f"n {len(self.samples)} · clock {self.clock}, {self.cache}"
        width = "" if self.precision is None else f" ±{self.precision * 100:.2f} %"
        return f"{units.duration(self.center_s)}{width}{rate} · {how}"


def measure(
    fn: Callable[..., Any], *args: Any, bytes: int | None = None, clock: str = "auto", cache: str = "cold",
    device: str = "auto", kwargs: Mapping[str, Any] | None = None, **method: Any,
) -> Timing:  # fmt: skip
    """Time fn(*args, **kwargs), called again and again on the same arguments; what it computes is not checked.

    On a GPU everything that fn launches on the current stream of CuPy or PyTorch is timed, from its first start to its
    last end. device: "auto" is the GPU that is current in this process, or the cpu where there is none; "cpu" times any
    Python callable by the host's clock. bytes: useful bytes of one call, for `gbps`. cache: "cold" or "warm". method:
    precision, max_time_s, samples, … as for `sweep`.

    Raises UsageError (a clock or cache state that cannot be, negative bytes, work on other streams), DeviceError, and
    whatever fn does.
    """
    how = method_of(**method)
    if bytes is not None and bytes < 0:
        raise UsageError(f"bytes must not be negative, and is {bytes}")
    choice = choose(device)
    given = dict(kwargs or {})
    if choice.kind == "cpu":
        _refuse_gpu_arrays(choice, device, [*args, *given.values()])
    with _opened(choice, device, lambda: fn(*args, **given), clock, bytes) as (bound, note):
        name, why = bound.clock(clock, cache)
        batches = _batches(bound, how, name, cache)
    return _timing(batches, [why, note], bytes)


class Timed(Protocol):
    """What is needed of a kbench.machine.device.Bound."""

    def clock(self, asked: str, cache: str = "cold") -> tuple[str, str]: ...

    def sample(self, count: int, *, clock: str, cache: str) -> Batch: ...


def _opened(
    choice: Choice, asked: str, function: Callable[[], Any], clock: str, nbytes: int | None
) -> AbstractContextManager[tuple[Timed, str]]:
    if choice.kind == "cpu":
        from kbench.machine.cpu.callable import callable_bound as on_host

        return on_host(function)
    from kbench.machine.cuda.callable import callable_bound as on_gpu
    from kbench.machine.cuda.visible import index_of

    return on_gpu(function, index_of(asked) if ":" in asked else None, clock, nbytes or 0)


def _refuse_gpu_arrays(choice: Choice, asked: str, values: list[Any]) -> None:
    """The host's clock would read the time of launching, not of the work."""
    for value in values:
        if hasattr(value, "__cuda_array_interface__") and not isinstance(value, type):
            why = "device='cpu' was asked for" if asked == "cpu" else choice.why
            raise DeviceError(f"an argument lies on a GPU, but the host's clock would time the call: {why}")


def _batches(bound: Timed, method: Method, clock: str, cache: str) -> list[Batch]:
    """Warm up, then sample until the centre is precise, the time is used up, or there are enough samples."""
    per_sample = _warm_up(bound, method, clock, cache)
    least = method.least(clock)
    batches: list[Batch] = []
    samples: list[float] = []
    begin = time.perf_counter()
    while len(samples) < method.samples_max:
        missing = least - len(samples) if len(samples) < least else max(BATCH, len(samples) // 2)
        affordable = max(1, int(PATIENCE * method.timeout_s / per_sample))
        batches.append(
            bound.sample(min(missing, affordable, method.samples_max - len(samples)), clock=clock, cache=cache)
        )
        last = batches[-1]
        samples += last.elapsed_s
        wall_s = time.perf_counter() - begin
        per_sample = wall_s / len(samples)
        precise = half_width(samples, allowed(last.correction_s, samples), last.tick_s) <= method.precision
        spent_s = wall_s if clock == "graph" else sum(samples)  # a slope is over many runs
        if len(samples) >= least and (precise or spent_s >= method.max_time_s):
            break
        if wall_s > PATIENCE * method.timeout_s:
            break
    return batches


def _warm_up(bound: Timed, method: Method, clock: str, cache: str) -> float:
    """Run until two batches agree, for at most as long as the samples may take; returns the wall time of a sample."""
    begin = time.perf_counter()
    before = statistics.median(bound.sample(1, clock=clock, cache=cache).elapsed_s)
    per_sample = time.perf_counter() - begin
    while time.perf_counter() - begin < method.max_time_s:
        now = statistics.median(bound.sample(BATCH, clock=clock, cache=cache).elapsed_s)
        if abs(now - before) <= SETTLED * before:
            break
        before = now
    return max(per_sample, 1e-9)


def _timing(batches: list[Batch], notes: list[str], nbytes: int | None) -> Timing:
    samples = tuple(s for batch in batches for s in batch.elapsed_s)
    last = batches[-1]
    correction = allowed(last.correction_s, samples)
    found = interval(samples, correction, last.tick_s)
    notes = [*notes, *(batch.note for batch in batches)]
    if correction != last.correction_s:
        notes.append(not_allowed(last.correction_s))
    told = dict.fromkeys(note for note in notes if note)
    return Timing(
        found.value, (found.low, found.high), samples, last.clock, last.cache, last.floor_s, correction,
        last.left_s, "; ".join(told), nbytes,
    )  # fmt: skip
