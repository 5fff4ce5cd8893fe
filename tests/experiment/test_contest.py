"""Rounds, racing and duels on a device whose times are scripted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from fake_device import FakeDevice
from hypothesis import given, settings
from hypothesis import strategies as st

from kbench.experiment.contest import MARGIN, Contest, Finished, Stands
from kbench.experiment.entrant import Entrant, Gauge
from kbench.experiment.result import Standing
from kbench.experiment.verdict import Problem
from kbench.intent.method import Method
from kbench.intent.op import Call, Op, Out
from kbench.machine.device import Telemetry

X = np.arange(4, dtype=np.float32)


def entrant(
    device: FakeDevice, name: str, seconds: float, method: Method, *, baseline: bool = False, cache: str = "cold"
) -> Entrant:
    y = np.zeros_like(X)

    def work(y: Any, x: Any) -> None:
        y[...] = x

    work.seconds, work.name = seconds, name  # type: ignore[attr-defined]
    op = Op(steps=[Call(work, (y, X))], outputs={"y": Out(y, X)})
    outs: Any = {"y": op.outputs["y"]}
    bound = device.bind(op, [None])
    return Entrant(
        name, bound, outs, Problem("p", np), method, ("auto", cache), gauge=Gauge(device.telemetry, 0.0),
        baseline=baseline,
    )  # fmt: skip


class Run:
    """A contest of named times, and what came of it."""

    def __init__(
        self, times: Mapping[str, float], device: FakeDevice | None = None, method: Method | None = None, *,
        seed: str = "", baselines: tuple[str, ...] = (), cache: str = "cold",
    ) -> None:  # fmt: skip
        method = method or Method()
        self.device = device or FakeDevice(noise=0.003)
        self.turns: list[tuple[str, str]] = []
        self.entrants = {
            name: entrant(self.device, name, t, method, baseline=name in baselines, cache=cache)
            for name, t in times.items()
        }
        contest = Contest(
            list(self.entrants.values()), method, lambda e, phase: self.turns.append((phase, e.name)), seed=seed,
            name="c",
        )  # fmt: skip
        self.finished: list[str] = []
        self.standings: dict[str, Standing | None] = {}
        for event in contest:
            if isinstance(event, Finished):
                assert event.verdict.ok
                self.finished.append(event.entrant.name)
                if event.held:
                    continue
            self.standings[event.entrant.name] = event.standing

    def place(self, name: str) -> str | None:
        standing = self.standings[name]
        return standing.place if standing else None

    def n(self, name: str) -> int:
        return self.entrants[name].measurement().summary.n


def test_everyone_has_one_standing_and_the_best_is_the_best() -> None:
    run = Run({"a": 1.1e-5, "b": 1e-5, "c": 1.03e-5, "d": 2e-5}, FakeDevice(noise=0.02))
    assert sorted(run.finished) == sorted(run.standings) == ["a", "b", "c", "d"]
    assert run.place("b") == "best"
    assert run.place("a") == "behind"
    assert run.place("c") == "behind"
    assert run.place("d") == "stopped"
    gap = run.standings["d"]
    assert gap
    assert gap.gap_low < 1.0 < gap.gap_high
    assert gap.gap == pytest.approx(1.0, abs=0.05)
    assert (gap.contest, gap.among) == ("c", 4)


def test_the_hopeless_leave_with_the_least_number_and_the_merely_slower_do_not() -> None:
    times = {"best": 1e-5, "slower": 1e-5 * (1 + MARGIN / 2), "hopeless": 1e-5 * (1 + 2 * MARGIN)}
    run = Run(times, FakeDevice(noise=0.03))
    assert run.n("hopeless") == Method().samples_min
    assert run.place("hopeless") == "stopped"
    assert run.n("slower") > 2 * Method().samples_min
    assert run.place("slower") == "behind"


def test_rounds_are_interleaved_and_every_second_one_goes_backwards() -> None:
    run = Run({str(i): 1e-5 for i in range(5)}, method=Method(duel=False))
    order = [name for phase, name in run.turns if phase == "samples"]
    first, second, third, fourth = (order[i : i + 5] for i in range(0, 20, 5))
    assert sorted(first) == sorted(third) == list("01234")
    assert second == first[::-1]
    assert fourth == third[::-1]
    assert first != third
    again = Run({str(i): 1e-5 for i in range(5)}, method=Method(duel=False))
    assert again.turns == run.turns
    other = Run({str(i): 1e-5 for i in range(5)}, method=Method(duel=False), seed="another")
    assert [n for p, n in other.turns if p == "samples"][:5] != first


def test_leaders_meet_in_a_duel_that_goes_forth_and_back() -> None:
    run = Run({"a": 1e-5, "b": 1.004e-5, "far": 1.5e-5})
    duel = [name for phase, name in run.turns if phase == "duel"]
    assert set(duel) == {"a", "b"}
    for i in range(0, len(duel), 4):
        assert duel[i : i + 4] in (["a", "b", "b", "a"], ["b", "a", "a", "b"])
    standing = run.standings["b"]
    assert standing
    assert standing.how == f"duel of {len(duel) // 2} pairs"
    assert standing.gap == pytest.approx(0.004, abs=0.0015)
    assert run.place("a") == "best"


def test_a_turn_of_a_duel_takes_more_samples_where_they_are_short() -> None:
    import random

    from kbench.experiment.duel import BATCH, Duel

    def taken(a_sample_s: float, time_s: float = 1e-5) -> float:
        run = Run({"a": time_s, "b": 1.0001 * time_s})
        before = run.device.taken["a"]
        for e in run.entrants.values():
            e.a_sample_s = a_sample_s
        turns: list[str] = []
        Duel(list(run.entrants.values()), Method(), lambda e, _: turns.append(e.name), random.Random(1)).standings()
        return (run.device.taken["a"] - before) / turns.count("a")

    assert taken(30e-6) == BATCH[1]
    assert BATCH[0] < taken(80e-6) < BATCH[1]
    assert taken(1e-3) == BATCH[0]
    assert taken(1e-2, 1e-2) == 1  # no turn takes long because there are many


def test_what_cannot_be_told_apart_is_tied_and_the_tie_has_a_size() -> None:
    run = Run({"a": 1e-5, "b": 1.0005e-5, "c": 1.02e-5}, FakeDevice(noise=0.01))
    assert sorted(str(run.place(n)) for n in "ab") == ["best", "tied"]
    assert run.place("c") == "behind"
    tied = next(s for s in run.standings.values() if s and s.place == "tied")
    assert abs(tied.gap) < 0.01
    assert tied.gap_low < tied.gap < tied.gap_high


@pytest.mark.parametrize("rise", [0.03, -0.03, 0.3])
def test_a_drift_over_the_sweep_does_not_change_the_winner(rise: float) -> None:
    """20 configurations 0.6 % apart, while everything becomes 3 % slower, or faster, from beginning to end."""
    times = {f"{i:02}": 1e-5 * 1.006**i for i in range(20)}
    still = Run(times, FakeDevice(noise=0.002), seed="still")
    assert still.place("00") == "best"
    whole = still.device.now_s
    for seed in range(5):
        device = FakeDevice(noise=0.002, drift=lambda now_s: rise * now_s / whole, seed=seed)
        run = Run(dict(reversed(times.items())), device, seed=str(seed))
        assert run.place("00") == "best"
        assert run.place("01") == "behind"


def test_equal_ones_are_tied_in_every_run_or_the_same_one_wins() -> None:
    winners, ties = set(), 0
    for seed in range(20):
        device = FakeDevice(noise=0.01, tick_s=32e-9, seed=seed)
        run = Run({"a": 1.4e-6, "b": 1.401e-6}, device, seed=str(seed))
        ties += "tied" in (run.place("a"), run.place("b"))
        winners |= {n for n in "ab" if run.place(n) == "best"} if "behind" in map(run.place, "ab") else set()
    assert ties >= 18
    assert len(winners) <= 1


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(1e-6, 2e-4), min_size=1, max_size=8), st.sampled_from([0.0, 0.001, 0.02]),
    st.sampled_from([0.0, 32e-9]), st.booleans(), st.integers(0, 99),
)  # fmt: skip
def test_whatever_the_times_there_is_one_best_ties_are_small_and_the_bounds_hold(
    times: list[float], noise: float, tick_s: float, duel: bool, seed: int
) -> None:
    named = {str(i): t for i, t in enumerate(times)}
    run = Run(named, FakeDevice(noise=noise, tick_s=tick_s, seed=seed), Method(duel=duel), seed=str(seed))
    places = [run.place(name) for name in named]
    assert places.count("best") == 1
    spans = max(0.01, tick_s / min(times) * (1 + 3 * noise))
    assert all(s is not None and s.gap <= spans for s in run.standings.values() if s and s.place == "tied")
    assert all(Method().samples_min <= run.n(name) <= Method().samples_max for name in named)
    best = next(name for name in named if run.place(name) == "best")
    assert named[best] <= min(times) * (1.01 + 3 * noise) + tick_s
    for name, standing in run.standings.items():
        assert standing
        assert standing.gap_low <= standing.gap <= standing.gap_high
        if standing.place == "stopped":
            assert named[name] > named[best] * (1 + MARGIN / 2)


def test_a_hiccup_beside_equal_samples_makes_no_tie() -> None:
    """The tick is the clock's: a step of 18 us between two samples is none."""
    for seed in range(20):
        run = Run({"a": 1.312e-6, "b": 1.44e-6, "c": 1.8e-6}, FakeDevice(tick_s=32e-9, seed=seed), Method(duel=False))
        one = run.entrants["a"]
        one.samples[3] = 20e-6
        one._looked = None
        assert one.look().value < 1.33e-6
        assert one.look().high < 1.35e-6
        assert run.place("a") == "best"
        assert run.place("b") == run.place("c") == "stopped" or run.place("b") == "behind"


