"""Compute Sanitizer on a real GPU: each planted fault is found by its check, in its line."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from commandline import run
from plants import FAULTS, SANITIZED

from kbench.errors import ProfilerError
from kbench.profiling.find import tool

pytestmark = pytest.mark.gpu


RIGHT = "without_fault"
Sanitized = dict[str, tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Sanitized:
    """Exit code and profile of each kernel, four runs of the tool each: all side by side, since nothing is timed."""
    try:
        tool("sanitizer")
    except ProfilerError as error:
        pytest.skip(str(error))

    def one(kernel: str, folder: Path) -> tuple[int, dict[str, Any]]:
        words = ("--path", str(SANITIZED), "--kernel", kernel, "--tool", "sanitizer", "--launches", "1", "--json")
        done = run("profile", *words, "--device", "cuda", cwd=folder, timeout=300)
        assert done.stdout, done.stderr
        (row,) = json.loads(done.stdout)
        return done.returncode, row["profile"]

    kernels = [*FAULTS, RIGHT]
    folders = [tmp_path_factory.mktemp(kernel) for kernel in kernels]
    with ThreadPoolExecutor(len(kernels)) as pool:
        return dict(zip(kernels, pool.map(one, kernels, folders), strict=True))


@pytest.mark.parametrize("kernel", FAULTS)
def test_each_fault_is_found_by_its_check_in_its_line(kernel: str, sanitized: Sanitized) -> None:
    check, line = FAULTS[kernel]
    code, profile = sanitized[kernel]
    found = [f for f in profile["findings"] if f["check"] == check]
    assert found, profile
    assert Path(found[0]["file"]).name == f"{kernel}.cu"
    assert found[0]["line"] == line
    assert kernel in found[0]["kernel"]
    assert code == 3
    others = {f["check"] for f in profile["findings"]} - {check}
    assert not others, profile["findings"]


def test_what_is_right_has_no_findings(sanitized: Sanitized) -> None:
    code, profile = sanitized[RIGHT]
    assert profile["findings"] == []
    assert profile["message"] == ""
    assert code == 0
