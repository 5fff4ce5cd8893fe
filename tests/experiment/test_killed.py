"""A sweep with planted faults whose process is killed twice: the third start finishes it; nothing lost or doubled."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from kbench.record.store import Store

TESTS = Path(__file__).resolve().parent.parent
SPECS = Path(__file__).with_name("specs")

SCRIPT = f"""
import sys
sys.path[:0] = [{str(TESTS.parent)!r}, {str(TESTS)!r}, {str(SPECS)!r}]
from pathlib import Path
from kbench.experiment.sweep import Sweep
from kbench.intent.discover import load
from kbench.intent.method import Method
from kbench.intent.plan import Plan, make_plan, select
from kbench.record.environment import collect
from kbench.record.store import Store

kernels = [k for k in load(Path({str(SPECS / "scripted.py")!r})) if k.name == "scripted"]
method = Method(timeout_s=0.6, precision=0.02)
configs = []
for part in range(5):
    axes = {{"part": part, "faulty": ["yes" if part in (1, 3) else "no"]}}
    configs += make_plan(select(kernels, axes), method, device="fake").configs
plan = Plan(tuple(configs), method)
with Store.open(Path("k.db")) as store:
    sweep, run = Sweep(plan, "fake_device:gpu_like", done=lambda info: store.done(info.uid, info.driver)), None
    for result in sweep:
        if run is None:
            run = store.begin(collect(sweep.info))
        store.add(run, result)
        print(result.config.id, flush=True)
    if run is not None:
        store.finish(run)
    print("finished", sweep.resumed, flush=True)
"""

LABELS = {
    3: "incorrect", 7: "crashed", 12: "crashed", 17: "timed_out", 21: "out_of_memory", 24: "crashed",
}  # fmt: skip


def start(folder: Path) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(TESTS), str(SPECS)])
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True, cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def run_until(folder: Path, rows: int) -> list[str]:
    """The rows it told of until it was killed."""
    process = start(folder)
    assert process.stdout
    told = []
    for line in process.stdout:
        told.append(line.strip())
        if len(told) == rows:
            process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    return told


@pytest.mark.parametrize("seed", [2])
def test_killed_twice_and_finished_on_the_third_start(tmp_path: Path, seed: int) -> None:
    pick = random.Random(seed)
    told = run_until(tmp_path, pick.randint(1, 240))
    told += run_until(tmp_path, pick.randint(1, 240))
    third = start(tmp_path)
    out, _ = third.communicate(timeout=120)
    assert third.returncode == 0
    resumed = int(out.splitlines()[-1].split()[1])
    with Store.open(tmp_path / "k.db", readonly=True) as store:
        rows = store.latest()
        (total,) = store._connection.execute("SELECT count(*) FROM results").fetchone()
    assert total == len(rows) == 500
    assert len(set(told)) == len(told) <= resumed
    assert set(told) <= {row.result.config.id for row in rows}
    for row in rows:
        axes = row.result.config.axes
        expected = LABELS.get(int(axes["i"]), "ok") if axes["faulty"] == "yes" else "ok"
        assert row.result.status == expected, (row.result.config.id, row.result.message)
    assert Counter(r.result.status for r in rows)["ok"] == 500 - 2 * len(LABELS)
    assert all(r.result.measurement and r.result.standing for r in rows if r.result.status == "ok")
