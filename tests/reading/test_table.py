"""Tables say everything a row must say, for people and for pipes."""

from __future__ import annotations

import io

import msgspec
import pytest
import synthetic
from rich.console import Console
from synthetic import CPU, GPU, NOTES, Model, config, stored

from kbench.experiment.result import Check, Result
from kbench.reading.export import flat
from kbench.reading.table import Tables, tables
from kbench.reading.terminal import renderables, tsv


def printed(found: Tables, width: int = 110) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width)
    for part in renderables(found, width):
        console.print(part)
    return text.getvalue()


def test_every_column_of_a_row() -> None:
    row = Model().ok(config("copy", n=4, variant="uint4", threads=256), synthetic.Traffic(2**28, 2**28, flops=2**27))
    (table,) = tables(stored([row])).tables
    cells = dict(zip((c.name for c in table.columns), table.rows[0].cells, strict=True))
    assert row.time_s is not None
    assert cells["variant"] == "uint4"
    assert cells["time"] == f"{row.time_s * 1e6:.1f} µs"
    assert cells["gbps"] == f"{2**29 / row.time_s / 1e9:.0f}"
    assert cells["gflops"] == f"{2**27 / row.time_s / 1e9:.0f}"
    assert cells["of_peak"] == f"{2**29 / row.time_s / 4.8e12 * 100:.1f}"
    assert row.roof is not None
    assert cells["of_roof"] == f"{2**29 / row.time_s / row.roof.value * 100:.1f}"
    assert (cells["clock"], cells["floor"], cells["samples"]) == ("events, cold", "3.500 µs", "40")
    assert (cells["registers"], cells["occupancy"], cells["check"], cells["tolerance"]) == ("32", "75", "✓", "bits")


def test_a_whole_sweep_on_a_terminal() -> None:
    text = printed(tables(stored(synthetic.sweep()), NOTES))
    assert "copy[dtype=float16,n=524288] on Model GPU" in text
    assert "best: stream" in text
    assert "x naive" in text
    assert "the baseline memcpy" in " ".join(text.split())
    assert "x per_page" in text
    assert "✗ tiled · threads 1024: incorrect y: 3 of 67108864 wrong" in text
    assert "2 skipped: rows must be a multiple of the tile (32)" in text
    assert "clock events, cold · floor 3.500 µs · samples 40 · tolerance bits" in text
    assert max(len(line) for line in text.splitlines()) <= 110


def test_two_clocks_in_a_problem_are_marked_and_told() -> None:
    rows = [Model().ok(config("copy", ("variant",), n=4, variant=v), synthetic.Traffic(2**28, 2**28)) for v in "ab"]
    assert rows[1].measurement is not None
    slow = msgspec.structs.replace(rows[1].measurement, clock="host")
    slow = msgspec.structs.replace(slow, summary=msgspec.structs.replace(slow.summary, center_s=1.0))
    found = tables(stored([rows[0], msgspec.structs.replace(rows[1], measurement=slow)]))
    at = [column.name for column in found.tables[0].columns].index("clock")
    assert [row.cells[at] for row in found.tables[0].rows] == ["events, cold", "host, cold †"]
    assert "† Two clocks" in printed(found)
    assert "†" not in printed(tables(stored(rows)))


def test_submit_and_completion_stand_apart() -> None:
    rows = list(synthetic.swap_blocks(Model()))
    text = printed(tables(stored([row for row in rows if row.config.axes["pages"] == 1000])), 150)
    assert "completion (HL)" in text
    assert "submit" in text
    assert "1.500 ms" in text  # per_page: 1000 calls of 1.5 us
    assert "completion" not in printed(tables(stored(list(synthetic.fma(Model())))))


def summarised(row: Result, floor_s: float = 1e-9, **summary: float | None) -> Result:
    assert row.measurement is not None
    changed = msgspec.structs.replace(row.measurement.summary, **summary)
    measured = msgspec.structs.replace(row.measurement, floor_s=floor_s, summary=changed)
    return msgspec.structs.replace(row, measurement=measured)


def cells_of(row: Result) -> dict[str, str]:
    (table,) = tables(stored([row])).tables
    return dict(zip((c.title for c in table.columns), table.rows[0].cells, strict=True))


