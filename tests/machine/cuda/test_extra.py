"""The pip extra of a driver, from what nvidia-smi printed on real machines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kbench.machine.cuda.extra import cuda_extra, problem

SMI = Path(__file__).with_name("smi")
SCRIPT = Path(__file__).parents[3] / "kbench" / "machine" / "cuda" / "extra.py"


@pytest.mark.parametrize(
    ("recorded", "capabilities", "extra"),
    [
        ("550-cuda-12.4", "8.9\n", "cuda12"),
        ("580-cuda-13.0", "8.0\n", "cuda13"),
        ("580-cuda-13.0", "", "cuda13"),
        ("610-cuda-13.3", "10.0\n10.0\n", "cuda13"),
        ("580-cuda-13.0-volta", "7.0\n", "cuda12"),
        ("580-cuda-13.0-volta", "7.0\n8.0\n", "cuda13"),
        ("450-cuda-11.0", "6.1\n", None),
        ("broken-no-driver", "", None),
        ("broken-mismatch", "", None),
        ("no-devices", "", None),
    ],
)
def test_extra_of_recorded_outputs(recorded: str, capabilities: str, extra: str | None) -> None:
    assert cuda_extra((SMI / f"{recorded}.txt").read_text(), capabilities) == extra


def test_a_machine_without_nvidia_is_not_a_problem_and_a_broken_driver_is() -> None:
    assert problem("") == ""
    assert "version mismatch" in problem((SMI / "broken-mismatch.txt").read_text())
    assert "CUDA 11.0 only" in problem((SMI / "450-cuda-11.0.txt").read_text())


def run_with(smi: str | None, folder: Path) -> subprocess.CompletedProcess[str]:
    if smi is not None:
        fake = folder / "nvidia-smi"
        fake.write_text(f'#!/bin/sh\ncase "$*" in *compute_cap*) echo 9.0;; *) cat {SMI / smi}.txt;; esac\n')
        fake.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:/bin:/usr/bin"}
    # -S: as on a machine where nothing is installed yet
    return subprocess.run([sys.executable, "-S", str(SCRIPT)], capture_output=True, text=True, env=environment)


def test_the_script_prints_the_extra_alone_with_no_package_installed(tmp_path: Path) -> None:
    done = run_with("580-cuda-13.0", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "cuda13\n", "")


def test_the_script_warns_of_a_broken_driver_and_stays_silent_without_one(tmp_path: Path) -> None:
    broken = run_with("broken-no-driver", tmp_path)
    assert broken.returncode == 0
    assert broken.stdout == ""
    assert "couldn't communicate" in broken.stderr
    (tmp_path / "nvidia-smi").unlink()
    (tmp_path / "bin").mkdir()
    absent = run_with(None, tmp_path / "bin")
    assert (absent.returncode, absent.stdout, absent.stderr) == (0, "", "")
