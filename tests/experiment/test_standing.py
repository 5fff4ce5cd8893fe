"""Who is best and who is tied: the rules at their edges, and how often a duel is wrong."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle

from kbench.experiment.result import Standing
from kbench.experiment.standing import MOST, SAME, TIE, by_intervals, by_pairs, decided, margins
from kbench.experiment.stats import Center


@pytest.mark.parametrize(
    ("mine", "place"),
    [
        (Center(1.0, 0.99, 1.01), "tied"),
        (Center(1.009, 1.0, 1.02), "tied"),
        (Center(1.011, 0.5, 2.0), "behind"),  # wide, but a tie spans at most 1 %
        (Center(1.005, 1.004, 1.006), "behind"),  # narrow, and clear of the best
        (Center(1.0026, 1.0022, 1.003), "tied"),  # clear, but by less than the next process may differ
    ],
)
def test_the_rules_at_their_edges(mine: Center, place: str) -> None:
    assert by_intervals(mine, Center(1.0, 0.9995, 1.0)).place == place
    assert by_intervals(mine, Center(1.0, 1.0, 1.0), "stopped").place == "stopped"


def test_a_bound_without_time_leaves_a_difference_that_can_be_stored() -> None:
    found = by_intervals(Center(3e-6, 2.9e-6, 3.1e-6), Center(1e-6, -3e-7, 2e-6))
    assert found.gap == pytest.approx(2.0)
    assert found.gap_high == MOST
    assert msgspec.json.decode(msgspec.json.encode(found), type=Standing) == found
    assert by_intervals(Center(1e-6, 1e-6, 1e-6), Center(-1e-9, -2e-9, 1e-9)).gap == MOST


def test_without_intervals_only_the_gap_counts() -> None:
    mine, best = Center(1.008, 1.008, 1.008), Center(1.0, 1.0, 1.0)
    assert by_intervals(mine, best).place == "behind"
    assert by_intervals(mine, best, known=False).place == "tied"
    assert by_intervals(Center(1.02, 1.0, 1.04), best, known=False).place == "behind"


def test_pairs_are_judged_by_their_relative_differences() -> None:
    rng = np.random.default_rng(1)
    drift = np.linspace(1, 1.5, 20)
    best = list(1e-5 * drift * (1 + 0.001 * rng.standard_normal(20)))
    mine = list(1.006e-5 * drift * (1 + 0.001 * rng.standard_normal(20)))
    found = by_pairs(mine, best)
    assert found.place == "behind"
    assert found.gap == pytest.approx(0.006, abs=0.001)
    differences = np.array(mine) / np.array(best) - 1
    assert oracle.wilcoxon(differences - found.gap_low + 1e-9, method="approx").pvalue == pytest.approx(0.01, abs=0.005)
    assert by_pairs(mine[:8], best).gap == pytest.approx(float(np.median(differences[:8])), abs=0.001)


def test_near_the_clock_s_tick_nobody_is_called_slower_for_less_than_half_of_it() -> None:
    """1.344 us and 1.312 us are a tick of 32 ns apart, 2.4 %."""
    tick, best = 32e-9, Center(1.312e-6, 1.311e-6, 1.313e-6)
    assert margins(tick, best.value) == (pytest.approx(0.0122, abs=1e-4), pytest.approx(0.0244, abs=1e-4))
    assert margins(tick, 1e-3) == (SAME, TIE)
    a_tick_behind = Center(1.343e-6, 1.325e-6, 1.361e-6)
    assert by_intervals(a_tick_behind, best).place == "behind"
    assert by_intervals(a_tick_behind, best, tick_s=tick).place == "tied"
    assert by_intervals(Center(1.343e-6, 1.341e-6, 1.345e-6), best, tick_s=tick).place == "behind"
    assert by_intervals(Center(1.36e-6, 1.3e-6, 1.4e-6), best, tick_s=tick).place == "behind"
    pairs = by_pairs([1.320e-6] * 20, [1.312e-6] * 20, tick, 8)
    assert pairs.place == "tied"
    assert decided(pairs, margins(tick, best.value))
    assert by_pairs([1.320e-6] * 20, [1.312e-6] * 20).place == "behind"


def test_a_coarse_clock_widens_the_interval() -> None:
    fine, coarse = by_pairs([1.376e-6] * 8, [1.376e-6] * 8), by_pairs([1.376e-6] * 8, [1.376e-6] * 8, 32e-9, 8)
    assert fine.gap_high == 0
    assert coarse.gap_high == pytest.approx(2.575829 * 32e-9 / np.sqrt(6 * 8 * 8) / 1.376e-6)


@given(st.floats(-0.02, 0.05), st.floats(1e-5, 0.02))
def test_what_is_decided_would_not_be_placed_otherwise_by_a_narrower_interval(gap: float, half: float) -> None:
    found = by_intervals(Center(1 + gap, 1 + gap - half, 1 + gap + half), Center(1.0, 1.0, 1.0))
    if decided(found) and found.gap_low > SAME:
        assert found.place == "behind"
    if decided(found) and found.gap_high < SAME:
        assert found.place == "tied"
    if found.place == "tied":
        assert found.gap <= TIE


def test_a_duel_between_equals_is_hardly_ever_decided() -> None:
    """Twenty rounds of equal times, 2000 times over, with noise that a tie must bear."""
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(2000):
        one, other = (list(1e-5 * (1 + 0.003 * rng.standard_normal(20))) for _ in range(2))
        wrong += by_pairs(one, other).place == "behind" or by_pairs(other, one).place == "behind"
    assert wrong / 2000 < 0.005
