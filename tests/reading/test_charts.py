"""Charts draw every series they name, keep devices apart and stay legible whatever they are given."""

from __future__ import annotations

import io
import re
import struct
from itertools import product
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
import synthetic
from matplotlib.image import imread
from synthetic import CPU, GPU, NOTES, Model, Traffic, config, stored

from kbench.experiment.result import Result
from kbench.reading.charts.ceilings import ceilings
from kbench.reading.charts.drawing import Chart, is_ours
from kbench.reading.charts.gallery import Gallery, gallery
from kbench.reading.charts.style import COLOURS, MARKER_PATHS, MARKERS, look
from kbench.reading.charts.view import views
from kbench.reading.problem import problems


def draw(results: list[Result], prefix: str = "") -> Gallery:
    device = results[0].device
    return gallery(device, problems(stored(results), NOTES), NOTES, synthetic.roofs(device), prefix)


def every(found: Gallery) -> list[Chart]:
    return [*found.device, *(chart for charts in found.kernels.values() for chart in charts)]


@pytest.fixture(scope="module")
def whole() -> Gallery:
    return draw(synthetic.sweep())


def named(found: Gallery, name: str) -> Chart:
    return next(chart for chart in every(found) if chart.name == name)


def test_a_sweep_gives_every_kind_of_chart(whole: Gallery) -> None:
    assert [chart.name for chart in whole.device] == ["roofline", "working-set"]
    assert [chart.name for chart in whole.kernels["copy"]] == [
        "copy-size-1", "copy-size-2", "copy-variants-1", "copy-variants-2", "copy-variants-3", "copy-heat",
    ]  # fmt: skip
    assert [chart.name for chart in whole.kernels["swap_blocks"]][-2:] == [
        "swap_blocks-submit-1",
        "swap_blocks-submit-2",
    ]
    names = [chart.name for chart in every(whole)]
    assert len(names) == len(set(names))


def test_svg_is_well_formed_small_and_without_addresses(whole: Gallery) -> None:
    for chart in every(whole):
        svg = chart.svg.replace("xlink:href", "href").replace("&nbsp;", " ")
        root = ElementTree.fromstring(svg)
        assert root.tag == "svg"
        assert len(chart.svg) < 60_000
        assert "http" not in chart.svg
        assert set(re.findall(r'href="(.)', svg)) <= {"#"}
        ids = [part.get("id") for part in root.iter() if part.get("id")]
        assert len(ids) == len(set(ids))
        assert all(str(name).startswith(f"{chart.name}-") for name in ids)
        assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg)) <= {(i, "") for i in ids} | {
            ("", i) for i in ids
        }


def test_values_are_written_as_they_were_rounded(whole: Gallery) -> None:
    model = Model()
    rows = [model.ok(config("t", ("variant",), n=4, variant=v), Traffic(2**18, 2**18)) for v in ("naive", "uint4")]
    rates = [r.achieved_bytes_per_s / 1e9 for r in rows if r.achieved_bytes_per_s]
    (bars,) = [c for c in every(draw(rows)) if c.name == "t-variants-1"]
    assert all(f">{rate:.1f}" in bars.svg for rate in rates)


def test_every_legend_entry_has_marks_to_switch(whole: Gallery) -> None:
    for chart in every(whole):
        drawn = set(re.findall(r'class="series" data-s="(\d+)"', chart.svg))
        assert drawn == {str(entry.series) for entry in chart.legend if entry.series is not None}


def test_points_tell_what_was_measured(whole: Gallery) -> None:
    chart = named(whole, "copy-size-1")
    tips = re.findall(r"<title>(.*?)</title>", chart.svg, re.DOTALL)
    assert len(tips) == 5 * 6  # variants x sizes
    assert all(" GB/s" in tip and "% of roof" in tip and "% of peak" in tip for tip in tips)


def test_hits_sit_on_the_drawn_markers(whole: Gallery) -> None:
    svg = named(whole, "fma-size-1").svg
    hits = {(round(float(x)), round(float(y))) for x, y in re.findall(r'class="hit" cx="([\d.]+)" cy="([\d.]+)"', svg)}
    markers = {
        (round(float(x)), round(float(y)))
        for x, y in re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)" style="[^"]*--s', svg)
    }
    assert hits
    assert all(any(abs(hx - x) <= 1 and abs(hy - y) <= 1 for x, y in markers) for hx, hy in hits)


def test_charts_name_device_clock_units_and_both_roofs(whole: Gallery) -> None:
    for chart in every(whole):
        assert "Model GPU" in chart.subtitle
        assert "clock events, cold" in chart.subtitle
        assert re.search(r"GB/s|flop/s|[mµ]?s; full colour", chart.svg)
    assert "theoretical peak 4800" in named(whole, "copy-size-1").svg
    assert "measured roof (copy)" in [entry.label for entry in named(whole, "copy-size-1").legend]
    transfer = named(whole, "swap_blocks-size-1")
    assert "measured roof (d2h)" in [entry.label for entry in transfer.legend]
    assert "theoretical peak" not in transfer.svg
    roofline = named(whole, "roofline").svg
    assert all(words in roofline for words in ("DRAM, measured", "L2, measured", "fp32: 59 T", "fp16: 118 T", ">k 16<"))
    working_set = named(whole, "working-set").svg
    assert all(words in working_set for words in ("DRAM copy, measured", "L2 copy, measured 9100", "L2: 60 MiB"))


