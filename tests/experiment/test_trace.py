"""Timelines through the engine and a worker of its own: on the cpu each step of an Op, one after the other."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bundled import planned
from fake_device import FakeBound, FakeDevice

from kbench.errors import ClockError, DeviceError
from kbench.experiment.engine import Engine
from kbench.experiment.job import Bench
from kbench.experiment.protocol import Done, Job, Task, Traced
from kbench.intent.discover import load
from kbench.intent.method import Method
from kbench.intent.plan import make_plan, select
from kbench.machine.cpu.traced import NOTE

SMALL: dict[str, list[Any]] = {
    "tokens": [16], "layers": [2], "heads": [1], "dim": [64], "hidden": [64], "rounds": [1], "k": [7], "swapped": [2],
}  # fmt: skip


def test_every_step_of_an_op_is_a_span_on_its_stream() -> None:
    configs = planned("pipeline", {**SMALL, "variant": ["staged"], "streams": [1, 3], "threads": [64]}, device="cpu")
    with Engine("cpu") as engine:
        found = list(engine.traces(configs, Method()))
        assert engine.worker_pid is not None
    assert [result.status for result, _ in found] == ["ok", "ok"]
    one, three = (trace for _, trace in found if trace is not None)
    assert one.clock == "host"
    assert one.note == NOTE
    work = [(s.kind, s.lane) for s in three.spans]
    assert work == [
        ("copy", "stream 2"), ("copy", "stream 2"), ("kernel", "stream 1"), ("copy", "stream 1"),
        *[("kernel", "stream 0")] * 4, ("copy", "stream 2"),
    ]  # fmt: skip
    assert {s.lane for s in one.spans} == {"stream 0"}
    names = [s.name for s in three.spans]
    assert names[:3] == ["copy h2d", "copy h2d", "move_pages<4>"]
    assert names[3] == names[-1] == "copy d2h"
    assert names[5] == "fma_vector<float, 7>"
    assert three.spans[3].nbytes == 2 * 2 * 2 * 16 * 64 * 2
    assert three.spans[0].start_s == 0
    for before, after in pairwise(three.spans):
        assert before.start_s < before.end_s == after.start_s, "one after the other"


def test_what_is_not_ok_has_no_timeline() -> None:
    """One that is skipped, and others around it that have theirs."""
    configs = planned("pipeline", {**SMALL, "variant": ["staged"], "streams": [1, 4], "threads": [64]}, device="cpu")
    with Engine("cpu") as engine:
        found = {result.status: trace for result, trace in engine.traces(configs, Method())}
    assert found["skipped"] is None
    assert found["ok"] is not None


def test_nothing_that_could_record_ends_the_run_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    tests = Path(__file__).resolve().parent
    monkeypatch.setenv("PYTHONPATH", str(tests.parent))
    kernels = load(tests / "specs" / "misbehaves.py")
    plan = make_plan(select(kernels, {"how": ["good"]}), Method(timeout_s=5.0), device="fake")
    with Engine("fake_device:FakeDevice") as engine, pytest.raises(DeviceError, match="nothing records here"):
        list(engine.traces(plan.configs, plan.method))


def test_lost_records_are_a_row_that_crashed_and_not_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the fake device as worker's device, in this process."""

    def lost(bound: FakeBound) -> None:
        raise ClockError("CUPTI dropped 3 of its records")

    monkeypatch.setattr(FakeBound, "trace", lost)
    replies: list[Any] = []
    bench = Bench(FakeDevice(), replies.append)
    spec = Path(__file__).with_name("specs") / "misbehaves.py"
    (one,) = make_plan(select(load(spec), {"how": ["good"]}), Method(), device="fake").configs
    task = Task(one.config, str(spec), tuple(None for _ in one.instantiations), one.traffic, "")
    bench.run(Job((task,), Method(), "trace"))
    (row,) = [reply.result for reply in replies if isinstance(reply, Done)]
    assert (row.status, row.message) == ("crashed", "no timeline: CUPTI dropped 3 of its records")
    assert not [reply for reply in replies if isinstance(reply, Traced)]
    assert not bench.lost
