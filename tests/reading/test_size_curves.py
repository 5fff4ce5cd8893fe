"""Which rows make a size curve, and how it is told: on a synthetic GPU of known latency and bandwidth."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import synthetic
from rich.console import Console

from kbench.experiment.result import Measurement, Result, Summary
from kbench.intent.traffic import Traffic
from kbench.reading.charts.gallery import gallery
from kbench.reading.collected import Rows
from kbench.reading.problem import problems
from kbench.reading.size_curves import SizeCurve, lines, size_curves, table
from kbench.record.store import Stored

LATENCY, BANDWIDTH = 2e-6, 4e12  # half of it at 8 MB


def row(seconds: float, traffic: Traffic, variant: str, **axes: int | str) -> Result:
    samples = (seconds,) * 20
    summary = Summary(seconds, seconds, seconds, seconds, seconds, seconds, 20)
    return Result(synthetic.config("copy", variant=variant, threads=128, **axes), "ok", synthetic.GPU, traffic=traffic,
                  measurement=Measurement("events", "cold", samples, (), 1e-6, summary))  # fmt: skip


def line(nbytes: float) -> float:
    return LATENCY + nbytes / BANDWIDTH


def sweep(time_s: Callable[[float], float] = line, powers: range = range(8, 21, 2), **axes: str) -> list[Stored]:
    """Tokens of 1 KiB each, read and written."""
    found = []
    for power in powers:
        tokens = 2**power
        traffic = Traffic(tokens * 512, tokens * 512, items={"tokens": tokens})
        for variant, factor in (("naive", 2.0), ("uint4", 1.0)):
            seconds = factor * time_s(traffic.useful_bytes)
            found.append(row(seconds, traffic, variant, pages=tokens // 16, tokens=tokens, **axes))
    return synthetic.stored(found)


def curves(rows: list[Stored]) -> list[SizeCurve]:
    return size_curves(problems(rows))


def test_every_variant_has_its_curve() -> None:
    found = {each.series: each for each in curves(sweep())}
    assert set(found) == {"naive", "uint4"}
    assert found["uint4"].curve.latency_s == pytest.approx(LATENCY)
    assert found["uint4"].curve.bytes_per_s == pytest.approx(BANDWIDTH)
    assert found["naive"].curve.bytes_per_s == pytest.approx(BANDWIDTH / 2)
    assert found["uint4"].curve.sizes == 7


def test_it_is_told_in_what_the_kernel_handles() -> None:
    (_, uint4) = curves(sweep())
    assert uint4.bound == "launch-bound below 7810 tokens (7.63 MiB)"


def test_axes_that_differ_make_curves_of_their_own() -> None:
    found = curves([*sweep(dtype="float16"), *sweep(dtype="float32")])
    assert sorted((each.label, each.series) for each in found) == [
        ("dtype float16", "naive"), ("dtype float16", "uint4"), ("dtype float32", "naive"), ("dtype float32", "uint4"),
    ]  # fmt: skip


def test_sizes_that_grow_together_make_one_curve() -> None:
    """pages and tokens grow together: the same problems are told once."""
    assert len(curves(sweep())) == 2


def test_what_the_sizes_do_not_reach_is_not_claimed() -> None:
    assert curves(sweep(powers=range(16, 26, 2)))[1].bound == "not launch-bound at any of these sizes"
    assert curves(sweep(powers=range(2, 10, 2)))[1].bound == "launch-bound at all of these sizes"


def test_no_curve_of_three_sizes_or_of_a_bad_fit() -> None:
    assert curves(sweep(powers=range(8, 13, 2))) == []
    assert curves(sweep(lambda nbytes: line(nbytes) * (0.3 if nbytes < 2**24 else 1.0))) == []


def test_printed_on_a_terminal_and_in_a_pipe() -> None:
    found = curves(sweep(dtype="float16"))
    text = io.StringIO()
    console = Console(file=text, width=150, color_system=None)
    for part in table(found):
        console.print(part)
    assert f"copy on {synthetic.GPU.label}: T = a + V/b over tokens" in text.getvalue()
    assert "4000 GB/s" in text.getvalue()
    assert "2.000 µs" in text.getvalue()
    assert "launch-bound below 7810 tokens (7.63 MiB)" in text.getvalue()
    piped = lines(found)
    assert len(piped) == 2
    assert all(each.startswith(f"# copy on {synthetic.GPU.label}") for each in piped)
    assert table([]) == lines([]) == []


def test_in_python_and_in_the_size_chart() -> None:
    rows = sweep()
    assert len(Rows(rows).curves) == 2
    assert "launch-bound below" in repr(Rows(rows))
    charts = gallery(synthetic.GPU, problems(rows), {}, []).kernels["copy"]
    drawn = [chart for chart in charts if "-size-" in chart.name]
    assert drawn
    assert "launch-bound below 7810 tokens (7.63 MiB)" in drawn[0].note