ROW = Model().ok(config("copy", n=4, variant="uint4"), synthetic.Traffic(2**28, 2**28))


def test_the_interval_is_that_of_the_printed_time() -> None:
    """Of the centre; a row that an older kbench wrote has the median's in low and high, and the centre's precision."""
    row = summarised(ROW, center_s=4e-6, median_s=4e-6, low_s=3.96e-6, high_s=4.04e-6)
    assert (cells_of(row)["time (HL)"], cells_of(row)["±95 %"]) == ("4.000 µs", "±1.00 %")
    old = summarised(ROW, center_s=4e-6, median_s=4e-6, low_s=1e-6, high_s=2e-6, precision=0.02)
    assert cells_of(old)["±95 %"] == "±2.00 %"
    assert cells_of(summarised(ROW, n=5, low_s=1e-6, high_s=1e-6))["±95 %"] == "–"


def test_a_noisy_row_is_marked_and_the_headline_says_so() -> None:
    """Two modes: the median sits in one of them, the centre between them."""
    two_modes = summarised(ROW, center_s=4e-6, median_s=3e-6, low_s=3.9e-6, high_s=4.1e-6)
    wide = summarised(ROW, center_s=4e-6, median_s=4e-6, low_s=2e-6, high_s=6e-6)
    still = summarised(ROW, center_s=4e-6, median_s=4e-6, low_s=3.99e-6, high_s=4.01e-6)
    assert [cells_of(row)["±95 %"][-1] for row in (two_modes, wide, still)] == ["~", "~", "%"]
    other = summarised(
        Model().ok(config("copy", n=4, variant="stream"), synthetic.Traffic(2**28, 2**28)),
        center_s=5e-6, median_s=5e-6, low_s=4.9e-6, high_s=5.1e-6,
    )  # fmt: skip
    library = summarised(
        Model().ok(config("copy", ("variant",), n=4, variant="memcpy"), synthetic.Traffic(2**28, 2**28)),
        center_s=3e-6, median_s=3e-6, low_s=2.9e-6, high_s=3.1e-6,
    )  # fmt: skip
    text = " ".join(printed(tables(stored([wide, other, library]), NOTES)).split())
    assert "noisy (±50.00 %): 1 other may be as fast" in text
    assert "~ noisy:" in text
    assert "noisy" not in printed(tables(stored([still, other])))


def test_a_time_near_its_floor_is_marked() -> None:
    near, far = (summarised(ROW, floor_s, center_s=4e-6, median_s=4e-6) for floor_s in (2.7e-6, 2.6e-6))
    assert (cells_of(near)["time (HL)"], cells_of(far)["time (HL)"]) == ("4.000 µs ‡", "4.000 µs")
    assert "clock's floor" in printed(tables(stored([near])))
    assert "clock's floor" not in printed(tables(stored([far])))


def test_rows_that_declare_different_bytes_are_sorted_by_time_and_told() -> None:
    """Eighty times the bytes at twice the time is no better."""
    honest = summarised(ROW, center_s=4e-6, median_s=4e-6)
    greedy = Model().ok(config("copy", n=4, variant="stream"), synthetic.Traffic(80 * 2**28, 2**28))
    greedy = summarised(greedy, center_s=8e-6, median_s=8e-6)
    (table,) = tables(stored([greedy, honest])).tables
    assert [row.stored.result.config.axes["variant"] for row in table.rows] == ["uint4", "stream"]
    assert table.rows[0].best
    assert "declare the same bytes" in printed(tables(stored([greedy, honest])))
    assert "declare the same bytes" not in printed(tables(stored([honest])))


def test_each_output_has_its_own_tolerance() -> None:
    checks = (Check("y", True, "bits"), Check("z", True, "rtol 0.1, atol 0"))
    assert cells_of(msgspec.structs.replace(ROW, checks=checks))["tolerance"] == "y: bits; z: rtol 0.1, atol 0"
    same = (Check("y", True, "bits"), Check("z", True, "bits"))
    assert cells_of(msgspec.structs.replace(ROW, checks=same))["tolerance"] == "bits"


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_a_narrow_terminal_gets_fewer_columns_but_whole_numbers(width: int) -> None:
    found = tables(stored(list(synthetic.transpose(Model()))), NOTES)
    text = printed(found, width)
    assert "…" not in text.replace("nvrtc …", "")
    assert max(len(line) for line in text.splitlines()) <= width
    assert ("no room for: " in text) == (width < 100)
    for table in found.tables:
        for row in table.rows:
            if row.status == "ok":
                assert row.cells[[c.name for c in table.columns].index("time")] in text


