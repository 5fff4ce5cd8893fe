"""kbench.measure without a GPU: the host's clock, and the sampling loop on scripted batches."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import pytest

import kbench
from kbench.api.timing import _batches, _timing
from kbench.errors import DeviceError, UsageError
from kbench.intent.method import Method
from kbench.machine.device import Batch


def test_a_callable_is_called_with_its_arguments_and_timed() -> None:
    called: list[Any] = []

    def wait(seconds: float, *, more: float) -> None:
        called.append((seconds, more))
        time.sleep(seconds + more)

    timing = kbench.measure(
        wait, 0.002, kwargs={"more": 0.001}, bytes=3_000_000, device="cpu", cache="warm", samples=12
    )
    assert set(called) == {(0.002, 0.001)}
    assert 0.003 <= timing.center_s < 0.006
    assert timing.interval[0] <= timing.center_s <= timing.interval[1]
    assert len(timing.samples) == 12
    assert (timing.clock, timing.cache) == ("host", "warm")
    assert timing.gbps == pytest.approx(3e6 / timing.center_s / 1e9)
    assert 0 < timing.floor_s < 1e-4
    assert "ms" in str(timing)
    assert "GB/s" in str(timing)


def test_cold_flushes_before_each_call_and_says_so() -> None:
    timing = kbench.measure(lambda: None, device="cpu", samples=6)
    assert timing.cache == "cold"
    assert "read-only pass over" in timing.note
    assert timing.center_s < 1e-3, "the flush is not in the time"
    assert timing.gbps is None


def test_what_the_callable_raises_comes_through() -> None:
    def broken() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        kbench.measure(broken, device="cpu")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"clock": "events"}, "no clock 'events'"),
        ({"cache": "sustained"}, "cold or warm"),
        ({"precison": 1}, "precision"),
        ({"device": "gpu"}, "unknown device"),
        ({"bytes": -5}, "bytes must not be negative"),
    ],
)
def test_what_it_refuses(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        kbench.measure(lambda: None, **{"device": "cpu", **given})


def test_an_array_on_a_gpu_is_not_timed_by_the_host() -> None:
    class OnGpu:
        __cuda_array_interface__ = None

    with pytest.raises(DeviceError, match="lies on a GPU"):
        kbench.measure(lambda x: None, OnGpu(), device="cpu")


class Scripted:
    """Samples that come from a list; every batch is written down."""

    def __init__(self, times: list[float], correction_s: float = 0.0) -> None:
        self.times, self.correction_s, self.asked, self._next = times, correction_s, [], count()

    def clock(self, asked: str, cache: str = "cold") -> tuple[str, str]:
        return "scripted", ""

    def sample(self, count: int, *, clock: str, cache: str) -> Batch:
        self.asked.append(count)
        taken = tuple(self.times[next(self._next) % len(self.times)] for _ in range(count))
        return Batch(clock, cache, taken, (), 1e-7, correction_s=self.correction_s)


def test_sampling_stops_when_it_is_precise_enough() -> None:
    method = Method(max_time_s=10.0)
    steady = _batches(Scripted([1e-3, 1.0005e-3, 0.9995e-3]), method, "scripted", "cold")
    assert sum(len(b.elapsed_s) for b in steady) == method.samples_min
    wild = _batches(Scripted([1e-3, 3e-3, 2e-3, 5e-3]), method, "scripted", "cold")
    assert sum(len(b.elapsed_s) for b in wild) == method.samples_max


def test_sampling_stops_when_its_time_is_used_up() -> None:
    batches = _batches(Scripted([1e-2, 3e-2, 2e-2, 5e-2]), Method(max_time_s=0.5), "scripted", "cold")
    taken = [s for b in batches for s in b.elapsed_s]
    assert 20 <= len(taken) < 40
    assert sum(taken) >= 0.5


def test_the_clock_s_addition_is_taken_off_the_centre_and_not_off_the_samples() -> None:
    batches = [Batch("events", "cold", (5e-6,) * 20, (), 3e-6, correction_s=3e-6)]
    timing = _timing(batches, ["why", ""], None)
    assert timing.center_s == pytest.approx(2e-6)
    assert set(timing.samples) == {5e-6}
    assert timing.correction_s == 3e-6
    assert timing.interval[0] <= timing.center_s <= timing.interval[1]
    assert timing.note == "why"


def test_a_correction_that_is_more_than_a_sample_is_not_taken_off_and_it_says_so() -> None:
    batches = [Batch("events", "cold", (2.3e-6,) * 20, (), 2e-6, correction_s=2.4e-6)]
    timing = _timing(batches, [], 10**6)
    assert timing.center_s == pytest.approx(2.3e-6)
    assert timing.correction_s == 0
    assert "not corrected: the clock adds 2.4e-06 s" in timing.note


@pytest.mark.parametrize("n", [1, 3, 5, 6])
def test_below_six_samples_there_is_no_interval(n: int) -> None:
    timing = _timing([Batch("host", "cold", tuple(1e-3 + 1e-5 * i for i in range(n)), (), 1e-7)], [], None)
    assert (timing.precision is None) == ("±" not in str(timing)) == (n < 6)


def test_slopes_are_fewer_and_take_as_long_as_they_take() -> None:
    """A slope is over many runs: what it says is not what it took."""
    slow = Scripted([1e-6, 3e-6, 2e-6, 5e-6])
    plain = slow.sample

    def sample(count: int, **how: Any) -> Batch:
        time.sleep(0.005 * count)
        return plain(count, **how)

    slow.sample = sample  # type: ignore[method-assign]
    batches = _batches(slow, Method(max_time_s=0.05), "graph", "warm")
    assert sum(len(b.elapsed_s) for b in batches) <= 20
