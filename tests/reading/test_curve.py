"""T = a + V / b from points: exact, noisy, with outliers, and where there is no such line."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kbench.reading.curve import fit

SIZES = [2.0**k for k in range(12, 31, 2)]
latencies = st.floats(5e-7, 1e-4)
bandwidths = st.floats(1e9, 1e13)


def times(latency: float, bandwidth: float, sizes: list[float] = SIZES) -> list[float]:
    return [latency + v / bandwidth for v in sizes]


@given(latencies, bandwidths)
def test_exact_points_give_the_line_back(latency: float, bandwidth: float) -> None:
    found = fit(SIZES, times(latency, bandwidth))
    assert found is not None
    assert found.latency_s == pytest.approx(latency, rel=1e-6)
    assert found.bytes_per_s == pytest.approx(bandwidth, rel=1e-4)
    assert found.half_bytes == pytest.approx(latency * bandwidth, rel=1e-4)
    assert found.error < 1e-6
    assert found.good
    assert found.rate(found.half_bytes) == pytest.approx(bandwidth / 2, rel=1e-3)


@given(latencies, bandwidths, st.floats(1e-3, 1e3), st.randoms(use_true_random=False))
def test_units_do_not_matter(latency: float, bandwidth: float, scale: float, chance: random.Random) -> None:
    measured = [t * chance.uniform(0.97, 1.03) for t in times(latency, bandwidth)]
    one, other = fit(SIZES, measured), fit(SIZES, [scale * t for t in measured])
    assert one is not None
    assert other is not None
    assert other.latency_s == pytest.approx(scale * one.latency_s, rel=1e-6)
    assert other.bytes_per_s == pytest.approx(one.bytes_per_s / scale, rel=1e-6)
    assert other.error == pytest.approx(one.error, rel=1e-6, abs=1e-12)


@given(latencies, bandwidths, st.randoms(use_true_random=False))
def test_noise_and_an_outlier_do_not_carry_it_away(latency: float, bandwidth: float, chance: random.Random) -> None:
    half = latency * bandwidth
    assume(SIZES[2] < half < SIZES[-3])
    measured = [t * chance.uniform(0.98, 1.02) for t in times(latency, bandwidth)]
    measured[chance.randrange(len(measured))] *= 3
    found = fit(SIZES, measured)
    assert found is not None
    assert found.latency_s == pytest.approx(latency, rel=0.2)
    assert found.bytes_per_s == pytest.approx(bandwidth, rel=0.2)
    assert not found.good, "the outlier is in the error that is told"


def test_a_small_point_counts_as_much_as_a_large_one() -> None:
    """Without relative weights the 2 ms point's noise alone would be more than the whole latency."""
    measured = times(2e-6, 4e12)
    measured[-1] *= 1.02
    found = fit(SIZES, measured)
    assert found is not None
    assert found.latency_s == pytest.approx(2e-6, rel=0.02)


def test_a_step_where_a_cache_ends_is_no_line() -> None:
    measured = [1e-6 + v / (12e12 if v <= 2**24 else 4e12) for v in SIZES]
    found = fit(SIZES, measured)
    assert found is not None
    assert not found.good


def test_too_little_to_say() -> None:
    assert fit(SIZES[:3], times(1e-6, 1e12, SIZES[:3])) is None
    near = [1e6, 1.1e6, 1.2e6, 1.3e6]
    assert fit(near, times(1e-6, 1e12, near)) is None
    assert fit([SIZES[0]] * 5, times(1e-6, 1e12, [SIZES[0]] * 5)) is None
    flat = fit(SIZES, [1e-5] * len(SIZES))
    assert flat is None or flat.bytes_per_s > 1e15
    with pytest.raises(ValueError, match="positive"):
        fit(SIZES, [0.0] * len(SIZES))


def test_pure_bandwidth_has_no_latency() -> None:
    found = fit(SIZES, [v / 1e12 for v in SIZES])
    assert found is not None
    assert found.latency_s == pytest.approx(0, abs=1e-12)
    assert math.isclose(found.bytes_per_s, 1e12, rel_tol=1e-6)
