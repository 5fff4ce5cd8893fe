"""The estimators against brute force, SciPy, and the properties that they must have."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from kbench.experiment.stats import Z99, center, half_width, interval, median_rank, summarise

samples = st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=60)
apart = st.lists(st.integers(1, 10**9), min_size=1, max_size=60, unique=True).map(lambda x: [each * 1e-6 for each in x])
"""No two of them on one tick."""


def walsh(x: list[float]) -> list[float]:
    return [(a + b) / 2 for a, b in itertools.combinations_with_replacement(x, 2)]


@given(apart)
def test_the_center_is_the_median_of_pairwise_means(x: list[float]) -> None:
    assert center(x).value == pytest.approx(statistics.median(walsh(x)), rel=1e-12)


@given(apart, st.floats(0.01, 100), st.floats(0, 10))
def test_scaling_and_shifting_the_samples_scales_and_shifts_the_center(x: list[float], a: float, b: float) -> None:
    moved = center([a * v + b for v in x])
    assert moved.value == pytest.approx(a * center(x).value + b, rel=1e-9)
    assert moved.low <= moved.value <= moved.high


@given(samples, st.randoms())
def test_order_does_not_matter_and_each_interval_holds_its_own_estimate(x: list[float], random: object) -> None:
    s = summarise(x)
    assert s == summarise(sorted(x))
    assert s.low_s <= s.center_s <= s.high_s
    assert s.median_low_s is not None
    assert s.median_high_s is not None
    assert s.min_s <= s.median_low_s <= s.median_s <= s.median_high_s <= s.max_s
    assert s.n == len(x)


@pytest.mark.parametrize("n", [6, 9, 20, 57, 200])
def test_the_interval_of_the_median_is_the_one_of_scipy(n: int) -> None:
    x = np.random.default_rng(n).lognormal(size=n)
    found = oracle.quantile_test(x, p=0.5).confidence_interval(0.95)
    s = summarise(list(x))
    assert (s.median_low_s, s.median_high_s) == (found.low, found.high)


@pytest.mark.parametrize("n", range(1, 40))
def test_the_rank_has_the_coverage_it_claims(n: int) -> None:
    k = median_rank(n)
    covered = 1 - 2 * oracle.binom.cdf(k - 1, n, 0.5)
    assert covered >= 0.95 or k == 0
    assert 1 - 2 * oracle.binom.cdf(k, n, 0.5) < 0.95


def test_the_interval_of_the_center_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    draws = rng.standard_t(3, size=(1000, 40)) + 5
    covered = sum(found.low <= 5 <= found.high for found in (center(list(row)) for row in draws))
    assert 0.93 <= covered / 1000 <= 0.975


def test_the_interval_is_the_one_that_the_signed_rank_test_does_not_reject() -> None:
    x = np.random.default_rng(4).normal(10, 1, 30)
    found = center(list(x))
    eps = 1e-6
    for inside, outside in ((found.low + eps, found.low - eps), (found.high - eps, found.high + eps)):
        p = [oracle.wilcoxon(x - edge, method="approx").pvalue for edge in (inside, outside)]
        assert p[0] > p[1]
        assert p[1] == pytest.approx(0.05, abs=0.01)


def test_outliers_do_not_move_the_center_but_stay_in_the_summary() -> None:
    x = [1.0 + 1e-4 * i for i in range(30)] + [50.0] * 4
    s = summarise(x)
    assert s.center_s < 1.01
    assert s.max_s == 50.0
    assert s.n == 34


def test_many_samples_are_thinned_without_moving_the_center() -> None:
    x = list(np.random.default_rng(2).lognormal(0, 0.1, 1200))
    thin, exact = center(x), statistics.median(walsh(x))
    assert thin.value == pytest.approx(exact, rel=2e-4)
    small = center(x[:300])
    assert thin.high - thin.low < 0.75 * (small.high - small.low)


def test_two_heaps_of_samples_do_not_put_the_time_outside_of_its_interval() -> None:
    """The median sits on one of the heaps, the centre between them: the interval of one says nothing of the other."""
    x = [1.0 + 1e-6 * i for i in range(66)] + [2.0 + 1e-6 * i for i in range(34)]
    s = summarise(x)
    assert s.median_high_s is not None
    assert s.median_high_s < s.center_s
    assert s.low_s <= s.center_s <= s.high_s
    assert (s.center_s, s.low_s, s.high_s) == interval(x)


TICK = 32e-9


@pytest.mark.parametrize("noise_s", [0.0, 10e-9, 60e-9])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.25, 0.5, 0.8])
def test_between_two_ticks_the_center_is_where_it_belongs_and_its_interval_has_it(part: float, noise_s: float) -> None:
    """200 samples between two stamps that tick: a centre in half ticks is off by up to 7 ns on average."""
    rng = np.random.default_rng(7)
    true_s = (41 + part) * TICK
    centers = []
    covered = 0
    for _ in range(200):
        times = true_s + noise_s * rng.standard_normal(200)
        found = center(list(np.floor(times / TICK + rng.uniform(size=200)) * TICK), tick_s=TICK)
        centers.append(found.value)
        covered += found.low <= true_s <= found.high
    assert np.mean(centers) == pytest.approx(true_s, abs=TICK / 16)
    assert np.std(centers) < 1.2 * math.hypot(noise_s, TICK / 2) / math.sqrt(200)
    assert covered >= 0.75 * 200  # of centres in half ticks none, for some of these


def test_samples_of_one_tick_lie_evenly_over_it() -> None:
    """As ten samples that were spread over 30 to 40 and over 40 to 50 in steps of 2."""
    assert center([35.0] * 5 + [45.0] * 5, tick_s=10.0) == center([31.0 + 2 * i for i in range(10)])
    rounded = [35.0 + 1e-9, 35.0 - 1e-9, 35.0, 35.0, 35.0, *[45.0] * 5]
    assert center(rounded, tick_s=10.0).value == pytest.approx(40.0)


def test_outliers_beside_a_heap_of_equal_samples_are_no_ticks() -> None:
    for heap, outliers in ((19, 1), (7, 1), (30, 4)):
        x = [1.312e-6] * heap + [5e-6] * outliers
        assert center(x, tick_s=TICK).value == pytest.approx(1.312e-6, abs=TICK / 4)
        assert heap < 19 or center(x, tick_s=TICK).high < 1.312e-6 + TICK


def test_equal_samples_are_as_sure_as_the_clock_s_tick_allows() -> None:
    least = TICK / math.sqrt(12 * 100)
    for x in ([1.376e-6] * 100, [1.376e-6] * 99 + [1.376e-6 + TICK]):
        s = summarise(x, tick_s=TICK)
        assert least < (s.high_s - s.low_s) / 2 < 3 * least
    assert half_width([1.376e-6] * 100) == 0


@settings(max_examples=30)
@given(st.integers(7, 100))
def test_more_of_the_same_samples_narrow_the_interval(n: int) -> None:
    x = list(np.random.default_rng(n).normal(100, 1, n))
    assert half_width(x * 3) < half_width(x)


def test_too_few_or_broken_samples_are_refused_or_uncertain() -> None:
    for bad in ([], [1.0, math.nan], [math.inf]):
        with pytest.raises(ValueError, match="at least one sample"):
            summarise(bad)
    assert half_width([1.0] * 5) == math.inf
    s = summarise([2.0, 1.0])
    assert (s.low_s, s.high_s, s.precision) == (1.0, 2.0, None)


def test_the_wider_interval_is_the_one_that_a_stricter_test_does_not_reject() -> None:
    x = np.random.default_rng(5).normal(10, 1, 25)
    found = center(list(x), Z99)
    for edge, beyond in ((found.low, -1e-6), (found.high, 1e-6)):
        p = oracle.wilcoxon(x - (edge + beyond), method="approx").pvalue
        assert p == pytest.approx(0.01, abs=0.004)


@given(samples, st.floats(0, 1e-10))
def test_a_correction_moves_the_centre_and_both_ends_alike(x: list[float], correction: float) -> None:
    plain, less = interval(x), interval(x, correction)
    for before, after in zip(plain, less, strict=True):
        assert after == pytest.approx(before - correction, rel=1e-9, abs=1e-15)


def test_the_interval_at_a_hundred_samples_and_at_many_costs_little() -> None:
    import time

    x = list(np.random.default_rng(6).lognormal(0, 0.1, 200))
    interval(x)
    begin = time.perf_counter()
    for _ in range(20):
        interval(x)
    assert (time.perf_counter() - begin) / 20 < 10e-3