def test_where_nobody_has_enough_the_fastest_is_the_best_and_not_who_leaves_first() -> None:
    import time

    for times in ({"slow": 0.04, "fast": 0.02}, {"slow": 0.04, "mid": 0.03, "fast": 0.02}):
        device, method = FakeDevice(), Method(timeout_s=0.25)
        field = {name: entrant(device, name, t, method) for name, t in times.items()}
        for name, one in field.items():
            bound: Any = one._bound
            plain: Callable[..., Any] = bound.sample

            def sample(count: int, plain: Any = plain, seconds: float = times[name], **how: Any) -> Any:
                time.sleep(count * seconds / 4)
                return plain(count, **how)

            bound.sample = sample
        events = list(Contest(list(field.values()), method, lambda e, phase: None))
        standings = {e.entrant.name: e.standing for e in events if e.standing}
        assert not any(one.enough for one in field.values())
        assert standings["fast"].place == "best"
        assert {s.place for name, s in standings.items() if name != "fast"} <= {"behind", "stopped"}
        assert all(s.gap >= 0 for s in standings.values())


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_too_few_samples_for_an_interval_show_nobody_to_be_slower(n: int) -> None:
    for seed in range(20):
        method = Method(samples_min=n, samples_max=n, duel=False)
        run = Run({"a": 1e-5, "b": 1.001e-5}, FakeDevice(noise=0.001, seed=seed), method, seed=str(seed))
        assert sorted(str(run.place(name)) for name in "ab") == ["best", "tied"]
        hopeless = Run(
            {"a": 1e-5, "b": 1.05e-5}, FakeDevice(noise=0.1, seed=seed), Method(samples_min=n), seed=str(seed)
        )
        assert "stopped" not in (hopeless.place("a"), hopeless.place("b")) or min(map(hopeless.n, "ab")) >= 6


