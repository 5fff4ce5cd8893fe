"""The experiment floor on a real GPU: outputs are compared there, roofs are measured, time-outs end hung kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from kbench.experiment.check import compare, reference_of
from kbench.experiment.engine import Engine
from kbench.experiment.result import Roof
from kbench.experiment.roofs import FLOPS, LINKS, MIXES, Point, Roofs
from kbench.experiment.survey import measure
from kbench.intent.op import Out
from kbench.machine.device import POISON

pytestmark = pytest.mark.gpu
MIB = 2**20
DTYPES = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int64", "int32", "uint8")


def arrays(dtype: str) -> tuple[Any, Any, str | None]:
    """An expected output, and one that has a few wrong elements, NaNs in the same places and some poison."""
    rng = np.random.default_rng(1)
    if dtype.startswith("float8"):
        expected: Any = rng.integers(0, 256, (40, 30)).astype(np.uint8)
        wrong = np.where(rng.random(expected.shape) < 0.1, expected ^ 0x11, expected).astype(np.uint8)
    else:
        kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
        expected = (rng.standard_normal((40, 30)) * 50).astype(kind)
        if "float" in dtype:
            expected[3, :5] = [np.nan, np.inf, -np.inf, 0, -0.0]
        wrong = expected.copy()
        wrong[rng.random(expected.shape) < 0.1] += np.asarray(3).astype(kind)
    wrong[30] = np.full(expected[30].nbytes, POISON, np.uint8).view(expected.dtype)
    return expected, wrong, dtype if dtype.startswith("float8") else None


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_verdict_is_the_same_on_the_gpu_and_on_the_host(dtype: str, exact: bool) -> None:
    import cupy

    expected, wrong, logical = arrays(dtype)
    for got in (expected, wrong):
        verdicts = []
        for xp in (np, cupy):
            out = Out(xp.zeros_like(xp.asarray(expected)), xp.asarray(expected), exact=exact, dtype=logical)
            verdicts.append(compare("y", out, xp.asarray(got), reference_of("y", out, xp), xp))
        assert verdicts[0] == verdicts[1]
        assert verdicts[0].ok == (got is expected)


def test_roofs_lie_below_the_theoretical_peak(tmp_path: Path) -> None:
    points = [Point(kind, 256 * MIB, "auto", "cold") for kind in (*MIXES, *LINKS)]
    points += [Point(kind, 0, "auto", "cold") for kind in FLOPS]
    with Engine("cuda:0") as engine:
        info = engine.info
        made = Roofs(info, path=tmp_path / "roofs.json")
        found = {r.kind if isinstance(r, Roof) else r: r for r in measure(engine, points, made)}
        latencies = engine.latencies()
    assert set(found) == {p.kind for p in points}
    roofs = {kind: roof for kind, roof in found.items() if isinstance(roof, Roof)}
    peak = info.peak_bytes_per_s
    for kind in MIXES:
        assert peak is None or 0.5 * peak < roofs[kind].value < peak
    assert roofs["copy"].value < roofs["read"].value
    assert roofs["h2d pageable"].value <= 1.05 * roofs["h2d"].value < roofs["copy"].value / 5
    assert roofs["fp16"].value > 1.5 * roofs["fp32"].value
    assert all(1e-7 < roof.value < 1e-3 for roof in latencies)
