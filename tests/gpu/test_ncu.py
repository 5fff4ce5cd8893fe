"""Nsight Compute on a real GPU: the planted kernels show what they are planted for, traffic is what is declared."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from commandline import environment, run
from plants import EXPECTED, PROFILED

from kbench.errors import ProfilerError
from kbench.profiling import ncu, ncu_metrics, ncu_read
from kbench.profiling.find import tool

pytestmark = pytest.mark.gpu
TWO = ("--kernel", "copy", "--axis", "nbytes=64MiB", "--dtype", "float32", "--block-size", "256",
       "--variant", "naive,uint4", "--device", "cuda")  # fmt: skip
Two = tuple[Path, float, list[dict[str, Any]]]


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    try:
        tool("ncu")
    except ProfilerError as error:
        pytest.skip(str(error))


def profiled(folder: Path, *words: str, timeout: float = 900) -> list[dict[str, Any]]:
    done = run("profile", *words, "--tool", "ncu", "--json", cwd=folder, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return [row["profile"] | {"id": row["config"], "key": row["key"]} for row in json.loads(done.stdout)]


def metrics(profile: dict[str, Any]) -> dict[str, float]:
    return {m["name"]: m["value"] for m in profile["metrics"]}


@pytest.fixture(scope="module")
def plants(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, float], int]]:
    """Of each plant's largest configuration: its metrics and n."""
    kernels = [word for name in EXPECTED for word in ("--kernel", name)]
    found = profiled(
        tmp_path_factory.mktemp("plants"), "--path", str(PROFILED), *kernels, "--device", "cuda", "--launches", "1"
    )
    best: dict[str, tuple[dict[str, float], int]] = {}
    for profile in found:
        kernel, n = profile["config"]["kernel"], profile["config"]["axes"]["n"]
        if kernel not in best or n > best[kernel][1]:
            best[kernel] = metrics(profile), n
    return best


@pytest.mark.parametrize("kernel", EXPECTED)
def test_each_plant_shows_what_it_is_planted_for(plants: dict[str, tuple[dict[str, float], int]], kernel: str) -> None:
    EXPECTED[kernel](*plants[kernel])


def test_only_what_spills_touches_local_memory(plants: dict[str, tuple[dict[str, float], int]]) -> None:
    assert [kernel for kernel, (m, _) in plants.items() if m["local_store_bytes"] > 0] == ["spills"]


def test_everything_that_is_asked_for_is_told(plants: dict[str, tuple[dict[str, float], int]]) -> None:
    for kernel, (m, _) in plants.items():
        assert set(ncu_metrics.NAMES) == set(m), kernel  # each loads and stores, so that no share is one of nothing


def test_stalls_are_shares_of_a_warp_s_time(plants: dict[str, tuple[dict[str, float], int]]) -> None:
    for kernel, (m, _) in plants.items():
        waiting = sum(value for name, value in m.items() if name.startswith("stall_"))
        assert 0.3 < waiting < 1.1, kernel  # each is counted in a pass of its own


def test_reads_and_writes_of_four_gigabytes_are_within_two_percent(tmp_path: Path) -> None:
    (found,) = profiled(
        tmp_path, "--path", str(PROFILED), "--kernel", "streaming_copy", "--axis", "n=2^29", "--launches", "1",
        "--device", "cuda",
    )  # fmt: skip
    EXPECTED["streaming_copy"](metrics(found), 2**29)


