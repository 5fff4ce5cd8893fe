"""The order of one configuration, the stopping rule, and that a wrong kernel is never timed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from fake_device import FakeDevice

from kbench.errors import ClockError, SpecError
from kbench.experiment.contest import Contest
from kbench.experiment.enough import enough
from kbench.experiment.entrant import Entrant
from kbench.experiment.result import NO_ENERGY, Measurement
from kbench.experiment.verdict import Problem
from kbench.intent.method import PRESETS, Method
from kbench.intent.op import Call, Op, Out

X = np.arange(1, 9, dtype=np.float32)


def copy(y: Any, x: Any) -> None:
    y[...] = x


def run(
    function: Callable[..., None] = copy, *, times: Any = (), method: Method | None = None, **out: Any
) -> tuple[Any, Measurement | None, list[str]]:
    y = np.zeros_like(X)
    op = Op(steps=[Call(function, (y, X))], outputs={"y": Out(y, out.pop("reference", X), **out)}, bytes_read=32)
    device = FakeDevice(times)
    bound = device.bind(op, [None])
    problem, method = Problem("p", np), method or Method()
    phases = ["check"]
    entrant = Entrant("a", bound, {"y": op.outputs["y"]}, problem, method, ("auto", "cold"))
    verdict = entrant.check()
    if verdict.ok:
        (event, *_) = list(Contest([entrant], method, lambda _, phase: phases.append(phase)))
        verdict = event.verdict
    measurement = entrant.measurement() if verdict.ok else None
    if measurement:
        assert [name for name, _ in itertools.groupby(phases)] == ["check", "warm-up", "samples", "last sample"]
    return verdict, measurement, device.log


def test_restore_check_warm_up_sample_then_check_the_last_timed_launch() -> None:
    verdict, measurement, log = run()
    assert verdict.ok
    assert measurement
    assert log[:5] == ["bind", "restore, poison y", "run", "damaged?", "read y"]
    assert log[-4:] == ["restore, poison y", "sample 1", "damaged?", "read y"]
    between = log[5:-4]
    assert all(entry.startswith("sample ") for entry in between)
    taken = sum(int(entry.split()[1]) for entry in between)
    warm = taken + 1 - measurement.summary.n
    assert between[0] == "sample 1"
    assert 1 < warm < taken
    assert len(measurement.samples_s) == measurement.summary.n == len(measurement.submit_s)
    assert (measurement.clock, measurement.cache, measurement.floor_s) == ("scripted", "cold", 1e-7)
    assert measurement.note == "the only one; scripted"


def off_by_one(y: Any, x: Any) -> None:
    y[...] = x
    y[3] += 1


def past_the_end(y: Any, x: Any, bound: Any) -> None:
    y[...] = x
    bound.canary[0] = 0


def half(y: Any, x: Any) -> None:
    y[:4] = x[:4]


def spoils_its_input(y: Any, x: Any) -> None:
    y[...] = x
    x[2] = 0


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (off_by_one, "y: first wrong at [3]: expected 4, got 5; 1 of 8 wrong"),
        (past_the_end, "argument 0: guard bytes overwritten 16 bytes past its end"),
        (spoils_its_input, "an array was changed, but it is no output"),
        (half, "4 of 8 wrong, 4 of them never written"),
    ],
)
def test_a_wrong_kernel_is_never_timed(function: Callable[..., None], words: str) -> None:
    verdict, measurement, log = run(function)
    assert not verdict.ok
    assert measurement is None
    assert words in verdict.message
    assert not [entry for entry in log if entry.startswith("sample")]


def test_what_goes_wrong_only_later_is_found_at_the_last_timed_launch_and_the_time_is_thrown_away() -> None:
    def tires(y: Any, x: Any, bound: Any) -> None:
        y[...] = x if bound.runs < 15 else 0

    verdict, measurement, _ = run(tires)
    assert measurement is None
    assert verdict.message.startswith(
        "the last timed launch was wrong, though the first launch was right\ny: first wrong"
    )


def test_a_kernel_that_works_in_place_is_restored_before_each_checked_launch() -> None:
    def double(y: Any, x: Any) -> None:
        y += x

    verdict, measurement, log = run(double, reference=lambda before: before + X, poison=False)
    assert verdict.ok
    assert measurement
    assert log.count("restore, poison") == 2


def test_sampling_stops_at_the_precision_but_not_before_the_least_number() -> None:
    _, measurement, _ = run(times=[1e-5] * 500)
    assert measurement
    assert measurement.summary.n == 20
    assert measurement.summary.precision == 0


def test_noise_is_sampled_longer_and_at_most_to_the_most_samples() -> None:
    noise = list(np.random.default_rng(3).lognormal(np.log(1e-5), 0.5, 1000))
    _, measurement, _ = run(times=noise)
    assert measurement
    assert measurement.summary.n == 200
    quiet = list(np.random.default_rng(3).lognormal(np.log(1e-5), 0.02, 1000))
    _, measurement, _ = run(times=quiet)
    assert measurement
    assert 20 < measurement.summary.n < 200
    assert measurement.summary.precision is not None
    assert measurement.summary.precision <= 0.005


def test_sampling_stops_when_the_samples_have_taken_their_time() -> None:
    slow = list(np.random.default_rng(3).lognormal(np.log(2e-3), 0.5, 1000))
    _, measurement, _ = run(times=slow)
    assert measurement
    assert 20 <= measurement.summary.n <= 60
    assert sum(measurement.samples_s) >= 0.05


@pytest.mark.parametrize(
    ("noise", "time_s", "last"),
    [
        (0.5, 1e-5, [19, 38, 76, 47]),  # doubled, up to as many as are allowed
        (0.03, 1e-5, [19, 38, 69]),  # as many as are missing to the precision
        (0.011, 1e-5, [10]),  # never fewer than ten
        (0.5, 2.2e-3, [10]),  # some 5 ms are left
    ],
)
def test_batches_grow_towards_what_is_missing(noise: float, time_s: float, last: list[int]) -> None:
    times = time_s * np.exp(noise * np.random.default_rng(3).standard_normal(400))
    _, measurement, log = run(times=list(times))
    assert measurement
    sizes = [int(entry.split()[1]) for entry in log if entry.startswith("sample ")]
    assert sizes[-5 - len(last) : -1 - len(last)] == [6, 5, 5, 4]  # the first one also takes what is not counted
    assert sizes[-1 - len(last) : -1] == pytest.approx(last, rel=0.2)
    assert sum(sizes[-5 - len(last) :]) - 1 == measurement.summary.n


def test_the_warm_up_goes_on_until_two_batches_agree() -> None:
    cooling = [1e-5 * (1 + 2.0**-i) for i in range(200)]
    _, measurement, _ = run(times=cooling)
    assert measurement
    assert measurement.summary.max_s < 1.05e-5
    assert "not settled" not in measurement.note
    restless = [1e-5 * (1 + (i // 10) % 2) for i in range(9, 2000)]
    _, measurement, _ = run(times=restless)
    assert measurement
    assert "not settled to 2% by the warm-up" in measurement.note


def test_a_slow_kernel_gets_fewer_samples_and_says_so() -> None:
    import time

    def slow(y: Any, x: Any) -> None:
        y[...] = x
        time.sleep(0.02)

    _, measurement, _ = run(slow, times=[0.02] * 100, method=Method(timeout_s=1.0))
    assert measurement
    assert 2 <= measurement.summary.n < 20
    assert f"only {measurement.summary.n} samples" in measurement.note


def test_a_single_sample_may_be_asked_for() -> None:
    _, measurement, _ = run(method=Method(samples_min=1, samples_max=1))
    assert measurement
    assert measurement.summary.n == 1
    assert measurement.summary.precision is None


def test_a_first_sample_that_took_long_does_not_keep_batches_small() -> None:
    """Loading code may take as long as thousands of runs."""
    import time

    waits = iter([0.3])

    def loads(y: Any, x: Any) -> None:
        y[...] = x
        time.sleep(next(waits, 0.0))

    y = np.zeros_like(X)
    op = Op(steps=[Call(loads, (y, X))], outputs={"y": Out(y, X)}, bytes_read=32)
    bound = FakeDevice(1e-5 * np.exp(0.05 * np.random.default_rng(3).standard_normal(400))).bind(op, [None])
    entrant = Entrant("a", bound, {"y": op.outputs["y"]}, Problem("p", np), Method(timeout_s=2.0), ("graph", "warm"))
    list(Contest([entrant], Method(timeout_s=2.0), lambda *_: None))
    assert entrant.rounds < 20


def test_one_sample_at_least_and_more_where_they_are_needed() -> None:
    noisy = list(1e-5 * np.exp(0.05 * np.random.default_rng(3).standard_normal(400)))
    _, measurement, _ = run(times=noisy, method=Method(samples_min=1))
    assert measurement
    assert 50 < measurement.summary.n <= 200


def test_a_time_near_the_floor_of_its_clock_says_so() -> None:
    for time_s, near in ((0.9e-7, True), (1.4e-7, True), (1.6e-7, False)):
        _, measurement, _ = run(times=[time_s] * 500)
        assert measurement
        assert measurement.near_floor is near
        assert ("near the clock's floor" in measurement.note) is near


def test_a_reference_belongs_to_the_problem_and_not_to_who_asks() -> None:
    problem, y = Problem("p", np), np.zeros_like(X)
    problem.asker = "variant a"
    problem.reference("y", Out(y, lambda: X))
    problem.asker = "variant b"
    problem.reference("y", Out(y, lambda: X * np.float32(1 + 1e-7)))  # within the tolerance
    calls = []
    problem.reference("y", Out(y, lambda: calls.append(1)))
    assert not calls
    problem.asker = "variant c"
    with pytest.raises(SpecError, match=r"depends on more than the problem: variant c's is not that of variant a "):
        problem.reference("y", Out(y, lambda: X * 2))


def test_references_are_evaluated_once_per_problem() -> None:
    calls = []

    def reference() -> Any:
        calls.append(1)
        return X

    problem, y = Problem("p", np), np.zeros_like(X)
    for _ in range(3):
        problem.reference("y", Out(y.copy(), reference))
    assert len(calls) == 1
    with pytest.raises(SpecError, match=r"float32\[4\], its reference is float32\[8\]"):
        problem.reference("y", Out(y[:4], reference))


class Forgetful(FakeDevice):
    """Loses the samples of its clock the first `losses` times that it is asked from the `first` time on."""

    def __init__(self, first: int, losses: int) -> None:
        super().__init__()
        self.asked, self.lost = 0, range(first, first + losses)

    def bind(self, op: Op, binaries: Any, **options: Any) -> Any:
        bound = super().bind(op, binaries, **options)
        sample = bound.sample

        def losing(count: int, **how: Any) -> Any:
            batch = sample(count, **how)
            self.asked += 1
            if self.asked in self.lost:
                raise ClockError("3 records were dropped")
            return batch

        bound.sample = losing
        return bound


def add_to(y: Any, x: Any) -> None:
    y += x


def contested(device: FakeDevice) -> tuple[Any, Measurement]:
    """Of a kernel that works in place: a sample that was lost has changed its memory already."""
    y = np.zeros_like(X)
    outs = {"y": Out(y, lambda before: before + X, poison=False)}
    bound = device.bind(Op(steps=[Call(add_to, (y, X))], outputs=outs, bytes_read=32), [None])
    entrant = Entrant("a", bound, outs, Problem("p", np), Method(samples_min=20), ("auto", "cold"))
    (event, *_) = list(Contest([entrant], Method(samples_min=20), lambda _, phase: None))
    return event.verdict, entrant.measurement()


@pytest.mark.parametrize("joules", [0.25, None])
def test_energy_is_counted_once_after_the_last_check_and_only_on_request(joules: float | None) -> None:
    for asked in (True, False):
        device, method = FakeDevice(), Method(energy=asked)
        device.joules = joules
        y = np.zeros_like(X)
        outs = {"y": Out(y, X)}
        bound = device.bind(Op(steps=[Call(copy, (y, X))], outputs=outs, bytes_read=32), [None])
        entrant = Entrant("a", bound, outs, Problem("p", np), method, ("auto", "cold"))
        list(Contest([entrant], method, lambda _, phase: None))
        measured = entrant.measurement()
        assert [line for line in device.log if "energy" in line] == ["energy over 2 s"] * asked
        assert device.log[-1] == ("energy over 2 s" if asked else "read y")
        assert measured.energy_j == (joules if asked else None)
        assert (NO_ENERGY in measured.note) == (asked and joules is None)
        assert enough(Method(energy=True))(measured) == asked


def test_slopes_need_fewer_samples_unless_a_number_was_asked_for() -> None:
    assert [Method().least(clock) for clock in ("cupti", "events", "graph", "host")] == [20, 20, 8, 20]
    assert Method(samples_min=12, samples_max=12).least("graph") == 12
    assert Method(samples_min=1, samples_max=9).least("graph") == 1
    assert [Method().of_preset(name).least("graph") for name in PRESETS] == [4, 16]
    _, measured, _ = run(method=Method(samples_min=8, samples_max=8))
    assert measured
    for clock, is_enough in (("graph", True), ("cupti", False)):
        timed = msgspec.structs.replace(measured, clock=clock)
        assert enough(Method())(timed) == is_enough
        short = msgspec.structs.replace(timed, note="only 8 samples: they took 2.0 s")
        assert enough(Method())(short)
    several = msgspec.structs.replace(measured, clock="graph", process_centers_s=(1e-5,) * 3)
    assert [enough(Method(processes=n))(several) for n in (1, 3, 4)] == [True, True, False]


def test_a_clock_that_lost_its_samples_tries_again_and_the_row_says_so() -> None:
    device = Forgetful(0, 0)
    verdict, _ = contested(device)
    assert verdict.ok
    for which in (1, device.asked):  # while warming up, and the last sample, which is checked
        verdict, measurement = contested(Forgetful(which, 1))
        assert verdict.ok
        assert "sampled again: 3 records were dropped" in measurement.note
        assert measurement.summary.n == len(measurement.samples_s)


def test_a_clock_that_loses_them_again_is_an_error() -> None:
    with pytest.raises(ClockError, match="3 records"):
        contested(Forgetful(2, 2))
