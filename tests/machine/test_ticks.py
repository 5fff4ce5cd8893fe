"""The tick of a clock, from what it reads for an empty kernel."""

from __future__ import annotations

import numpy as np
import pytest

from kbench.machine.ticks import tick_of, ticks

TICK = 32e-9


def test_values_a_nanosecond_apart_are_on_one_tick() -> None:
    values, counts = ticks(np.array([1311e-9, 1312e-9, 1312e-9, 1313e-9, 1344e-9]))
    assert values.tolist() == pytest.approx([1312e-9, 1344e-9])
    assert counts.tolist() == [4, 1]


def test_a_tick_is_found_where_nanoseconds_are_rounded_and_among_outliers() -> None:
    rng = np.random.default_rng(5)
    times = np.floor(rng.normal(550e-9, 20e-9, 60) / TICK + rng.uniform(size=60)) * TICK
    assert tick_of(list(times)) == pytest.approx(TICK)
    rounded = times + rng.integers(-1, 2, 60) * 1e-9
    assert tick_of([*rounded, 900e-9, 2048e-9]) == pytest.approx(TICK, abs=2e-9)


def test_nothing_is_known_where_no_two_values_come_again() -> None:
    assert tick_of([]) == tick_of([544e-9] * 15) == tick_of([544e-9] * 14 + [5e-6]) == 0
    assert tick_of(list(np.random.default_rng(1).normal(1e-6, 1e-7, 12))) == 0
