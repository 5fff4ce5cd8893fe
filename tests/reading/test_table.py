"""Tables say everything a row must say, for people and for pipes."""

from __future__ import annotations

import io

import msgspec
import synthetic
from rich.console import Console
from synthetic import CPU, GPU, NOTES, Model, config, stored

from kbench.experiment.result import Result
from kbench.reading.table import Tables, tables
from kbench.reading.terminal import renderables, tsv


def printed(found: Tables, width: int = 110) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width)
    for part in renderables(found):
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


def test_the_interval_is_the_medians() -> None:
    row = Model().ok(config("copy", n=4, variant="uint4"), synthetic.Traffic(2**28, 2**28))
    assert row.measurement is not None
    summary = msgspec.structs.replace(row.measurement.summary, center_s=4e-6, median_s=2e-6, low_s=1e-6, high_s=3e-6)
    row = msgspec.structs.replace(row, measurement=msgspec.structs.replace(row.measurement, summary=summary))
    found = tables(stored([row]))
    cells = dict(zip((c.title for c in found.tables[0].columns), found.tables[0].rows[0].cells, strict=True))
    assert (cells["time (HL)"], cells["±95 % (median)"]) == ("4.000 µs", "±50.00 %")


def test_a_hair_above_the_roof_is_the_roof() -> None:
    row = Model().ok(config("copy", n=4, variant="uint4"), synthetic.Traffic(2**28, 2**28))
    assert row.roof is not None
    assert row.achieved_bytes_per_s is not None
    for share, flag in ((1.015, False), (1.03, True)):
        roof = msgspec.structs.replace(row.roof, value=row.achieved_bytes_per_s / share)
        assert tables(stored([msgspec.structs.replace(row, roof=roof)])).tables[0].rows[0].flagged is flag


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
