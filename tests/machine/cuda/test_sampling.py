"""The order of one sample, and which clock an Op gets: what can be held without a GPU."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from kbench.errors import UsageError
from kbench.machine.cuda.calibration import middle
from kbench.machine.cuda.choice import CACHES, LONG, PAIRS, Facts, choose
from kbench.machine.cuda.clocks import by_host
from kbench.machine.cuda.events import MANY_ENTRIES, queue


class Recorder:
    """Writes down what is called, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> object:
        return lambda: self.calls.append(name)


def test_events_flush_start_launch_stop_in_this_order_for_every_sample() -> None:
    gpu = Recorder()
    queue([gpu, gpu, gpu], gpu.flush, gpu.launch)
    assert gpu.calls == ["flush", "start", "launch", "stop"] * 3


def test_warm_samples_have_nothing_between_them() -> None:
    gpu = Recorder()
    queue([gpu, gpu], None, gpu.launch)
    assert gpu.calls == ["start", "launch", "stop"] * 2


def test_the_host_clock_starts_on_an_idle_gpu_and_ends_with_the_launch() -> None:
    gpu = Recorder()
    ticks = iter((10.0, 12.0, 17.0))

    def now() -> float:
        gpu.calls.append("now")
        return next(ticks)

    assert by_host(gpu.flush, gpu.launch, gpu.wait, now) == (7.0, 2.0)
    assert gpu.calls == ["flush", "wait", "now", "launch", "now", "wait", "now"]


def facts(**changes: Any) -> Facts:
    return dataclasses.replace(Facts("", 1, "", "", ""), **changes)


NO_CUPTI = "cupti-python cannot be imported"


def test_auto_takes_the_finest_clock_that_is_there_and_says_why_not_another() -> None:
    assert choose("auto", "cold", facts())[0] == "cupti"
    assert choose("auto", "sustained", facts())[0] == "cupti"
    without = facts(no_cupti=NO_CUPTI)
    assert choose("auto", "cold", without) == ("events", f"clock events: {NO_CUPTI}")
    assert choose("auto", "warm", without) == ("events", f"clock events: {NO_CUPTI}")
    assert choose("auto", "sustained", without) == ("graph", f"clock graph: {NO_CUPTI}")


def test_auto_does_not_trace_what_moves_much() -> None:
    long = facts(nbytes=LONG)
    assert choose("auto", "cold", facts(nbytes=LONG - 1))[0] == "cupti"
    assert [choose("auto", cache, long)[0] for cache in ("cold", "warm", "sustained")] == ["events", "events", "graph"]
    assert choose("auto", "sustained", facts(nbytes=LONG, uncapturable="a library call"))[0] == "cupti"
    assert choose("cupti", "cold", long)[0] == "cupti"
    library = facts(nbytes=LONG, unholdable="a library call")
    assert choose("auto", "cold", library)[0] == "cupti", "events would have the gaps of the host in them"
    assert choose("auto", "cold", facts(nbytes=LONG, unholdable="a library call", no_cupti=NO_CUPTI))[0] == "events"


def test_auto_takes_the_clock_that_is_honest() -> None:
    assert choose("auto", "cold", facts(entries=MANY_ENTRIES))[0] == "cupti"
    name, why = choose("auto", "warm", facts(entries=MANY_ENTRIES + 1))
    assert name == "host"
    assert str(MANY_ENTRIES + 1) in why
    host = facts(link="it uses host memory", unrotatable="it uses host memory")
    assert choose("auto", "cold", host) == ("host", "clock host: it uses host memory")
    assert choose("events", "cold", host)[0] == "events"
    assert choose("host", "warm", facts())[0] == "host"


@pytest.mark.parametrize(
    ("clock", "cache", "changes", "reason", "others"),
    [
        ("events", "sustained", {}, "measures cold and warm runs", "cupti, graph"),
        ("graph", "cold", {}, "measures sustained and warm runs", "cupti, events, host"),
        ("host", "sustained", {"no_cupti": NO_CUPTI}, "measures cold and warm runs", "here: graph)"),
        ("cupti", "cold", {"no_cupti": NO_CUPTI}, NO_CUPTI, "events, host"),
        ("graph", "warm", {"uncapturable": "a library call"}, "a library call", "cupti, events, host"),
        ("auto", "sustained", {"no_cupti": NO_CUPTI, "uncapturable": "a library call"}, "a library call", "no clock"),
        ("auto", "sustained", {"link": "PCIe", "unrotatable": "PCIe"}, "no buffer sets can take turns", "no clock"),
    ],
)
def test_a_pair_that_cannot_be_says_why_and_what_can(
    clock: str, cache: str, changes: dict[str, str], reason: str, others: str
) -> None:
    with pytest.raises(UsageError) as caught:
        choose(clock, cache, facts(**changes))
    assert reason in str(caught.value)
    assert others in str(caught.value)


def test_every_pair_that_is_allowed_is_one() -> None:
    for clock, caches in PAIRS.items():
        for cache in CACHES:
            if cache in caches:
                assert choose(clock, cache, facts())[0] == clock
            else:
                with pytest.raises(UsageError):
                    choose(clock, cache, facts())


def test_unknown_names_come_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="did you mean events"):
        choose("event", "cold", facts())
    with pytest.raises(UsageError, match="did you mean sustained"):
        choose("auto", "sustain", facts())


def test_the_middle_of_samples_lies_between_ticks_and_far_from_outliers() -> None:
    tick, rng = 32e-9, np.random.default_rng(3)
    samples = np.round(rng.normal(1.41e-6, 40e-9, 400) / tick) * tick
    samples[:20] = 1e-3
    assert middle(samples) == pytest.approx(1.41e-6, abs=6e-9)
    assert middle([5.0]) == 5.0
    assert middle([1.0, 2.0, 3.0, 100.0]) == 2.5
