"""Charts show the comparison that tells most, not the one that happens to come first."""

from __future__ import annotations

from itertools import product

import pytest
from synthetic import NOTES, Model, config, stored

from kbench.experiment.result import Result, Traffic
from kbench.reading.charts.slices import Facet, comparisons, curves
from kbench.reading.problem import Problem, problems

MODEL = Model()
RICH = ("naive", "uint4", "split", "bulk")


def row(*, variant: str, threads: int = 128, dtype: str = "float16", **axes: int | str) -> Result:
    nbytes = 2**15 * int(axes.get("pairs", 1)) * int(axes.get("layers", 1))
    return MODEL.ok(config("k", variant=variant, threads=threads, dtype=dtype, **axes), Traffic(nbytes, nbytes))


def pages() -> list[Result]:
    """One rich slice over pairs at 32 layers, and more layers with two variants only, as copy_blocks is swept."""
    rich = [
        row(layers=32, pairs=pairs, variant=variant, threads=threads)
        for pairs, variant, threads in product((1, 8, 64, 256), RICH, (64, 128, 256))
    ]
    poor = [
        row(layers=layers, pairs=pairs, variant=variant, dtype=dtype)
        for layers, pairs, variant, dtype in product(
            (1, 2, 4, 8, 16, 80), (1, 8, 64, 256), RICH[:2], ("float16", "float8_e4m3fn")
        )
    ]
    return rich + poor


def grouped(results: list[Result]) -> list[Problem]:
    return problems(stored(results), NOTES)


def test_the_slice_with_most_variants_leads_though_another_axis_has_more_values() -> None:
    first, second, *_ = curves(grouped(pages()))
    assert (first.size, first.label) == ("pairs", "dtype float16 · layers 32")
    assert {name: len(points) for name, points in first.points.items()} == dict.fromkeys(RICH, 4)
    assert second.size == "layers"  # then the best along the other axis, before any poorer slice along the same one


def test_the_problem_with_most_configurations_leads_and_of_equal_ones_the_largest() -> None:
    found = comparisons(grouped(pages()))
    assert [(p.axes["layers"], p.axes["pairs"]) for p in found[:4]] == [(32, 256), (32, 64), (32, 8), (32, 1)]
    assert {p.name for p in found} == {p.name for p in grouped(pages())}


def test_slices_that_differ_in_a_name_alone_stand_beside_each_other() -> None:
    rows = [
        row(tokens=tokens, heads=heads, slots=slots, variant=variant)
        for tokens, heads, slots, variant in product((1, 16, 256, 4096), (8, 16), ("near", "far"), RICH)
    ]
    found = curves(grouped(rows))
    assert [facet.size for facet in found[:2]] == ["tokens", "tokens"]
    assert {label for facet in found[:2] for label in facet.label.split(" · ") if label.startswith("slots")} == {
        "slots near", "slots far",
    }  # fmt: skip


def test_a_point_more_does_not_outweigh_a_variant() -> None:
    long = [row(pairs=2**i, layers=1, variant=v) for i, v in product(range(12), RICH[:2])]
    rich = [row(pairs=2**i, layers=2, variant=v) for i, v in product(range(3), RICH)]
    assert curves(grouped(long + rich))[0].label == "layers 2"


def test_two_sizes_are_no_curve_where_others_have_three() -> None:
    rows = [row(pairs=p, layers=layers, variant=v) for p, layers, v in product((1, 2, 4), (1, 2), RICH)]
    assert {facet.size for facet in curves(grouped(rows))} == {"pairs"}
    assert {facet.size for facet in curves(grouped([r for r in rows if r.config.axes["pairs"] == 1]))} == {"layers"}


@pytest.mark.parametrize(("cols", "size"), [((1000, 4000, 8000), "rows"), ((512, 512, 8000), None)])
def test_an_axis_follows_the_size_only_where_it_grows_with_it(cols: tuple[int, ...], size: str | None) -> None:
    shapes = zip((500, 4000, 8192), cols, strict=True)
    found: tuple[Facet, ...] = curves(grouped([row(rows=r, cols=c, variant="naive", pairs=r) for r, c in shapes]))
    sizes = {facet.size: facet.sizes for facet in found}
    assert max(sizes.values()) == (3 if size else 2)


def test_each_series_keeps_its_fastest_row_at_each_size() -> None:
    rows = [row(pairs=p, variant="uint4", threads=t) for p, t in product((1, 2, 4), (64, 128))]
    (facet,) = curves(grouped(rows))
    best = {p: min(r.time_s or 1 for r in rows if r.config.axes["pairs"] == p) for p in (1, 2, 4)}
    assert [row.result.time_s for _, row in facet.points["uint4"]] == list(best.values())