def test_times_that_a_correction_leaves_nothing_of_end_no_duel() -> None:
    import random

    from kbench.experiment.duel import LOOKS, NO_TIMES, Duel

    run = Run({"a": 1e-5, "b": 1.001e-5})
    one, other = run.entrants["a"], run.entrants["b"]
    found: dict[str, Standing] = {}
    for bad in (3, 2 * LOOKS[-1]):
        trials = iter([0.0, -1e-7] * bad)
        one.trial = lambda count, trials=trials: next(trials, 1e-5)  # type: ignore[method-assign,misc]
        other.trial = lambda count: 1.001e-5  # type: ignore[method-assign]
        found = Duel([one, other], Method(), lambda e, phase: None, random.Random(1)).standings()
        assert [found[name].place for name in "ab"] == ["best", "tied"]
    assert {s.how for s in found.values()} == {NO_TIMES}


def test_baselines_are_timed_to_the_end_and_compete_with_nobody() -> None:
    run = Run({"mine": 1e-5, "memcpy": 0.9e-5, "slow library": 3e-5}, FakeDevice(noise=0.03),
              baselines=("memcpy", "slow library"))  # fmt: skip
    assert run.standings == {"mine": run.standings["mine"], "memcpy": None, "slow library": None}
    assert run.place("mine") == "best"
    assert run.n("slow library") > Method().samples_min
    alone = Run(
        {"memcpy": 0.9e-5, "slow library": 3e-5}, FakeDevice(noise=0.02), baselines=("memcpy", "slow library")
    )  # fmt: skip
    assert (alone.place("memcpy"), alone.place("slow library")) == ("best", "stopped")


