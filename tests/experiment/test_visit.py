"""What a profiler sees: each configuration in a range of its own, its launches in the phase `samples`, nothing else
there; and in ordinary sweeps no mark inside a batch of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_device import FakeDevice

from kbench.experiment.job import Bench
from kbench.experiment.protocol import Done, Ended, Job, Mode, Phase, Reply, Task
from kbench.experiment.result import Result
from kbench.intent.config import keys
from kbench.intent.discover import load
from kbench.intent.method import Method
from kbench.intent.plan import make_plan, select
from kbench.machine import marks
from kbench.machine.marks import range_name

SPECS = Path(__file__).with_name("specs")


class Tracing(FakeDevice):
    """Its log holds NVTX ranges too, and shows what lies in which."""

    def __init__(self) -> None:
        super().__init__(noise=0.002)
        self.stack: list[str] = []
        self.seen: list[tuple[tuple[str, ...], str]] = []
        self.log = Log(self)  # type: ignore[assignment]

    def get_event_attributes(self, message: str, **_: Any) -> str:
        return message

    def push_range(self, name: str) -> None:
        self.stack.append(name)

    def pop_range(self) -> None:
        self.stack.pop()


class Log(list[str]):
    def __init__(self, device: Tracing) -> None:
        super().__init__()
        self._device = device

    def append(self, entry: str) -> None:
        super().append(entry)
        self._device.seen.append((tuple(self._device.stack), entry))


def traced(
    monkeypatch: pytest.MonkeyPatch, how: list[str], mode: Mode, method: Method, device: Tracing | None = None
) -> tuple[Tracing, list[Reply], dict[str, str]]:
    device = device or Tracing()
    monkeypatch.setattr(marks, "_domain", lambda: device)
    plan = make_plan(select(load(SPECS / "misbehaves.py"), {"how": how}), method, device="fake")
    shown = keys(p.config for p in plan.configs)
    names = {str(p.config.axes["how"]): range_name("misbehaves", shown[p.config.id]) for p in plan.configs}
    tasks = tuple(
        Task(p.config, str(p.kernel.spec_path), (None,), p.traffic, "s", False, names[str(p.config.axes["how"])], n)
        for n, p in enumerate(plan.configs)
    )
    told: list[Reply] = []
    Bench(device, told.append).run(Job(tasks, method, mode, "c"))
    assert device.stack == [], "every range was closed"
    return device, told, names


def results(told: list[Reply]) -> dict[str, Result]:
    return {str(r.result.config.axes["how"]): r.result for r in told if isinstance(r, Done)}


@pytest.mark.parametrize("launches", [1, 3])
def test_only_the_promised_launches_lie_in_samples(monkeypatch: pytest.MonkeyPatch, launches: int) -> None:
    method = Method(samples_min=launches, samples_max=launches)
    device, told, names = traced(monkeypatch, ["good", "good too"], "profile", method)
    assert {r.status for r in results(told).values()} == {"ok"}
    for name in names.values():
        inside = {phase: [e for s, e in device.seen if s == (name, phase)] for phase in marks.PHASES}
        assert inside["samples"] == ["run"] * launches
        assert inside["warm-up"][-1] == "run"
        assert inside["warm-up"].count("run") == 1
        assert inside["check"].count("run") == 1
        assert inside["build"] == []
    assert not [e for _, e in device.seen if e.startswith("sample")], "no clock was asked"
    assert [e for s, e in device.seen if not s] == ["close", "close"]


def test_a_wrong_or_faulty_one_is_not_launched_for_the_profiler_and_the_others_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method = Method(samples_min=2, samples_max=2)
    device, told, names = traced(monkeypatch, ["wrong", "bad reference", "good", "skips"], "profile", method)
    found = results(told)
    assert {how: r.status for how, r in found.items()} == {
        "wrong": "incorrect", "bad reference": "spec_failed", "good": "ok", "skips": "skipped"
    }  # fmt: skip
    launched = [s[0] for s, e in device.seen if s[1:] == ("samples",) and e == "run"]
    assert launched == [names["good"]] * 2
    assert told[-1] == Ended()


def test_in_a_sweep_every_batch_lies_in_the_samples_of_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    device, told, names = traced(monkeypatch, ["good", "good too"], "measure", Method(seed=3))
    batches = [s for s, e in device.seen if e.startswith("sample")]
    assert {s[0] for s in batches} == set(names.values())
    assert {s[1] for s in batches} <= {"samples", "warm-up"}
    assert len(batches) > 6
    phases = [reply.name for reply in told if isinstance(reply, Phase)]
    assert "checked" in phases
    assert "duel" in phases


def test_the_key_is_the_one_of_the_plan_though_but_a_part_of_it_is_measured() -> None:
    from kbench.experiment.engine import Names

    plan = make_plan(select(load(SPECS / "misbehaves.py"), {"how": ["good", "good too"]}), Method(), device="fake")
    one, two = (p.config for p in plan.configs)
    shown = {one.id: one.digest[:11], two.id: two.digest[:11]}
    assert Names(shown).of(two) == (f"misbehaves.{two.digest[:11]}", 1)