def test_the_best_gains_nothing_over_itself() -> None:
    naive = Model().ok(config("copy", n=4, variant="naive"), synthetic.Traffic(2**28, 2**28), efficiency=4)
    assert "x naive" not in printed(tables(stored([naive, ROW])))


def test_a_hair_above_the_roof_is_the_roof() -> None:
    row = Model().ok(config("copy", n=4, variant="uint4"), synthetic.Traffic(2**28, 2**28))
    assert row.roof is not None
    assert row.achieved_bytes_per_s is not None
    for share, flag in ((1.015, False), (1.03, True)):
        roof = msgspec.structs.replace(row.roof, value=row.achieved_bytes_per_s / share)
        (one,) = stored([msgspec.structs.replace(row, roof=roof)])
        assert tables([one]).tables[0].rows[0].flagged is flag
        assert flat(one)["above_roof"] is flag


def test_above_the_roof_is_flagged_not_hidden() -> None:
    row = Model().ok(config("copy", n=4, variant="uint4"), synthetic.Traffic(2**28, 2**28))
    assert row.roof is not None
    row = msgspec.structs.replace(row, roof=msgspec.structs.replace(row.roof, value=row.roof.value / 2))
    found = tables(stored([row]))
    assert found.tables[0].rows[0].flagged
    text = printed(found)
    assert " !" in text
    assert "above its measured roof" in text


def test_cpu_rows_say_emulated_and_stay_apart() -> None:
    found = tables(stored([*synthetic.sweep(CPU), *synthetic.sweep(GPU)]), NOTES)
    for table in found.tables:
        assert len({row.stored.result.device.uid for row in table.rows}) == 1
        assert table.title.endswith("on cpu (emulated)" if table.problem.device.kind == "cpu" else "on Model GPU")


def test_problems_that_were_only_skipped_become_one_line() -> None:
    skipped: list[Result] = [
        Model(CPU).bad(config("copy", n=n, variant=v), "skipped", "1 GiB is above --max-bytes")
        for n in range(40)
        for v in "ab"
    ]
    found = tables(stored(skipped))
    assert found.tables == ()
    assert found.skipped == (("copy", 80, "1 GiB is above --max-bytes"),)
    assert printed(found) == "copy: 80 more skipped: 1 GiB is above --max-bytes\n"


def test_a_problem_with_failures_only_says_so() -> None:
    bad = Model().bad(config("copy", n=4, variant="[red]"), "build_failed", "copy.cu(3): error: [bold]x\nlog")
    text = printed(tables(stored([bad])))
    assert "none of 1 configurations gave a time" in text
    assert "✗ [red]: build failed copy.cu(3): error: [bold]x" in text


def test_tsv_is_one_rectangular_table() -> None:
    rows = stored(synthetic.sweep())
    lines = tsv(tables(rows, NOTES)).splitlines()
    header = lines[0].split("\t")
    body = [dict(zip(header, line.split("\t"), strict=True)) for line in lines[1:]]
    assert len(body) == len(rows)
    assert {"device", "kernel", "variant", "threads", "status", "time_s", "achieved_bytes_per_s", "message"} <= set(
        header
    )
    assert "of_roof_sectors" not in header  # nothing here is scattered
    assert all(any(line[name] for line in body) for name in header)
    by_key = {row.key: row.result for row in rows}
    for line in body:
        result = by_key[line["key"]]
        assert line["status"] == result.status
        assert (float(line["time_s"]) if line["time_s"] else None) == (result.time_s and float(f"{result.time_s:.7g}"))
    wrong = next(line for line in body if line["status"] == "build_failed")
    assert wrong["message"].endswith("reproduce with: nvrtc …")


def test_nothing_at_all() -> None:
    assert tables([]) == Tables((), ())
    assert tsv(tables([])).startswith("device\tkernel")
