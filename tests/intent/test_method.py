"""What a Method refuses, and what a preset stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kbench.errors import SuiteError
from kbench.intent.method import PRESETS, Method
from kbench.intent.suite import load_suite


@pytest.mark.parametrize(
    "wrong",
    [
        {"samples_min": 0}, {"samples_min": 300}, {"precision": 0.0}, {"precision": 1.0}, {"max_time_s": 0.0},
        {"timeout_s": -1.0}, {"processes": 0}, {"processes": 101}, {"preset": "quick"},
        {"seed": -1}, {"seed": 2**63},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(wrong)))):
        Method(**wrong)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_preset_changes_what_it_names_and_nothing_else(preset: str) -> None:
    method = Method(timeout_s=3.0, seed=7).of_preset(preset)
    assert (method.preset, method.timeout_s, method.seed) == (preset, 3.0, 7)
    assert all(getattr(method, name) == value for name, value in PRESETS[preset].items())


def suite(folder: Path, method: str) -> Method:
    path = folder / "s.toml"
    path.write_text(f'title = "t"\n[method]\n{method}\n[[run]]\nkernel = "copy"\n')
    return load_suite(path).method


def test_a_suite_may_name_a_preset_and_stand_above_it(tmp_path: Path) -> None:
    assert suite(tmp_path, 'preset = "fast"') == Method().of_preset("fast")
    assert suite(tmp_path, 'preset = "rigorous"\nprocesses = 3').processes == 3
    assert suite(tmp_path, 'preset = "rigorous"\nprocesses = 3').samples_min == PRESETS["rigorous"]["samples_min"]
    for wrong in ('preset = "quick"', "preset = [1]"):
        with pytest.raises(SuiteError):
            suite(tmp_path, wrong)
