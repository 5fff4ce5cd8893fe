"""Real worker processes on the fake device: every way to fail is a row, and the rows after it are unharmed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_device import INFO

from kbench.errors import ClockError, DeviceError
from kbench.experiment.engine import Engine
from kbench.experiment.job import _status_of
from kbench.experiment.protocol import Mode
from kbench.experiment.result import Result
from kbench.experiment.sweep import Sweep, shuffled, verify
from kbench.intent.discover import load
from kbench.intent.method import Method
from kbench.intent.plan import Plan, make_plan, select

TESTS = Path(__file__).resolve().parent.parent
SPECS = Path(__file__).with_name("specs")
FAKE = "fake_device:FakeDevice"
QUICK = Method(timeout_s=1.0)
Run = Callable[..., dict[str, Result]]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))


def plan_of(how: Sequence[str], method: Method = QUICK, **axes: Any) -> Plan:
    kernels = load(SPECS / "misbehaves.py")
    return make_plan(select(kernels, {"how": list(how), **axes}), method, device="fake")


def run(how: Sequence[str], device: str = FAKE, mode: Mode = "measure", method: Method = QUICK) -> dict[str, Result]:
    plan = plan_of(how, method)
    with Engine(device) as engine:
        return {str(r.config.axes["how"]): r for r in engine.run(plan.configs, method, mode)}


def test_a_good_row_carries_all_that_a_reader_needs() -> None:
    (row,) = run(["good"]).values()
    assert (row.status, row.message, row.device) == ("ok", "", INFO)
    assert row.traffic.useful_bytes == 2 * 64 * 4
    assert [(c.output, c.ok, c.tolerance) for c in row.checks] == [("y", True, "bits")]
    assert row.measurement
    assert row.measurement.summary.n >= 20
    assert row.time_s == pytest.approx(1e-5, rel=1e-3)
    assert row.occupancy == 0.5
    assert len(row.source) == 16
    assert 0 < row.wall_s < 1


FAILURES = {
    "wrong": ("incorrect", "y: first wrong at [3]: expected "),
    "past the end": ("incorrect", "argument 0: guard bytes overwritten 16 bytes past its end"),
    "fault": ("crashed", "fault at x.cu:3 [block (0, 0, 0), thread (1, 0, 0)]"),
    "timeout": ("timed_out", "timeout at x.cu:3"),
    "race": ("incorrect", "race at x.cu:3"),
    "raises": ("crashed", "ZeroDivisionError: in a library call"),
    "no memory": ("out_of_memory", "not enough memory"),
    "late memory": ("out_of_memory", "cannot allocate 99 bytes"),
    "skips": ("skipped", "this device has no such thing"),
    "spec raises": ("spec_failed", ": KeyError: 'heads'"),
    "bad reference": ("spec_failed", "output 'y' is uint32[64], its reference is uint32[63]"),
    "raises reference": ("spec_failed", "the reference of output 'y': AttributeError"),
}


@pytest.fixture(scope="module")
def gentle() -> dict[str, Result]:
    """Failures that the worker survives, in one run, with good rows between them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(TESTS))
        return run([*FAILURES, "good"])


@pytest.mark.parametrize("how", list(FAILURES))
def test_a_failure_is_a_row_with_its_status_and_message(gentle: dict[str, Result], how: str) -> None:
    status, words = FAILURES[how]
    assert gentle[how].status == status
    assert words in gentle[how].message
    assert gentle[how].measurement is None
    assert gentle["good"].status == "ok"


def test_a_worker_that_dies_becomes_a_row_with_its_last_words_and_is_replaced() -> None:
    rows = run(["segfault", "good", "leaves", "good too"])
    assert {how: r.status for how, r in rows.items()} == {
        "segfault": "crashed", "good": "ok", "leaves": "crashed", "good too": "ok",
    }  # fmt: skip
    assert "killed by SIGSEGV" in rows["segfault"].message
    assert "about to touch address 8" in rows["segfault"].message
    assert "(in phase: check)" in rows["segfault"].message
    assert "exited with code 3" in rows["leaves"].message


def test_a_hang_becomes_a_row_in_time_and_its_process_is_gone() -> None:
    plan = plan_of(["hangs", "good"], method := Method(timeout_s=0.5))
    pids = []
    with Engine(FAKE, watch=lambda planned, phase: pids.append(engine.worker_pid)) as engine:
        assert engine.info == INFO
        begin = time.perf_counter()
        rows = list(engine.run(plan.configs, method))
    assert [r.status for r in rows] == ["timed_out", "ok"]
    assert rows[0].message == "no answer within 0.5 s (in phase: check); --timeout allows more"
    assert 0.5 <= rows[0].wall_s < 1.0
    assert time.perf_counter() - begin < 5
    first, last = pids[0], pids[-1]
    assert first != last
    assert first is not None
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_what_a_hung_worker_started_goes_with_it() -> None:
    child = Path(f"/tmp/kbench-test-child-{os.getpid()}")
    try:
        assert run(["starts a child"], method=Method(timeout_s=0.5))["starts a child"].status == "timed_out"
        assert _gone(int(child.read_text()))
    finally:
        child.unlink(missing_ok=True)


