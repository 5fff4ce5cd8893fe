"""The order of one sample, and which clock an Op gets: what can be held without a GPU."""

from __future__ import annotations

import pytest

from kbench.errors import UsageError
from kbench.machine.cuda.clocks import MANY_ENTRIES, by_host, choose, queue


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


def test_auto_takes_the_clock_that_is_honest() -> None:
    assert choose("auto", "", 1)[0] == "events"
    assert choose("auto", "", MANY_ENTRIES)[0] == "events"
    name, why = choose("auto", "", MANY_ENTRIES + 1)
    assert name == "host"
    assert str(MANY_ENTRIES + 1) in why
    assert choose("auto", "it uses host memory", 1) == ("host", "clock host: it uses host memory")
    assert choose("events", "it uses host memory", 1)[0] == "events"
    assert choose("host", "", 1)[0] == "host"


@pytest.mark.parametrize("clock", ["cupti", "graph"])
def test_clocks_that_come_later_say_so(clock: str) -> None:
    with pytest.raises(UsageError, match="comes in a later version"):
        choose(clock, "", 1)


def test_an_unknown_clock_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="auto, events or host"):
        choose("event", "", 1)
