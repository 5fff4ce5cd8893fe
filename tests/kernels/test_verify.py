"""Every kernel x variant x data type at three shapes (one odd) on the cpu: three thread orders, guard pages, races."""

from __future__ import annotations

import msgspec
import pytest
from bundled import NAMES, suite

from kbench.experiment.protocol import Mode
from kbench.experiment.sweep import verify

# Shapes x data types x variants, counted by hand; nothing is skipped.
CASES = {
    "copy": 3 * 3 * 8,
    "copy_blocks": 3 * 2 * 5,
    "transpose": 3 * 2 * 5,
    "transpose_heads": 3 * 2 * 3 * 2,  # and two layouts
    "reshape_and_cache": 3 * 3 * 4,
    "swap_blocks": 2 * (2 * 4 + 2 * 3 + 3),  # directions; pinned, pageable, random host pages
    "fma": 3 * 2 * 2,
    "pipeline": 3 * 3,
}


def test_the_suite_holds_three_shapes_of_every_variant_and_type() -> None:
    configs = suite("verify").configs
    assert len(configs) == sum(CASES.values()) == 259
    shapes: dict[tuple[object, ...], set[str]] = {}
    for one in configs:
        axes = one.config.axes
        what = (one.config.kernel, axes["variant"], axes.get("dtype"), axes.get("direction"), axes.get("layout"))
        shapes.setdefault(what, set()).add(one.config.problem)
    # A batched copy of pageable memory, say, has its three shapes across kinds of memory.
    assert min(len(problems) for problems in shapes.values()) >= 3


@pytest.mark.parametrize("mode", ["verify", "races"])
@pytest.mark.parametrize("name", NAMES)
def test_every_case_holds(name: str, mode: Mode, capsys: pytest.CaptureFixture[str]) -> None:
    plan = suite("verify", "cpu")
    plan = type(plan)(tuple(p for p in plan.configs if p.config.kernel == name), plan.method, plan.title)
    results = list(verify(plan, "cpu", mode=mode, method=msgspec.structs.replace(plan.method, timeout_s=120.0)))
    assert not [(r.config.id, r.status, r.message) for r in results if r.status != "ok"]
    assert len(results) == CASES[name]
    with capsys.disabled():
        print(f" [{name}: {len(results)} cases, {mode}] ", end="")
