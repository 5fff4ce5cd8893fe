"""docs/python.md: its programs run (on the cpu device), its tests pass."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import PLUGIN, ROOT, environment

BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.MULTILINE | re.DOTALL)
PROGRAMS = [block for block in BLOCKS if "def test_" not in block]


def run(folder: Path, *command: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment(CUDA_VISIBLE_DEVICES=""), check=False,
                          capture_output=True, text=True, timeout=180)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_are_programs() -> None:
    assert len(PROGRAMS) == 2
    assert len(BLOCKS) == 3


@pytest.mark.parametrize("program", PROGRAMS, ids=["sweep", "measure"])
def test_programs_run(program: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(program.replace('"threads": 128}', '"threads": 128}, samples=5'))
    said = run(tmp_path, "program.py")
    assert "kbench.measure" in program or "copy[dtype=float32" in said
    assert "kbench.sweep" in program or "clock host, cold" in said


def test_tests_pass(tmp_path: Path) -> None:
    pytest.importorskip("pytest_benchmark")
    (tmp_path / "test_page.py").write_text(next(block for block in BLOCKS if "def test_" in block))
    options = [*PLUGIN, "-p", "no:cacheprovider", "-p", "no:xdist"]
    assert "2 passed" in run(tmp_path, "-m", "pytest", *options)