def test_one_alone_is_the_best_and_duels_with_nobody() -> None:
    run = Run({"a": 1e-5})
    assert run.place("a") == "best"
    assert {phase for phase, _ in run.turns} == {"warm-up", "samples", "last sample"}


def test_without_a_duel_intervals_decide() -> None:
    run = Run({"a": 1e-5, "b": 1.0001e-5, "c": 1.2e-5}, method=Method(duel=False))
    assert not [phase for phase, _ in run.turns if phase == "duel"]
    assert sorted(str(run.place(n)) for n in "abc") == ["behind", "best", "tied"]
    assert all(s and s.how == "intervals" for s in run.standings.values())


def test_a_kernel_too_slow_for_a_duel_is_judged_by_its_intervals_and_it_says_so() -> None:
    slow = Method(timeout_s=0.01, samples_min=6)
    run = Run({"a": 1.0, "b": 1.0001}, FakeDevice(noise=1e-4), slow)
    for e in run.entrants.values():
        e.a_sample_s = 1.0
    assert sorted(str(run.place(n)) for n in "ab") in (["best", "tied"], ["behind", "best"])
    import random

    from kbench.experiment.duel import Duel

    found = Duel(list(run.entrants.values()), slow, lambda e, phase: None, random.Random(1)).standings()
    assert {s.how for s in found.values()} == {"intervals: a duel would have taken 16 s of each"}


@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_the_very_first_run_of_each_is_not_counted(cache: str) -> None:
    run = Run({"a": 1e-5, "b": 1.3e-5}, method=Method(duel=False), cache=cache)
    warmed_up = next(name for phase, name in run.turns if phase == "warm-up")
    assert warmed_up == "a"
    assert run.device.taken["b"] == run.n("b") + 1


