"""Charts of counted bytes: only where somebody counted, with the factors written, and legible."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
import synthetic
from matplotlib.image import imread
from synthetic import GPU, NOTES
from synthetic_profiles import kept, ncu, of, one

from kbench.profiling.profile import Metric
from kbench.reading.charts.drawing import Chart
from kbench.reading.charts.gallery import gallery
from kbench.reading.charts.traffic import levels
from kbench.reading.problem import problems
from kbench.reading.profiled import Profiles
from kbench.record.store import Stored, StoredProfile

ROWS = synthetic.stored(synthetic.sweep())


def draw(rows: Sequence[Stored], profiles: Sequence[StoredProfile]) -> dict[str, Chart]:
    drawn = gallery(GPU, problems(rows, NOTES), NOTES, synthetic.roofs(), "", Profiles(profiles))
    return {chart.name: chart for chart in [*drawn.device, *(c for charts in drawn.kernels.values() for c in charts)]}


@pytest.fixture(scope="module")
def charts() -> dict[str, Chart]:
    return draw(ROWS, of(ROWS))


@pytest.fixture(scope="module")
def bare() -> dict[str, Chart]:
    return draw(ROWS, [])


def test_without_profiles_nothing_changes(bare: dict[str, Chart]) -> None:
    assert not [name for name in bare if name.endswith("-traffic")]
    assert "as counted" not in bare["roofline"].svg
    assert "Hollow" not in bare["working-set"].note


def test_profiles_of_another_source_make_no_chart() -> None:
    (row,) = synthetic.stored([one(flops=2**30)])
    found = draw([row], kept([ncu(row.result, source="another")]))
    assert "copy-traffic" not in found
    assert "as counted" not in found["roofline"].svg


def test_bars_tell_bytes_and_excess_of_each_level(charts: dict[str, Chart]) -> None:
    assert {name for name in charts if name.endswith("-traffic")} == {
        "copy-traffic", "transpose-traffic", "fma-traffic",
    }  # fmt: skip
    chart = charts["copy-traffic"]
    assert [entry.label for entry in chart.legend] == [
        "useful",
        "in whole sectors",
        "L2, as counted",
        "DRAM, as counted",
    ]
    assert "counted by ncu 2025.3.1" in chart.subtitle
    assert ">4.50x · 9 GiB<" in chart.svg
    assert "naive · threads 256 useful 1.00x, in whole sectors 1.00x, L2, as counted 4.50x" in chart.alt
    # No sectors are declared for a transpose here: no bar may stand for them.
    assert "in whole sectors" not in [entry.label for entry in charts["transpose-traffic"].legend]
    switched = set(re.findall(r'class="series" data-s="(\d+)"', chart.svg))
    assert switched == {"0", "1", "2", "3"}


def test_levels_are_what_was_declared_and_counted() -> None:
    (row,) = synthetic.stored([one()])
    known = levels(Profiles(kept([ncu(row.result, 2.0)])).of(row))
    assert {name: moved.total for name, moved in known.items()} == {
        "useful": 2**30, "in whole sectors": 2**30, "L2, as counted": 2**31,
        "DRAM, as counted": round(2**29 * 1.6 * 1.003) + round(2**29 * 1.5 * 0.991),
    }  # fmt: skip
    only_dram = msgspec.structs.replace(
        ncu(row.result), metrics=(Metric("dram_bytes_read", 1.0), Metric("dram_bytes_written", 2.0))
    )
    assert "L2, as counted" not in levels(Profiles(kept([only_dram])).of(row))


def test_what_stayed_in_l2_is_told() -> None:
    (row,) = synthetic.stored([one()])
    profile = ncu(row.result)
    metrics = tuple(Metric(m.name, m.value / 2) if m.name == "dram_bytes_written" else m for m in profile.metrics)
    (chart,) = (
        c for n, c in draw([row], kept([msgspec.structs.replace(profile, metrics=metrics)])).items() if "traffic" in n
    )
    assert "still lies in L2" in chart.note
    assert "still lies in L2" not in draw([row], kept([profile]))["copy-traffic"].note


def test_more_rows_than_fit_are_counted() -> None:
    rows = [row for row in ROWS if row.result.config.kernel == "copy" and row.result.status == "ok"]
    chart = draw(rows, kept([ncu(row.result) for row in rows]))["copy-traffic"]
    assert re.match(r"\d+ more are left out", chart.note)


def test_the_roofline_has_a_hollow_mark_at_the_counted_intensity(
    charts: dict[str, Chart], bare: dict[str, Chart]
) -> None:
    roofline = charts["roofline"]
    assert roofline.svg.count("<title>") - bare["roofline"].svg.count("<title>") == 5
    assert "hollow: per byte of DRAM as counted" in roofline.svg
    assert "5 of them also at their intensity over DRAM bytes as counted" in roofline.alt
    tips = [tip for tip in re.findall(r"<title>(.*?)</title>", roofline.svg, re.DOTALL) if "as counted" in tip]
    profiles = Profiles(of(ROWS))
    found = sorted(at for row in ROWS if (at := profiles.of(row).intensity))
    told = sorted(float(number) for tip in tips for number in re.findall(r"as counted: ([\d.]+)", tip))
    assert told == pytest.approx(found, rel=1e-3)


def test_bytes_of_kernels_that_compute_nothing_stand_beside_their_working_set() -> None:
    (row,) = synthetic.stored([one()])
    assert row.result.time_s
    chart = draw([row], kept([ncu(row.result, 3.0)]))["working-set"]
    counted = round(2**29 * 2.2 * 1.003) + round(2**29 * 2.0 * 0.991)
    (tip,) = [tip for tip in re.findall(r"<title>(.*?)</title>", chart.svg, re.DOTALL) if "as counted" in tip]
    (rate,) = re.findall(r"DRAM as counted: 2.09 GiB, ([\d.]+) GB/s", tip)
    assert float(rate) == pytest.approx(counted / row.result.time_s / 1e9, rel=1e-3)
    assert "Hollow" in chart.note


def test_pictures_are_not_cut(charts: dict[str, Chart]) -> None:
    for name in ("copy-traffic", "transpose-traffic", "fma-traffic", "roofline", "working-set"):
        pixels = imread(io.BytesIO(charts[name].png))[:, :, :3]
        frame = np.concatenate([pixels[:2].ravel(), pixels[-2:].ravel(), pixels[:, :2].ravel(), pixels[:, -2:].ravel()])
        assert frame.min() > 0.99, name
