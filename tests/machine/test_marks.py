"""NVTX ranges: named so that every profiler's filter can say them, nested, and cheap."""

from __future__ import annotations

import re
import subprocess
import sys
import timeit
from typing import Any

import pytest

from kbench.machine import marks as module
from kbench.machine.marks import DOMAIN, PHASES, Marks, range_name

A_PUSH_AND_POP_S = 2e-6
"""Ten times and more what it takes (70 ns on a slow machine): enough to see that something is built each time."""


class Recorded:
    """A domain that writes down what is pushed and popped."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def get_event_attributes(self, **given: Any) -> dict[str, Any]:
        self.told.append("built")
        return given

    def push_range(self, attributes: dict[str, Any]) -> None:
        self.told.append(attributes)

    def pop_range(self) -> None:
        self.told.append("pop")


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    domain = Recorded()
    monkeypatch.setattr(module, "_domain", lambda: domain)
    return domain


def test_a_name_has_nothing_that_a_filter_would_read() -> None:
    assert range_name("copy_blocks", "3f2a91c0") == "copy_blocks.3f2a91c0"
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", range_name("a b/c@d,[e]*+$é", "00"))
    assert DOMAIN == "kbench"
    assert PHASES == ("build", "check", "warm-up", "samples")


def test_a_phase_lies_inside_its_configuration_and_the_next_turn_closes_both(recorded: Recorded) -> None:
    marks = Marks()
    marks.prepare("copy.ab", "copy", 7)
    marks.prepare("copy.cd", "copy", 8)
    recorded.told.clear()
    marks.enter("copy.ab", "build")
    marks.enter("copy.ab", "check")
    marks.enter("copy.cd")
    marks.leave()
    marks.leave()
    one = {"message": "copy.ab", "category": "copy", "payload": 7}
    two = {"message": "copy.cd", "category": "copy", "payload": 8}
    build, check = {"message": "build"}, {"message": "check"}
    assert recorded.told == [one, build, "pop", check, "pop", "pop", two, "pop"]


def test_attributes_are_built_once(recorded: Recorded) -> None:
    marks = Marks()
    for _ in range(3):
        marks.prepare("copy.ab", "copy", 7)
        marks.enter("copy.ab", "samples")
    assert recorded.told.count("built") == len(PHASES) + 1


def test_a_range_costs_next_to_nothing_without_a_profiler() -> None:
    marks = Marks()
    marks.prepare("copy.ab", "copy", 7)
    attributes = marks._configs["copy.ab"]

    def once() -> None:
        marks._domain.push_range(attributes)
        marks._domain.pop_range()

    assert min(timeit.repeat(once, number=10_000, repeat=5)) / 10_000 < A_PUSH_AND_POP_S
    turn = min(timeit.repeat(lambda: marks.enter("copy.ab", "samples"), number=10_000, repeat=5)) / 10_000
    assert turn < 4 * A_PUSH_AND_POP_S


def test_the_domain_is_a_real_one_where_nobody_says_that_it_is_wanted() -> None:
    """Some tools do not answer, and would lack every range."""
    script = "from kbench.machine.marks import Marks; print(type(Marks()._domain).__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Domain"
