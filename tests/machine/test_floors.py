"""The floor of a clock outlives a burst of noise."""

from __future__ import annotations

import pytest

from kbench.machine.floors import GROUPS, Floors


def test_a_burst_sets_no_floor_for_a_whole_run() -> None:
    floors = Floors()
    groups = iter([[9e-6] * 15, [9e-6] * 8 + [2e-6] * 7, [2e-6] * 15, [3e-6] * 15])
    seen = [floors.of("cold", lambda: next(groups)) for _ in range(4)]
    assert seen == [9e-6, 9e-6, 2e-6, 2e-6]


def test_one_lucky_sample_sets_no_floor_and_ways_are_apart() -> None:
    floors = Floors()
    assert floors.of("cold", lambda: [1e-9, 2e-6, 2e-6]) == 2e-6
    assert floors.of("warm", lambda: [1e-6]) == 1e-6


def test_a_floor_costs_no_more_than_its_groups() -> None:
    floors, taken = Floors(), []
    for _ in range(3 * GROUPS):
        floors.of("cold", lambda: taken.append(1) or [1e-6])
    assert len(taken) == GROUPS


def test_the_tick_is_that_of_all_groups_of_a_way() -> None:
    floors, groups = Floors(), iter([[544e-9] * 3, [544e-9, 576e-9, 576e-9], [9e-6] * 3])
    assert floors.tick_s("a") == 0
    floors.of("a", lambda: next(groups))
    assert floors.tick_s("a") == 0
    floors.of("a", lambda: next(groups))
    assert floors.tick_s("a") == pytest.approx(32e-9)
    assert floors.tick_s("b") == 0