def test_what_is_warm_comes_out_of_l2(tmp_path: Path) -> None:
    """Asked for three metrics alone, because each further pass is another process."""
    asked = ["dram__bytes_read.sum", "lts__t_sector_hit_rate.pct", "gpu__time_duration.sum"]
    inner = [sys.executable, "-P", "-m", "kbench", "profile", "--path", str(PROFILED), "--kernel", "cache_resident",
             "--axis", "n=2^20", "--cache", "warm", "--device", "cuda"]  # fmt: skip
    words = [tool("ncu").path, "--nvtx", "--nvtx-include", ncu.FILTER, *ncu.options(asked, "warm"), "--csv", "--page",
             "raw", "--print-units", "base", "--target-processes", "all", *inner]  # fmt: skip
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    *_, last = ncu_read.from_csv(done.stdout)
    assert last.found["dram__bytes_read.sum"][0] < 0.1 * 4 * 2**20
    assert last.found["lts__t_sector_hit_rate.pct"][0] > 90


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Two:
    """The folder, the seconds that a second run took, and its profiles."""
    folder = tmp_path_factory.mktemp("two")
    profiled(folder, *TWO)  # compiles, and starts everything once
    begin = time.monotonic()
    found = profiled(folder, *TWO)
    return folder, time.monotonic() - begin, found


def test_two_configurations_take_less_than_twenty_seconds(two: Two) -> None:
    folder, took_s, found = two
    assert took_s < 20
    assert [(p["launches"], p["runs"], p["message"]) for p in found] == [(3, 3, "")] * 2
    for profile in found:
        assert (folder / profile["raw"]).suffix == ".ncu-rep"
        assert (folder / profile["raw"]).is_file()


def test_both_readers_say_the_same_of_a_report(two: Two) -> None:
    folder, _, (first, *_) = two
    report = folder / first["raw"]
    table = subprocess.run(
        [tool("ncu").path, "--import", str(report), "--csv", "--page", "raw", "--print-units", "base"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    by_table, read = ncu_read.from_csv(table), ncu_read.launches(report)
    assert [seen.ranges for seen in by_table] == [seen.ranges for seen in read]
    for kind in ncu_metrics.NAMES:
        for a, b in zip(by_table, read, strict=True):
            one, other = ncu_metrics.value(kind, a.found), ncu_metrics.value(kind, b.found)
            assert (one is None) == (other is None), kind
            if one is None or other is None:
                continue
            assert one[0] == pytest.approx(other[0], rel=0.01, abs=0.011), kind


def test_an_ncu_that_the_user_starts_sees_the_promised_launches_and_no_other(tmp_path: Path) -> None:
    words = [
        tool("ncu").path, "--nvtx", "--nvtx-include", ncu.FILTER, "--target-processes", "all",
        *ncu.options(["gpu__time_duration.sum"]), "--csv", "--page", "raw",
        sys.executable, "-m", "kbench", "profile", *TWO, "--launches", "4", "--promise", "promised.jsonl",
    ]  # fmt: skip
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    promised = [json.loads(line) for line in (tmp_path / "promised.jsonl").read_text().splitlines()]
    expected = [one["range"] for one in promised for _ in range(4)]
    seen = ncu_read.from_csv(done.stdout)
    assert sorted(name for launch in seen for name in launch.ranges if name != "samples") == sorted(expected)
    assert all("samples" in launch.ranges for launch in seen)


def test_ncu_s_time_is_near_kbench_s_own(two: Two) -> None:
    folder, _, found = two
    done = run("sweep", *TWO, "--json", cwd=folder, timeout=300)
    assert done.returncode == 0, done.stderr
    shown = run("show", "--json", cwd=folder)
    own = {row["config"]: row["time_s"] for row in json.loads(shown.stdout)}
    for profile in found:
        assert metrics(profile)["duration_s"] == pytest.approx(own[profile["id"]], rel=0.1, abs=2e-6)


def test_nvidia_s_samples_are_read(tmp_path: Path) -> None:
    real = Path(shutil.which(tool("ncu").path) or tool("ncu").path).resolve()
    folders = [up / "extras" / "samples" for up in real.parents[:4]]
    folders += list(Path("/opt/nvidia/nsight-compute").glob("*/extras/samples"))
    reports = [report for folder in folders for report in folder.glob("*/*.ncu-rep")]
    if not reports:
        pytest.skip("this Nsight Compute came without samples")
    for report in reports:
        assert ncu_read.launches(report)
