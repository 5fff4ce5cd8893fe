"""Scattered rows are held against what whole sectors leave of the roof, beside the share in useful bytes."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from synthetic import GPU, Model, config, stored

from kbench.experiment.result import Result, Traffic
from kbench.reading import sectors
from kbench.reading.charts.gallery import gallery
from kbench.reading.export import export
from kbench.reading.problem import problems
from kbench.reading.report import write_report
from kbench.reading.table import tables
from kbench.reading.terminal import renderables

SMALL, LARGE = 2**16, 2**30


def scattered(useful: int, factor: float, variant: str = "gather", n: int = 1) -> Result:
    moved = int(useful * factor)
    traffic = Traffic(useful // 2, useful // 2, moved // 2, moved // 2)
    return Model().ok(config("write", ("variant",), n=n, variant=variant), traffic)


def test_bytes_that_are_merely_rounded_up_say_nothing() -> None:
    assert sectors.sector_bytes(scattered(LARGE, 1.0)) is None
    assert sectors.sector_bytes(scattered(100, 1.28)) is None
    assert sectors.of_roof(scattered(LARGE, 1.005)) is None
    assert sectors.sector_bytes(scattered(LARGE, 2.0)) == 2 * LARGE
    link = msgspec.structs.replace(scattered(LARGE, 2.0), traffic=Traffic(0, 0, 64, 64, bytes_h2d=LARGE))
    assert sectors.sector_bytes(link) is None


def test_further_bytes_take_their_time_at_the_peak() -> None:
    result = scattered(LARGE, 3.0)
    assert result.roof is not None
    assert GPU.peak_bytes_per_s is not None
    time_s = LARGE / result.roof.value + 2 * LARGE / GPU.peak_bytes_per_s
    assert sectors.reach(result) == pytest.approx(LARGE / time_s)
    assert sectors.of_roof(result) == pytest.approx(time_s / (result.time_s or 0))


def test_where_the_roof_is_latency_sectors_hardly_count() -> None:
    """At 64 KiB five times the sectors are not five times the time: a share above the roof would be nonsense."""
    result = scattered(SMALL, 5.0)
    assert result.roof is not None
    share = sectors.of_roof(result)
    assert share is not None
    assert result.of_roof is not None
    assert result.of_roof < share < 1.2 * result.of_roof


def test_the_terminal_shows_the_column_only_where_a_row_differs_and_explains_it_once() -> None:
    def printed(rows: list[Result]) -> str:
        text = io.StringIO()
        console = Console(file=text, width=150)
        for part in renderables(tables(stored(rows))):
            console.print(part)
        return text.getvalue()

    assert "sectors" not in printed([scattered(LARGE, 1.0)])
    text = printed([scattered(LARGE, 2.0), scattered(LARGE, 2.0, "naive"), scattered(LARGE, 1.0, n=2)])
    share = sectors.of_roof(scattered(LARGE, 2.0))
    assert share is not None
    assert text.count("% roof, sectors") == 1
    assert text.count("in sectors: memory moves whole 32-byte sectors") == 1


def test_report_and_exports_tell_both_shares(tmp_path: Path) -> None:
    rows = stored([scattered(LARGE, 2.0), scattered(LARGE, 2.0, "naive"), scattered(LARGE, 1.0, n=2)])
    best = sectors.of_roof(rows[1].result)
    assert best is not None
    page = write_report(rows, tmp_path).read_text(encoding="utf-8")
    data = re.search(r'id="rows">(.*?)</script>', page, re.DOTALL)
    assert data
    (column,) = [c for c in json.loads(data[1])["columns"] if c["title"] == "% roof, sectors"]
    shown = [column["values"][at] for at in column["at"]]
    assert f"{best * 100:.1f}" in shown
    assert "–" in shown
    assert 'class="fill moved"' in page
    assert page.count(" in sectors</span>") == 1  # of two problems one is scattered
    line = next(csv.DictReader(io.StringIO(export(rows, "csv"))))
    assert float(line["of_roof_sectors"]) == sectors.of_roof(rows[0].result)


def test_charts_draw_what_sectors_leave() -> None:
    rows = [scattered(2**e, 2.0, v, n=2**e) for e in (20, 25, 30) for v in ("naive", "gather")]
    found = gallery(GPU, problems(stored(rows)), {}, [])
    size, bars = found.kernels["write"][:2]
    assert "what whole sectors leave of it" in [entry.label for entry in size.legend]
    assert ">in sectors<" in bars.svg
    (working_set,) = found.device
    assert "whole 32-byte sectors" in working_set.note
