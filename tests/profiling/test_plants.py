"""The kernels planted for rules and for checks: right or wrong as they are meant, and compiled as planted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commandline import ROOT, run

PROFILED, SANITIZED = ROOT / "tests" / "profiled", ROOT / "tests" / "sanitized"


def names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py"))


def chosen(folder: Path) -> list[str]:
    return ["--path", str(folder), *(word for name in names(folder) for word in ("--kernel", name))]


def told(text: str) -> list[tuple[str, str]]:
    """Kernel and status of each row."""
    return [(row["config"].partition("[")[0], row["status"]) for row in json.loads(text)]


def test_every_plant_for_a_rule_is_right(tmp_path: Path) -> None:
    done = run("verify", *chosen(PROFILED), "--device", "cpu", "--max-bytes", "1MiB", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {kernel for kernel, status in told(done.stdout) if status == "ok"} == set(names(PROFILED))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, int]]:
    pytest.importorskip("cuda.bindings.nvrtc")
    folder = tmp_path_factory.mktemp("compiled")
    done = run("compile", *chosen(PROFILED), "--arch", "sm_90", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return {row["entry"]: row for row in json.loads(done.stdout)}


def test_spills_spill_and_nothing_else_does(compiled: dict[str, dict[str, int]]) -> None:
    assert {name for name, row in compiled.items() if row["spill_bytes"]} == {"spills"}
    assert compiled["spills"]["registers"] == 32


def test_what_is_limited_is_limited_by_its_plant(compiled: dict[str, dict[str, int]]) -> None:
    assert compiled["limited_by_registers"]["registers"] > 128
    assert compiled["limited_by_shared"]["shared_bytes"] == 48 * 1024
    others = [row for name, row in compiled.items() if name != "limited_by_registers"]
    assert all(row["registers"] <= 32 for row in others)


def test_plants_for_checks_are_wrong_in_one_way_each(tmp_path: Path) -> None:
    done = run("verify", *chosen(SANITIZED), "--device", "cpu", "--json", cwd=tmp_path)
    assert done.returncode == 3
    assert dict(told(done.stdout)) == {
        "without_fault": "ok", "out_of_bounds": "crashed", "shared_race": "incorrect",
        "uninitialised_read": "incorrect", "divergent_barrier": "ok",
    }, "threads that have left are no part of a barrier on the cpu"  # fmt: skip
