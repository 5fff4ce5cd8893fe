"""Whatever is neither output nor scratch must be as it was after a checked launch: named by its argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kbench.errors import SpecError
from kbench.intent.op import Call, Copy, Op
from kbench.machine.cpu.device import CpuDevice
from kbench.machine.cuda.difference import first_difference

N = 64


def after(steps: list[Any], out: Any, scratch: Any = ()) -> str | None:
    op = Op(steps=steps, outputs={"y": (out, out)}, scratch=scratch, bytes_written=4)
    bound = CpuDevice().bind(op, [None] * len(steps))
    try:
        bound.restore({"y": True})
        bound.run()
        return bound.changed()
    finally:
        bound.close()


def overwrite(y: Any, x: Any) -> None:
    y[...] = 2 * x
    x[3] += 1


def test_an_input_that_a_step_changes_is_named() -> None:
    x, y = np.arange(N, dtype=np.float32), np.zeros(N, np.float32)
    assert after([Call(lambda y, x: np.copyto(y, x), (y, x))], y) is None
    words = after([Call(overwrite, (y, x))], y)
    assert words is not None
    assert words.startswith(
        "argument 1 (float32[64]): changed by the kernel, but it is no output: declare it in outputs"
    )


def test_scratch_may_be_changed_and_must_be_an_argument() -> None:
    x, y, between = (np.arange(N, dtype=np.float32) for _ in range(3))
    steps = [Copy(between, x), Call(lambda y, b: np.copyto(y, b + 1), (y, between))]
    assert after(steps, y, scratch=(between,)) is None
    assert (after([Copy(between, -x), steps[1]], y) or "").startswith("step 0, destination of copy 0: changed")
    with pytest.raises(SpecError, match="scratch names an array that is not an argument"):
        after(steps, y, scratch=(between, np.zeros(3)))


def test_the_rest_of_an_allocation_is_watched_beside_its_output() -> None:
    whole = np.arange(2 * N, dtype=np.float32)
    y, x = whole[:N], whole[N:]
    assert after([Call(lambda y, x: np.copyto(y, x), (y, x))], y) is None
    assert (after([Call(overwrite, (y, x))], y) or "").startswith("argument 1 (float32[64]): changed")


def test_the_first_different_byte_is_found_across_chunks() -> None:
    a = np.zeros(40 * 2**20, np.uint8)
    b = a.copy()
    assert first_difference(a.ctypes.data, b.ctypes.data, a.nbytes, on_host=True) is None
    b[33 * 2**20 + 7] = 1
    assert first_difference(a.ctypes.data, b.ctypes.data, a.nbytes, on_host=True) == 33 * 2**20 + 7
