"""500 configurations with planted faults on a GPU, killed twice on the way: the third start finishes the sweep."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from commandline import command, environment, run

from kbench.record.store import Store

pytestmark = pytest.mark.gpu

SPECS = Path(__file__).with_name("killed")
SUITE = """
title = "five problems of a hundred configurations, two with faults"
[method]
timeout_s = 3.0
[[run]]
kernel = "mixed"
axes = { n = [16384, 65536, 262144], faulty = ["no"] }
[[run]]
kernel = "mixed"
axes = { n = [16384, 262144], faulty = ["yes"] }
"""
STATUS = {3: "crashed", 17: "timed_out", 24: "incorrect", 51: "build_failed", 88: "out_of_memory"}
KILLED_AT = (60, 330)


def start(folder: Path) -> subprocess.Popen[str]:
    words = ("sweep", "--path", SPECS, "--suite", folder / "mixed.toml", "--device", "cuda", "--db", folder / "k.db")
    pipe = subprocess.PIPE
    return subprocess.Popen(command(*words), text=True, env=environment(), stdout=pipe, stderr=pipe, cwd=folder)


def rows_in(path: Path) -> int:
    if not path.exists():
        return 0
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10) as store:
        tables = store.execute("SELECT count(*) FROM sqlite_master WHERE name = 'results'").fetchone()[0]
        return int(store.execute("SELECT count(*) FROM results").fetchone()[0]) if tables else 0


def killed_at(folder: Path, rows: int) -> int:
    process, end = start(folder), time.monotonic() + 120
    while rows_in(folder / "k.db") < rows and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said[-2000:]
    return rows_in(folder / "k.db")


def test_killed_twice_and_finished_on_the_third_start(tmp_path: Path) -> None:
    (tmp_path / "mixed.toml").write_text(SUITE)
    # Whatever a new machine compiles and calibrates once is no part of three seconds: this one is allowed ten.
    axes = ("--axis", "n=16384", "--axis", "i=0", "--axis", "faulty=no")
    words = ("--path", SPECS, "--kernel", "mixed", *axes, "--device", "cuda", "--db", tmp_path / "first.db")
    first = run("sweep", *words, cwd=tmp_path, timeout=180)
    assert first.returncode == 0, first.stderr
    kept = [killed_at(tmp_path, rows) for rows in KILLED_AT]
    third = start(tmp_path)
    _, said = third.communicate(timeout=300)
    assert third.returncode == 3, said[-2000:]
    assert f"{kept[-1]} of 500 configurations already measured" in said
    with Store.open(tmp_path / "k.db", readonly=True) as store:
        rows = [row.result for row in store.latest()]
    assert rows_in(tmp_path / "k.db") == len(rows) == 500
    wrong = {}
    for row in rows:
        axes = row.config.axes
        expected = STATUS.get(int(axes["i"]), "ok") if axes["faulty"] == "yes" else "ok"
        if row.status != expected:
            wrong[row.config.id] = (row.status, row.message)
    assert not wrong, json.dumps(wrong, indent=1)[:3000]
    assert Counter(row.status for row in rows) == {"ok": 490, **dict.fromkeys(STATUS.values(), 2)}
    assert all(row.time_s and row.standing for row in rows if row.status == "ok")
