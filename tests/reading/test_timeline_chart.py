"""The picture of a timeline: lanes, colours by kind, the overlap in the title, what a pointer is told."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from kbench.intent.config import Config
from kbench.machine.device import DeviceInfo
from kbench.machine.span import Span
from kbench.profiling.profile import Profile
from kbench.reading.charts.style import applied
from kbench.reading.charts.timeline import timeline_chart

GPU = DeviceInfo(kind="cuda", name="a GPU", label="a GPU", uid="GPU-1", arch="sm_90")
SPANS = (
    Span("call", "cuLaunchKernel", "host", 0, 2e-6, correlation=1),
    Span("copy", "copy h2d", "stream 2", 1e-6, 2.5e-6, 4096, "h2d"),
    *(
        Span("kernel", "fma_vector<float, 64>", "stream 0", (4 + 10 * i) * 1e-6, (13 + 10 * i) * 1e-6)
        for i in range(10)
    ),
    Span("copy", "copy d2h", "stream 1", 4e-6, 84e-6, 1 << 22, "d2h"),
    Span("fill", "fill", "stream 1", 90e-6, 92e-6, 64),
    Span("wait", "waits for a stream", "host", 3e-6, 103e-6),
)


def drawn(**changes: Any) -> Any:
    profile = Profile(Config("pipeline", {"streams": 3}), GPU, "cupti", spans=SPANS)
    with applied():
        return timeline_chart(msgspec.structs.replace(profile, **changes), "pipeline.1234abcd", "streams 3")


def test_the_title_says_the_overlap_and_the_subtitle_where_it_is_from() -> None:
    chart = drawn()
    assert chart.title == "pipeline: copies and kernels overlapped: 88 %"  # 72 of 81.5 us
    for words in ("streams 3", "a GPU", "recorded by CUPTI", "102.0 µs", "busy 97.5 %", "largest gap 1.500 µs"):
        assert words in chart.subtitle
    assert "88 %" in chart.alt
    assert chart.png.startswith(b"\x89PNG")


def test_every_kind_is_a_series_that_is_told_apart_and_every_lane_a_row() -> None:
    chart = drawn()
    labels = {entry.label: entry.look.colour for entry in chart.legend}
    assert list(labels) == [
        "kernel", "copy to the GPU", "copy to the host", "fill", "call of the host", "copy and kernel at once",
    ]  # fmt: skip
    assert len(set(labels.values())) == len(labels)
    ticks = re.findall(r">(host|stream \d)<", chart.svg)
    assert ticks == ["host", "stream 0", "stream 1", "stream 2"]
    assert set(re.findall(r'class="series" data-s="(\d+)"', chart.svg)) == set("012345")
    assert "<title>copy d2h, 80.00 µs, 4 MiB, 52.43 GB/s</title>" in chart.svg
    assert "copy d2h</" in chart.svg.replace("\n", ""), "the long copy's name fits into its bar"


@pytest.mark.parametrize("kind", ["kernel", "copy"])
def test_without_overlap_there_is_no_strip(kind: str) -> None:
    chart = drawn(spans=tuple(s for s in SPANS if s.kind == kind))
    assert "copy and kernel at once" not in {entry.label for entry in chart.legend}
    assert chart.title.endswith("nothing copied" if kind == "kernel" else "no kernels beside copies")


def test_an_emulated_timeline_claims_no_overlap() -> None:
    cpu = DeviceInfo(kind="cpu", name="cpu", label="cpu (emulated)", uid="c", arch="x86_64")
    chart = drawn(device=cpu, tool="host")
    assert chart.title == "pipeline: its steps, one after the other"
    assert "cpu (emulated)" in chart.subtitle
    assert "%" not in chart.subtitle


def test_no_work_is_no_picture() -> None:
    assert drawn(spans=()) is None
    assert drawn(spans=SPANS[:1]) is None