def adding(cache: str, wrong_at: int = 10**9) -> Any:
    """A kernel that adds to what is there, on a device whose samples run it twice unless they are cold."""
    device = FakeDevice(noise=0.001)
    y = np.zeros_like(X)
    runs = [0]

    def add(y: Any, x: Any) -> None:
        runs[0] += 1
        y += x if runs[0] < wrong_at else 2 * x

    op = Op(steps=[Call(add, (y, X))], outputs={"y": Out(y, lambda before: before + X, poison=False)})
    outs: Any = dict(op.outputs)
    bound: Any = device.bind(op, [None])
    plain: Callable[..., Any] = bound.sample

    def sample(count: int, **how: Any) -> Any:
        if cache != "cold":
            bound._launch()
        return plain(count, **how)

    bound.sample = sample
    one = Entrant("a", bound, outs, Problem("p", np), Method(), ("auto", cache))
    assert one.check().ok
    (finished, *_) = list(Contest([one], Method(), lambda e, phase: None))
    return finished, one


def test_what_works_in_place_is_checked_by_a_launch_of_its_own_where_a_sample_is_more_than_one() -> None:
    finished, one = adding("cold")
    assert finished.verdict.ok
    assert "in place" not in one.measurement().note
    finished, one = adding("warm")
    assert finished.verdict.ok
    assert "it works in place" in one.measurement().note
    finished, one = adding("warm", wrong_at=20)
    assert not finished.verdict.ok


HOT = Telemetry(sm_clock_hz=1e9, throttle=("thermal",))
FINE = Telemetry(sm_clock_hz=2e9)


def throttled(weather: list[Telemetry]) -> tuple[Any, FakeDevice]:
    device = FakeDevice(noise=0.001)
    device.weather = iter(weather)
    run = Run({"a": 1e-5}, device)
    return run.entrants["a"].measurement(), device


def test_a_throttled_batch_is_taken_once_more_and_only_labelled_if_it_stays_so() -> None:
    calm, undisturbed = throttled([FINE] * 20)
    passing, device = throttled([FINE, HOT, FINE, FINE, FINE, FINE])
    assert not calm.throttled
    assert not passing.throttled
    assert passing.summary.n == calm.summary.n
    assert device.taken["a"] == undisturbed.taken["a"] + 5
    lasting, device = throttled([FINE, HOT, HOT, HOT, HOT, HOT, HOT])
    assert lasting.throttled
    assert "throttled: thermal" in lasting.note
    assert device.taken["a"] == undisturbed.taken["a"] + 5
    assert lasting.telemetry[0] == FINE
    assert lasting.telemetry[-1] == HOT


def corrected(correction_s: float) -> Any:
    import msgspec

    device = FakeDevice(noise=0.001)
    one = entrant(device, "a", 1e-5, Method())
    bound: Any = one._bound
    plain: Callable[..., Any] = bound.sample
    bound.sample = lambda *args, **how: msgspec.structs.replace(
        plain(*args, **how), correction_s=correction_s, left_s=2e-7, sets=3, covered_bytes=999
    )
    one.check()
    list(Contest([one], Method(), lambda e, phase: None))
    return one.measurement()


def test_what_a_clock_adds_is_taken_off_the_summary_and_never_off_the_samples() -> None:
    plain, less = corrected(0.0), corrected(4e-6)
    assert less.summary.center_s == pytest.approx(plain.summary.center_s - 4e-6)
    assert less.samples_s[0] == pytest.approx(1e-5, rel=0.01)
    assert (less.correction_s, less.left_s, less.sets, less.covered_bytes) == (4e-6, 2e-7, 3, 999)
    assert less.summary.precision > plain.summary.precision
    too_much = corrected(2e-5)
    assert too_much.correction_s == 0.0
    assert "not corrected: the clock adds 2e-05 s" in too_much.note


def test_a_wrong_last_launch_ends_the_contest_without_a_time_for_it() -> None:
    device = FakeDevice(noise=0.001)
    good, bad = (entrant(device, n, 1e-5, Method()) for n in ("good", "bad"))
    bound: Any = bad._bound
    bound.read = lambda output: np.zeros(4, np.float32)
    events = list(Contest([good, bad], Method(), lambda e, phase: None))
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.entrant is bad
    assert not last.verdict.ok
    assert not [e for e in events if isinstance(e, Stands)]
