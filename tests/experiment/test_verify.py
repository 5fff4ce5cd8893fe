"""A sanitizer comes after a plain check, which sees what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbench.errors import DeviceError
from kbench.experiment.sweep import verify
from kbench.intent.discover import load
from kbench.intent.method import Method
from kbench.intent.plan import Selection, make_plan

FAULTS = Path(__file__).parent.parent / "faults"


def test_verify_for_races_finds_an_overrun_too() -> None:
    kernels = [k for name in ("past_the_end", "good") for k in load(FAULTS / f"{name}.py")]
    plan = make_plan([Selection(kernel, {}) for kernel in kernels], Method(timeout_s=60.0), device="cpu")
    try:
        rows = {r.config.kernel: r for r in verify(plan, "cpu", mode="races")}
    except DeviceError as error:
        pytest.skip(str(error))
    assert {name: row.status for name, row in rows.items()} == {"past_the_end": "crashed", "good": "ok"}
    assert "bytes past the end of argument" in rows["past_the_end"].message