def test_pngs_stand_alone(whole: Gallery) -> None:
    for chart in every(whole):
        assert is_ours(chart.png)
        width, height = struct.unpack(">II", chart.png[16:24])
        assert width == 748
        assert 250 < height < 900
        pixels = imread(io.BytesIO(chart.png))[:, :, :3]
        assert 0.005 < float(np.mean(pixels.min(axis=2) < 0.95)) < 0.8
        frame = np.concatenate([pixels[:2].ravel(), pixels[-2:].ravel(), pixels[:, :2].ravel(), pixels[:, -2:].ravel()])
        assert frame.min() > 0.99, f"{chart.name} is clipped at its edge"


def test_a_long_subtitle_is_wrapped_and_not_cut() -> None:
    axes = {"direction": "device_to_host", "host_order": "consecutive", "memory": "pinned", "page_bytes": 2**17}
    rows = [
        Model().ok(config("swap_the_blocks", ("variant",), variant=v, pages=1000, **axes), Traffic(2**28, 2**28))
        for v in ("naive", "uint4")
    ]
    for chart in every(draw(rows)):
        pixels = imread(io.BytesIO(chart.png))[:, :, :3]
        assert pixels[:, -2:].min() > 0.99, f"{chart.name} is cut at the right"
    (bars,) = draw(rows).kernels["swap_the_blocks"]
    assert len(bars.subtitle) > 100
    assert f"0 {(0.62 + 0.15) * 72:g} " in bars.svg  # the page's own drawing begins below both lines


def test_matplotlib_settings_are_left_alone() -> None:
    before = dict(mpl.rcParams)
    draw(synthetic.sweep())
    assert dict(mpl.rcParams) == before


def test_forty_configurations_stay_legible_and_say_what_is_left_out() -> None:
    model = Model()
    rows = [
        model.ok(
            config("scale", ("threads", "vec"), n=n, threads=t, vec=v),
            Traffic(4 * n, 4 * n),
            efficiency=1 - t * v / 9e4,
        )
        for n, t, v in product((2**20, 2**24, 2**28), (32, 64, 128, 192, 256, 384, 512, 1024), (1, 2, 4, 8, 16))
    ]
    size, bars, heat = draw(rows).kernels["scale"]
    series = [entry for entry in size.legend if entry.series is not None]
    assert len(series) == 10
    assert len({(entry.look.colour, str(entry.look.dash)) for entry in series}) == 10
    assert size.note == "30 slower series of 40 are left out; the table has them."
    assert bars.note.startswith("26 slower configurations are left out")
    assert len(re.findall("<title>", heat.svg)) == 40
    assert {entry.label for entry in size.legend} >= {"threads 32 · vec 1", "threads 32 · vec 2"}


def test_thirty_looks_are_all_different() -> None:
    looks = [look(index) for index in range(30)]
    assert len({(one.colour, one.marker, str(one.dash)) for one in looks}) == 30
    assert set(MARKERS) == set(MARKER_PATHS)
    assert len(set(COLOURS)) == 10


def test_axes_that_follow_the_size_make_no_charts_of_their_own() -> None:
    (view,) = views(problems(stored(list(synthetic.transpose(Model()))), NOTES), NOTES)
    (facet,) = view.facets
    assert facet.size in ("rows", "cols")


def test_without_a_curve_along_an_axis_the_size_is_the_useful_bytes() -> None:
    model = Model()
    shapes = ((1024, 512), (512, 4096), (4096, 8192))
    rows = [
        model.ok(config("t", ("variant",), rows=r, cols=c, variant="naive"), Traffic(r * c, r * c)) for r, c in shapes
    ]
    (view,) = views(problems(stored(rows)), {})
    (facet,) = view.facets
    assert facet.size is None
    assert facet.sizes == 3


def test_one_row_or_failures_only_make_no_empty_charts() -> None:
    model = Model()
    lone = draw([model.ok(config("lonely", (), n=4), Traffic(2**26, 2**26))])
    assert lone.kernels["lonely"] == ()
    assert [chart.name for chart in lone.device] == ["working-set"]
    assert every(draw([model.bad(config("broken", ("variant",), n=4, variant="a"), "crashed", "x")])) == []


def test_the_prefix_begins_every_name() -> None:
    assert all(chart.name.startswith("cpu-2-") for chart in every(draw(synthetic.sweep(CPU), "cpu-2-")))


def test_a_cpu_has_no_dram_roof_by_that_name() -> None:
    found = draw(synthetic.sweep(CPU))
    assert "host memory, measured" in named(found, "roofline").svg
    assert all("cpu (emulated)" in chart.subtitle for chart in every(found))
    assert all("theoretical peak" not in chart.svg for chart in every(found))


def test_ceilings_are_picked_by_cache_state_and_size() -> None:
    found = ceilings(GPU, [], synthetic.roofs())
    assert (found.dram, found.l2) == (4.25e12, 9.1e12)
    assert found.flops == (("fp32", 5.9e13), ("fp16", 1.18e14))
    assert ceilings(GPU, [], []).dram is None


def test_a_kernel_alone_has_the_same_colours_in_every_chart() -> None:
    found = draw(list(synthetic.fma(Model())))
    looks: dict[str, set[object]] = {}
    for chart in every(found):
        for entry in chart.legend:
            if entry.series is not None:
                looks.setdefault(entry.label.removeprefix("fma "), set()).add(entry.look)
    assert {"naive", "vectorised"} <= set(looks)
    assert all(len(found) == 1 for found in looks.values())


def test_the_memory_s_ceiling_is_drawn_however_far_below_it_a_kernel_is() -> None:
    """An emulated kernel: a hundred times slower than the host's memory, and no arithmetic ceiling."""
    model = Model(CPU)
    rows = [model.ok(config("fma", n=n, variant="naive"), Traffic(4 * n, 4 * n, flops=2 * n), efficiency=1e-3)
            for n in (2**16, 2**20)]  # fmt: skip
    assert "host memory, measured" in named(draw(rows), "roofline").svg
