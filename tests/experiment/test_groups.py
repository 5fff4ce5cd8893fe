"""Which configurations go to a worker together, and that what one of them does costs the others nothing."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fake_device import INFO, FakeDevice

from kbench.experiment.engine import Engine
from kbench.experiment.group import LARGEST, Group, groups
from kbench.experiment.job import Bench
from kbench.experiment.protocol import Done, Ended, Job, Phase, Reply, Stood, Task
from kbench.experiment.repeated import _pooled
from kbench.experiment.result import Measurement, Result, Standing
from kbench.experiment.stats import summarise
from kbench.intent.discover import load
from kbench.intent.method import Method
from kbench.intent.plan import Plan, Planned, make_plan, select

TESTS = Path(__file__).resolve().parent.parent
SPECS = Path(__file__).with_name("specs")
MIB = 2**20


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.pathsep.join([str(TESTS), str(SPECS)])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.syspath_prepend(str(SPECS))


def scripted(count: int, method: Method | None = None, **axes: Any) -> Plan:
    (kernel,) = [k for k in load(SPECS / "scripted.py") if k.name == "scripted"]
    wanted = {"i": list(range(count)), "faulty": ["no"], **axes}
    return make_plan(select([kernel], wanted), method or Method(), device="fake")


def sizes(planned: list[Planned], memory: int | None, kind: str = "cuda", mode: Any = "measure") -> list[int]:
    info = msgspec.structs.replace(INFO, memory_bytes=memory, kind=kind)
    found = list(groups(planned, info, mode))
    assert [p for group in found for p in group] == planned
    assert all(len({p.config.problem for p in group}) == 1 for group in found)
    return [len(group) for group in found]


def test_a_group_is_one_problem_and_fits_into_memory() -> None:
    planned = [replace(p, footprint=10 * MIB) for p in scripted(20, part=[0, 1]).configs]
    planned.sort(key=lambda p: p.config.problem)
    assert sizes(planned, 10_000 * MIB) == [20, 20]
    assert sizes(planned, 200 * MIB) == [12, 8, 12, 8]
    assert sizes(planned, 200 * MIB, "cpu") == [3] * 6 + [2] + [3] * 6 + [2]
    assert sizes(planned, MIB) == [1] * 40
    assert sizes(planned, 10_000 * MIB, mode="verify") == [1] * 40
    many = [planned[0]] * (LARGEST + 5)
    assert sizes([replace(p, footprint=0) for p in many], None) == [LARGEST, 5]


def group_of(names: int, method: Method, clock: list[float], monkeypatch: pytest.MonkeyPatch) -> Group:
    monkeypatch.setattr("kbench.experiment.group.time.monotonic", lambda: clock[0])
    plan = scripted(names, method)
    tasks = [(p, Task(p.config, "", (None,), p.traffic, "s")) for p in plan.configs]
    return Group(tasks, method, "measure", INFO, lambda planned, phase: None)


def test_time_outs_are_each_ones_own_and_not_the_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    group = group_of(3, Method(timeout_s=1.0), clock, monkeypatch)
    job = group.job()
    for turn in range(6):  # each has two turns of 0.4 s: 2.4 s in all
        assert group.left_s() > 0
        group.take(Phase("samples", turn % 3, clock[0]))
        clock[0] += 0.4
        assert group.left_s() == pytest.approx(1.0 - 0.4 * (turn // 3 + 1))
    group.take(Phase("samples", 1, clock[0]))
    clock[0] += 0.3
    assert group.left_s() < 0
    row = group.timed_out()
    assert row.config == job.tasks[1].config
    assert (row.status, row.wall_s) == ("timed_out", pytest.approx(1.1))
    assert "(in phase: samples)" in row.message
    assert len(group.job().tasks) == 2
    assert group.left_s() == 1.0


def test_whoever_begins_again_has_its_whole_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    group = group_of(2, Method(timeout_s=1.0), clock, monkeypatch)
    group.job()
    group.take(Phase("samples", 0, 0.0))
    clock[0] = 0.9
    group.take(Phase("inputs", 0, clock[0]))
    assert group.left_s() == 1.0


def test_after_a_death_those_not_yet_found_right_come_first_and_held_results_are_measured_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = group_of(4, Method(), [0.0], monkeypatch)
    tasks = group.job().tasks
    names = [task.config.id for task in tasks]
    for at in (0, 1):
        group.take(Phase("checked", at, 0.0))
    group.take(Phase("check", 2, 0.0))
    row = Result(tasks[0].config, "ok", INFO)
    assert group.take(Done(row, held=True)) is None
    assert group.crashed("killed").config.id == names[2]
    again = group.job()
    assert [task.config.id for task in again.tasks] == [names[3], names[0], names[1]]
    assert group.take(Done(row, held=True)) is None
    final = group.take(Stood(names[0], Standing("best"), 0.5))
    assert final
    assert (final.standing, final.wall_s) == (Standing("best"), 0.5)
    assert len(group.job().tasks) == 2


def bench(device: FakeDevice, plan: Plan) -> list[Reply]:
    told: list[Reply] = []
    tasks = tuple(Task(p.config, str(p.kernel.spec_path), (None,), p.traffic, "s") for p in plan.configs)
    Bench(device, told.append).run(Job(tasks, plan.method, "measure", "c"))
    return told


def results(told: list[Reply]) -> Iterator[Result]:
    held = {}
    for reply in told:
        if isinstance(reply, Done) and reply.held:
            held[reply.result.config.id] = reply.result
        elif isinstance(reply, Done):
            yield reply.result
        elif isinstance(reply, Stood):
            yield msgspec.structs.replace(held[reply.config], standing=reply.standing)


def test_out_of_memory_beside_others_is_no_ones_fault() -> None:
    class Small(FakeDevice):
        alive = 0

        def bind(self, op: Any, binaries: Any, shared: Any = None, **options: Any) -> Any:
            if self.alive == 3:
                raise MemoryError
            self.alive += 1
            return super().bind(op, binaries, shared, **options)

    told = bench(Small(noise=0.002), scripted(8))
    found = list(results(told))
    assert sorted(r.config.axes["i"] for r in found) == [0, 1, 2]
    assert {r.status for r in found} == {"ok"}
    assert told[-1] == Ended(leaving=True)


def test_out_of_memory_after_other_jobs_is_tried_again_in_a_fresh_process() -> None:
    class Full(FakeDevice):
        def bind(self, op: Any, binaries: Any, shared: Any = None, **options: Any) -> Any:
            if self.log.count("bind") >= 2:
                raise MemoryError
            return super().bind(op, binaries, shared, **options)

    told: list[Reply] = []
    bench = Bench(Full(noise=0.002), told.append)
    for plan in (scripted(2), scripted(2, part=1)):
        tasks = tuple(Task(p.config, str(p.kernel.spec_path), (None,), p.traffic, "s") for p in plan.configs)
        bench.run(Job(tasks, plan.method, "measure", "c"))
    assert [r.status for r in results(told)] == ["ok", "ok"]
    assert told[-1] == Ended(leaving=True)


def test_everything_that_was_opened_is_closed_and_each_is_checked_before_anyone_is_timed() -> None:
    device = FakeDevice(noise=0.002)
    found = list(results(bench(device, scripted(6))))
    assert len(found) == 6
    assert device.log.count("bind") == device.log.count("close") == 6
    first = next(i for i, entry in enumerate(device.log) if entry.startswith("sample"))
    assert device.log[:first].count("run") == 6
    assert {r.measurement.seed for r in found if r.measurement} == {0}
    assert all(r.measurement and r.measurement.rounds > 1 and r.measurement.memory_bytes == 512 for r in found)


def test_a_wrong_one_makes_inputs_and_references_anew_for_the_others() -> None:
    plan = scripted(6, faulty=["yes"])
    device = FakeDevice(noise=0.002)
    found = {r.config.axes["i"]: r for r in results(bench(device, plan))}
    assert {i: r.status for i, r in found.items()} == {i: "incorrect" if i == 3 else "ok" for i in range(6)}
    assert device.log.count("bind") == device.log.count("close") == 6 + 3
    assert found[0].standing
    assert found[0].standing.among == 5


def test_rigorous_measures_in_fresh_processes_and_the_row_tells_their_spread() -> None:
    plan = scripted(3, Method().of_preset("rigorous"))
    method = msgspec.structs.replace(plan.method, processes=3)
    pids = set()

    def watch(planned: Planned, phase: str) -> None:
        if phase == "samples":
            pids.add(engine.worker_pid)

    with Engine("fake_device:scripted_quiet", watch=watch) as engine:
        rows = {r.config.axes["i"]: r for r in engine.run(plan.configs, method)}
    assert len(pids) == 3
    for row in rows.values():
        measured = row.measurement
        assert measured
        assert len(measured.process_centers_s) == 3
        assert measured.spread is not None
        assert measured.summary.low_s <= min(measured.process_centers_s)
        assert measured.summary.high_s >= max(measured.process_centers_s)
        assert measured.summary.n == len(measured.samples_s) >= 120
        assert "of 3 processes" in measured.note
    places = [rows[i].standing.place if rows[i].standing else None for i in range(3)]  # type: ignore[union-attr]
    assert places == ["best", "behind", "behind"]
    assert rows[1].standing
    assert rows[1].standing.how == "3 processes"
    assert rows[1].standing.gap == pytest.approx(0.02, abs=0.005)


def test_each_process_is_corrected_by_its_own_calibration() -> None:
    def measured(correction_s: float) -> Measurement:
        samples = tuple(8.4e-6 + correction_s + 1e-8 * (i % 5 - 2) for i in range(40))
        return Measurement("events", "cold", samples, (), 0.0, summarise(samples, correction_s),
                           correction_s=correction_s, left_s=correction_s / 4)  # fmt: skip

    found = _pooled([measured(c) for c in (2.8e-6, 2.3e-6, 2.3e-6)])
    assert found.summary.center_s == pytest.approx(8.4e-6)
    assert found.summary.median_s == pytest.approx(8.4e-6)
    assert found.left_s == pytest.approx(0.7e-6)


def test_what_goes_wrong_in_one_process_is_its_row_in_all() -> None:
    plan = scripted(8, faulty=["yes"])
    method = msgspec.structs.replace(plan.method, processes=2, timeout_s=1.0)
    checks = Counter[int]()

    def watch(planned: Planned, phase: str) -> None:
        if phase == "inputs":
            checks[int(planned.config.axes["i"])] += 1

    with Engine("fake_device:scripted_quiet", watch=watch) as engine:
        rows = {r.config.axes["i"]: r.status for r in engine.run(plan.configs, method)}
    assert (checks[3], checks[7]) == (1, 1)
    assert rows == {i: {3: "incorrect", 7: "crashed"}.get(i, "ok") for i in range(8)}


def test_the_harness_costs_little_beside_the_device() -> None:
    """100 configurations of 10 us, sampled, checked twice and judged: in one process, so that nothing but us counts.
    Measured on 2 cores at 0.4 ms each; a machine that is busy gets ten times as long."""
    plan = scripted(100)
    best = min(_seconds(plan) for _ in range(3))
    assert best / 100 < 4e-3


def _seconds(plan: Plan) -> float:
    begin = time.perf_counter()
    bench(FakeDevice(noise=0.003, tick_s=32e-9), plan)
    return time.perf_counter() - begin
