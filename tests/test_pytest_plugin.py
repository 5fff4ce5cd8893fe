"""The fixture kbench_benchmark, in pytest processes of its own on the cpu device."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commandline import FAULTS, PLUGIN, ROOT, environment

pytest.importorskip("pytest_benchmark")

FILE = f"""
import pytest

METHOD = {{"samples": 8, "max_time_s": 0.01}}

@pytest.mark.benchmark(group="good")
@pytest.mark.parametrize("n", [256, 512])
def test_good(kbench_benchmark, n):
    row = kbench_benchmark("good", path={str(FAULTS)!r}, n=n, method=METHOD)
    assert row.status == "ok"

def test_callable(kbench_benchmark):
    timing = kbench_benchmark.callable(sum, range(1000), bytes=8000, samples=9)
    assert timing.gbps > 0
"""
FAILING = f"""
def test_wrong(kbench_benchmark):
    kbench_benchmark("wrong_result", path={str(FAULTS)!r})

def test_several(kbench_benchmark):
    kbench_benchmark("copy", nbytes=4096)

def test_skipped(kbench_benchmark):
    kbench_benchmark("copy", nbytes=4097, dtype="float32", variant="naive", threads=128)

def test_twice(kbench_benchmark):
    kbench_benchmark.callable(sum, [1], samples=2)
    kbench_benchmark.callable(sum, [1], samples=2)
"""


def run(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    options = [
        *PLUGIN,
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--kbench-device",
        "cpu",
        "-rs",
    ]
    command = [sys.executable, "-m", "pytest", *options, *map(str, words)]
    outside = {name: value for name, value in environment().items() if not name.startswith("PYTEST_XDIST")}
    return subprocess.run(command, cwd=folder, env=outside, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    (folder / "test_kernels.py").write_text(FILE)
    done = run(folder, "--benchmark-json=out.json", "--benchmark-save=first")
    assert done.returncode == 0, done.stdout
    return folder


def benchmarks(path: Path) -> dict[str, Any]:
    return {each["name"]: each for each in json.loads(path.read_text())["benchmarks"]}


def test_the_json_holds_kbench_s_samples(saved: Path) -> None:
    found = benchmarks(saved / "out.json")
    assert set(found) == {"test_good[256]", "test_good[512]", "test_callable"}
    good = found["test_good[512]"]
    assert good["group"] == "good"
    assert good["options"]["timer"] == "kbench"
    assert good["stats"]["rounds"] == len(good["stats"]["data"]) == 8
    info = good["extra_info"]
    assert info["config"] == "good[n=512,threads=128]"
    assert info["checked"] is True
    assert info["clock"] == "host"
    assert info["useful_bytes"] == 2 * 512 * 4
    assert info["min_s"] == pytest.approx(good["stats"]["min"])
    assert info["max_s"] == pytest.approx(good["stats"]["max"])
    assert found["test_callable"]["stats"]["rounds"] == 9
    assert found["test_callable"]["extra_info"]["gbps"] > 0


def test_compare_and_histogram_work_on_kernels(saved: Path) -> None:
    done = run(saved, "--benchmark-compare=0001", "--benchmark-histogram=drawn/h", "-k", "good")
    assert done.returncode == 0, done.stdout
    assert "test_good[256] (0001_first)" in done.stdout
    assert "test_good[256] (NOW)" in done.stdout
    drawn = list((saved / "drawn").glob("h*.svg"))
    assert drawn
    assert "<svg" in drawn[0].read_text()


def test_only_and_disable_are_obeyed(saved: Path) -> None:
    assert "3 passed" in run(saved, "--benchmark-only", "-q").stdout
    disabled = run(saved, "--benchmark-disable", "--benchmark-json=none.json", "-q")
    assert "3 passed" in disabled.stdout
    assert "3 skipped" in run(saved, "--benchmark-skip", "-q").stdout


def test_what_is_wrong_fails_and_is_not_filed(tmp_path: Path) -> None:
    (tmp_path / "test_bad.py").write_text(FAILING)
    done = run(tmp_path, "--benchmark-json=out.json")
    assert "incorrect: wrong_result[" in done.stdout
    assert "[137]" in done.stdout
    assert "these axes leave" in done.stdout
    assert "SKIPPED" in done.stdout
    assert "nbytes is no multiple of the 4 bytes" in done.stdout
    assert "FixtureAlreadyUsed" in done.stdout
    assert "3 failed, 1 skipped" in done.stdout


def test_the_suite_runs_on_the_cpu(tmp_path: Path) -> None:
    done = run(tmp_path, ROOT / "suites" / "bench_kernels.py", "--benchmark-json=out.json", "-q", "-k",
               "naive or uint4 or fill or random", "--rootdir", ROOT / "suites", "-c", "/dev/null")  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert {each["group"] for each in benchmarks(tmp_path / "out.json").values()} >= {"copy", "transpose", "callables"}


def test_an_unused_plugin_loads_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        "import sys\ndef test_it():\n    assert not [m for m in sys.modules if m.startswith('kbench.') "
        "and m != 'kbench.pytest_plugin']\n    assert 'numpy' not in sys.modules\n"
    )
    done = run(tmp_path, "-q", "-p", "no:hypothesispytest")
    assert "1 passed" in done.stdout, done.stdout
