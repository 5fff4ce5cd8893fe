"""Profilers on a real GPU: exactly the promised ranges and launches, counted from the tools' own output."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import commandline
import pytest
from conftest import Kbench

from kbench.errors import ProfilerError
from kbench.profiling import find
from kbench.record.store import Store

pytestmark = pytest.mark.gpu
TWO = ("--kernel", "copy", "--axis", "nbytes=16MiB", "--dtype", "float32", "--block-size", "256", "--variant",
       "naive,uint4", "--device", "cuda")  # fmt: skip
SWAP = ("--kernel", "swap_blocks", "--device", "cuda")
# A launch belongs to the phase that its thread had open when it was called.
LAUNCHES = """
    SELECT s.value, count(*) FROM CUPTI_ACTIVITY_KIND_KERNEL k
    JOIN CUPTI_ACTIVITY_KIND_RUNTIME r ON r.correlationId = k.correlationId AND r.globalTid >> 24 = k.globalPid >> 24
    JOIN NVTX_EVENTS p ON p.globalTid = r.globalTid AND r.start BETWEEN p.start AND p.end
    JOIN StringIds ps ON ps.id = p.textId AND ps.value = 'samples'
    JOIN NVTX_EVENTS c ON c.globalTid = p.globalTid AND c.start <= p.start AND p.end <= c.end AND c.eventType = 59
    JOIN StringIds s ON s.id = c.textId AND s.value LIKE 'copy.%' GROUP BY s.value
"""


def tool(name: str) -> str:
    try:
        return find.tool(name).path
    except ProfilerError as error:
        pytest.skip(str(error))


def started_by_a_user(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words, cwd=folder, env=commandline.environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def promised(path: Path) -> dict[str, int]:
    return {one["range"]: one["launches"] for one in map(json.loads, path.read_text().splitlines())}


def traced(folder: Path, *words: str, extra: tuple[str, ...] = ()) -> sqlite3.Connection:
    """`nsys profile kbench WORDS`, as SQLite."""
    options = ["--trace=cuda,nvtx", "--sample=none", "--cpuctxsw=none", "--export=sqlite", "--output=r", *extra]
    started_by_a_user([tool("nsys"), "profile", *options, *commandline.command(*words)], folder)
    return sqlite3.connect(folder / "r.sqlite")


@pytest.mark.parametrize("launches", [1, 3])
def test_nsys_counts_what_was_promised(tmp_path: Path, launches: int) -> None:
    report = traced(tmp_path, "profile", *TWO, "--launches", str(launches), "--promise", "p.jsonl")
    expected = promised(tmp_path / "p.jsonl")
    assert set(expected.values()) == {launches}
    assert dict(report.execute(LAUNCHES)) == expected


def test_ncu_looks_at_what_was_promised_and_nothing_else(tmp_path: Path) -> None:
    words = [tool("ncu"), "--target-processes", "all", "--metrics", "gpu__time_duration.sum", "--csv", "--nvtx"]
    inner = commandline.command("profile", *TWO, "--promise", "p.jsonl")
    done = started_by_a_user([*words, "--nvtx-include", "kbench@samples/", *inner], tmp_path)
    expected = promised(tmp_path / "p.jsonl")
    assert done.stdout.count("gpu__time_duration.sum") == sum(expected.values()) == 6
    first = next(iter(expected))
    done = started_by_a_user([*words, "--nvtx-include", f"kbench@{first}/samples", *inner], tmp_path)
    assert done.stdout.count("gpu__time_duration.sum") == 3


@pytest.mark.parametrize("name", ["nsys", "ncu"])
def test_started_by_kbench(kbench: Kbench, tmp_path: Path, name: str) -> None:
    tool(name)
    begin = time.monotonic()
    done = kbench("profile", *TWO, "--tool", name, "--json", timeout=300)
    took_s = time.monotonic() - begin
    assert done.returncode == 0, done.stderr
    profiles = [one["profile"] for one in json.loads(done.stdout)]
    assert [(p["status"], p["runs"], p["launches"], p["message"]) for p in profiles] == [("ok", 3, 3, "")] * 2
    times = {p["config"]["axes"]["variant"]: values(p)["duration_s"] for p in profiles}
    assert times["uint4"] < times["naive"] < 1e-3
    with Store.open(tmp_path / "kbench.db", readonly=True) as store:
        assert all((tmp_path / kept.profile.raw).is_file() for kept in store.profiles())
    assert took_s < 60
    print(f"{name}: two configurations in {took_s:.1f} s, {times}")


def values(profile: dict[str, Any]) -> dict[str, float]:
    return {metric["name"]: metric["value"] for metric in profile["metrics"]}


def test_nsys_and_kbench_agree_about_the_time(kbench: Kbench) -> None:
    tool("nsys")
    assert kbench("sweep", *TWO, "--cache", "warm").returncode == 0
    swept = {r["result"]["config"]["axes"]["variant"]: r["result"]["measurement"]["summary"]["center_s"]
             for r in json.loads(kbench("show", "--json").stdout)}  # fmt: skip
    done = kbench("profile", *TWO, "--cache", "warm", "--tool", "nsys", "--launches", 20, "--json")
    for one in json.loads(done.stdout):
        variant = one["profile"]["config"]["axes"]["variant"]
        assert values(one["profile"])["duration_s"] == pytest.approx(swept[variant], rel=0.1)


def test_copies_of_the_host_are_seen(kbench: Kbench) -> None:
    tool("nsys")
    done = kbench("profile", *SWAP, "--variant", "memcpy", "--launches", 1, "--tool", "nsys", "--json", timeout=300)
    assert done.returncode == 0, done.stderr
    spans = [span for one in json.loads(done.stdout) for span in one["profile"]["spans"] if span["kind"] == "copy"]
    assert {span["memory"] for span in spans} & {"h2d", "d2h"}
    assert all(span["nbytes"] > 0 for span in spans)


def test_a_sweep_under_a_profiler_queues_nothing_behind_a_waiting_kernel(tmp_path: Path) -> None:
    report = traced(tmp_path, "sweep", *TWO, "--clock", "events", "--samples", "5")
    found = report.execute("SELECT s.value FROM CUPTI_ACTIVITY_KIND_KERNEL k JOIN StringIds s ON s.id = k.shortName")
    names = {name for (name,) in found}
    assert any("copy" in name for name in names)
    assert not [name for name in names if "hold" in name or "roof" in name]
    with Store.open(tmp_path / "kbench.db", readonly=True) as store:
        for row in store.latest():
            assert row.result.measurement
            assert "not queued behind a hold (a profiler runs launches one by one" in row.result.measurement.note
            assert row.result.measurement.clock == "events"
