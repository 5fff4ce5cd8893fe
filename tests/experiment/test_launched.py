"""What a result says of how its kernel was launched."""

from __future__ import annotations

from bundled import catalog, planned

from kbench.experiment.job import launched
from kbench.experiment.result import Launched
from kbench.intent.op import Op
from kbench.intent.shapes import ShapeRng, ShapeXp


def op(kernel: str, **axes: object) -> Op:
    first = next(p for p in planned(kernel, axes) if p.status == "ok")
    return catalog().kernels[kernel].op(ShapeXp(), ShapeRng(), first.config)


def test_one_kernel() -> None:
    one = op("copy", nbytes="1MiB", dtype="float32", variant="float4", threads=256, shared_bytes=512)
    assert launched(one) == Launched(256, 256, 512, 1, 0)


def test_a_grid_of_three_dimensions_is_its_product() -> None:
    one = op("copy_blocks", pairs=4, layers=2, dtype="float16", variant="split", threads=128, loads=1)
    first = one.steps[0]
    assert launched(one) == Launched(32768 // 2048 * 4 * 4, 128)
    assert len(first.grid) == 3  # type: ignore[union-attr,arg-type]


def test_kernels_and_copies_are_counted() -> None:
    staged = op("swap_blocks", pages=10, variant="staged", memory="pinned", page_bytes="16KiB", direction="h2d")
    assert launched(staged) == Launched(10, 512, 0, 1, 1)
    assert launched(op("copy", nbytes="1MiB", dtype="float32", variant="memcpy")) is None