def _gone(pid: int) -> bool:
    """Dead within five seconds; a zombie that no init reaps is dead too."""
    for _ in range(100):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().split()[2] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_after_a_fault_on_a_gpu_the_worker_is_replaced() -> None:
    pids = []
    plan = plan_of(["good", "fault", "good too"])
    with Engine("fake_device:gpu_like", watch=lambda planned, phase: pids.append(engine.worker_pid)) as engine:
        rows = list(engine.run(plan.configs, QUICK))
    assert sorted((r.config.axes["how"], r.status) for r in rows) == [
        ("fault", "crashed"), ("good", "ok"), ("good too", "ok"),
    ]  # fmt: skip
    assert len(set(pids) - {None}) == 2


def test_what_a_kernel_prints_does_not_reach_our_output(capfd: pytest.CaptureFixture[str]) -> None:
    (row,) = run(["noisy"]).values()
    assert row.status == "ok"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("fake_device:unusable", "^there is no such device: plug it in$"),
        ("fake_device:silent", "exited with code 7; its last words:\nabout to leave"),
        ("no_such_module:x", "no device 'no_such_module:x'"),
    ],
)
def test_a_device_that_does_not_open_says_why(device: str, words: str) -> None:
    with pytest.raises(DeviceError, match=words):
        run(["good"], device)


def test_leaving_the_engine_ends_the_worker() -> None:
    for leave in (None, KeyboardInterrupt):
        try:
            with Engine(FAKE) as engine:
                assert engine.info == INFO
                pid = engine.worker_pid
                if leave:
                    raise leave
        except KeyboardInterrupt:
            pass
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_worker_does_not_outlive_its_parent_even_in_mid_kernel(tmp_path: Path) -> None:
    script = f"""
import sys; sys.path[:0] = [{str(TESTS.parent)!r}, {str(TESTS)!r}, {str(SPECS.parent)!r}]
from test_engine import plan_of, Engine, FAKE, Method
with Engine(FAKE, watch=lambda planned, phase: print(phase, engine.worker_pid, flush=True)) as engine:
    list(engine.run(plan_of(["hangs"]).configs, Method(timeout_s=100)))
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert parent.stdout
    worker = next(int(line.split()[1]) for line in parent.stdout if line.startswith("check"))
    os.kill(worker, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert _gone(worker)


def test_a_sweep_runs_what_is_missing_and_says_what_was_done() -> None:
    plan = plan_of(["good", "good too", "wrong"])
    first = Sweep(plan, FAKE)
    rows = list(first)
    assert len(rows) == 3
    assert first.info == INFO
    assert first.resumed == 0
    done = {(r.config.id, r.source) for r in rows if r.status == "ok"}
    again = Sweep(plan, FAKE, done=lambda info: done if info.uid == INFO.uid else set())
    assert [r.config.axes["how"] for r in again] == ["wrong"]
    assert again.resumed == 2
    other_source = {(name, "0" * 16) for name, _ in done}
    assert len(list(Sweep(plan, FAKE, done=lambda info: other_source))) == 3


def test_an_interrupted_sweep_keeps_what_it_gave_and_leaves_no_process() -> None:
    plan = plan_of(["good"], method := Method(timeout_s=100))
    plan = Plan((*plan.configs, *plan_of(["hangs"], method, n=128).configs), method)
    sweep = iter(Sweep(plan, FAKE, watch=lambda planned, phase: None))
    assert next(sweep).status == "ok"
    workers = _children()
    assert workers
    sweep.close()  # type: ignore[attr-defined]
    assert not set(workers) & set(_children())


def _children() -> list[int]:
    return [int(p) for p in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def test_the_order_is_random_within_a_problem_and_reproducible() -> None:
    plan = plan_of(["good", "good too", "wrong", "fault", "race"], n=[64, 128])
    orders = {tuple(p.config.id for p in shuffled(plan.configs, seed)) for seed in range(20)}
    assert len(orders) > 10
    one = shuffled(plan.configs, 3)
    assert one == shuffled(plan.configs, 3)
    assert [p.config.axes["n"] for p in one] == [64] * 5 + [128] * 5


def test_verify_checks_and_does_not_time() -> None:
    rows = list(verify(plan_of(["good", "wrong", "segfault"]), FAKE))
    assert [r.status for r in rows] == ["ok", "incorrect", "crashed"]
    assert rows[0].checks[0].ok
    assert rows[0].measurement is None


def test_an_impossible_clock_is_a_reason_to_skip() -> None:
    kernels = load(SPECS / "misbehaves.py")
    plan = plan_of(["good"])
    config = kernels[0].configs({"how": "good"}, clock=("impossible",))[0]
    from dataclasses import replace

    with Engine(FAKE) as engine:
        (row,) = engine.run([replace(plan.configs[0], config=config)], QUICK)
    assert (row.status, row.message) == ("skipped", "the clock impossible cannot time this")


def test_a_clock_that_lost_its_samples_is_no_crash_of_the_kernel() -> None:
    status, message = _status_of(ClockError("CUPTI dropped 3 of its records"))
    assert status == "skipped"
    assert "CUPTI dropped 3 of its records; another --clock may do" in message
