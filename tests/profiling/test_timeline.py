"""Busy, idle, gaps and overlap against brute force, nanosecond by nanosecond."""

from __future__ import annotations

import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbench.machine.span import Span
from kbench.profiling.metrics import KINDS
from kbench.profiling.timeline import common, lanes_of, length, metrics_of, overlap_words, timeline, union

NS = 1e-9
LAST = 60

intervals = st.lists(
    st.tuples(st.integers(0, LAST), st.integers(0, LAST)).map(lambda pair: (float(min(pair)), float(max(pair)))),
    max_size=12,
)
spans = st.lists(
    st.builds(
        lambda kind, lane, ends: Span(kind, "x", f"stream {lane}", min(ends) * NS, max(ends) * NS),
        st.sampled_from(["kernel", "copy", "fill", "call", "wait", "range"]),
        st.integers(0, 2),
        st.tuples(st.integers(0, LAST), st.integers(0, LAST)),
    ),
    max_size=12,
)


def ticks(found: list[tuple[float, float]]) -> set[int]:
    """The whole units that intervals with whole ends cover."""
    return {tick for start, end in found for tick in range(round(start), round(end))}


def ticks_of(found: list[Span], *kinds: str) -> set[int]:
    return ticks([(s.start_s / NS, s.end_s / NS) for s in found if s.kind in kinds])


@given(intervals)
def test_a_union_covers_what_its_intervals_cover_and_is_disjoint(given: list[tuple[float, float]]) -> None:
    found = union(given)
    assert ticks(found) == ticks(given)
    assert length(found) == len(ticks(given))
    assert all(a[1] < b[0] for a, b in pairwise(found)), "in order, and those that touch are one"
    assert union(found) == found


@given(intervals, intervals)
def test_common_is_what_both_cover(a: list[tuple[float, float]], b: list[tuple[float, float]]) -> None:
    found = common(union(a), union(b))
    assert ticks(found) == ticks(a) & ticks(b)
    assert length(found) == len(ticks(a) & ticks(b))
    assert found == common(union(b), union(a))


@given(spans)
def test_a_timeline_counts_what_counting_nanoseconds_gives(given: list[Span]) -> None:
    found = timeline(given)
    work = [s for s in given if s.kind in ("kernel", "copy", "fill")]
    kernels, copies = ticks_of(given, "kernel"), ticks_of(given, "copy")
    whole = ticks_of(given, "kernel", "copy", "fill")
    time = max((s.end_s for s in work), default=0) - min((s.start_s for s in work), default=0)
    assert found.time_s == pytest.approx(time)
    assert found.busy_s / NS == pytest.approx(len(whole))
    assert found.kernel_s / NS == pytest.approx(len(kernels))
    assert found.copy_s / NS == pytest.approx(len(copies))
    assert found.both_s / NS == pytest.approx(len(kernels & copies))
    assert found.idle_s / NS == pytest.approx(time / NS - len(whole), abs=1e-6)
    first, last = min(whole, default=0), max(whole, default=0)
    idle = "".join("." if tick in whole else "_" for tick in range(first, last)).split(".")
    assert found.largest_gap_s / NS == pytest.approx(max(map(len, idle)), abs=1e-6)
    if copies:
        assert found.copies_hidden == pytest.approx(len(kernels & copies) / len(copies))
    else:
        assert found.copies_hidden is None
    assert {lane.name: lane.pieces for lane in found.lanes} == {
        name: sum(s.lane == name for s in work) for name in lanes_of(work)
    }
    for lane in found.lanes:
        mine = [s for s in work if s.lane == lane.name]
        assert lane.busy_s / NS == pytest.approx(len(ticks_of(mine, "kernel", "copy", "fill")))
        assert [g / NS for g in lane.gaps_s] == pytest.approx(gaps_by_hand(mine), abs=1e-6)


def gaps_by_hand(mine: list[Span]) -> list[float]:
    """For each piece but the first: how far back the nearest end of all earlier ones lies, 0 where one still runs."""
    ordered = sorted(mine, key=lambda s: s.start_s)
    found = []
    for index, span in enumerate(ordered[1:], 1):
        last = max(s.end_s for s in ordered[:index])
        found.append(max(0.0, span.start_s - last) / NS)
    return found


def span(kind: str, lane: int, start: float, end: float) -> Span:
    return Span(kind, kind, f"stream {lane}", start * 1e-6, end * 1e-6)  # type: ignore[arg-type]


SERIAL = [span("copy", 0, 0, 10), span("kernel", 0, 12, 20), span("copy", 0, 20, 30), span("kernel", 0, 34, 40)]
BESIDE = [span("kernel", 0, 0, 20), span("copy", 1, 4, 24), span("call", 9, -5, 90)]


def test_one_stream_hides_nothing() -> None:
    found = timeline(SERIAL)
    assert found.copies_hidden == found.kernels_hidden == 0
    assert found.time_s == pytest.approx(40e-6)
    assert found.idle_s == pytest.approx(6e-6)
    assert found.gap_s == pytest.approx(2e-6), "of 2, 0 and 4"
    assert found.largest_gap_s == pytest.approx(4e-6)
    assert [lane.gaps_s for lane in found.lanes] == [pytest.approx((2e-6, 0, 4e-6))]
    assert overlap_words(found) == "copies and kernels overlapped: 0 %"


def test_two_streams_hide_what_runs_side_by_side_and_calls_are_no_work() -> None:
    found = timeline(BESIDE)
    assert found.time_s == pytest.approx(24e-6)
    assert found.copies_hidden == pytest.approx(16 / 20)
    assert found.kernels_hidden == pytest.approx(16 / 20)
    assert found.busy_share == 1
    assert found.gap_s is None, "one piece a stream"
    assert found.largest_gap_s == 0
    assert overlap_words(found) == "copies and kernels overlapped: 80 %"


def test_metrics_are_of_known_kinds_and_leave_out_what_there_is_none_of() -> None:
    found = {metric.name: metric.value for metric in metrics_of(timeline(SERIAL))}
    assert set(found) == {
        "duration_s", "busy_share", "overlap_share", "kernel_overlap_share", "gap_s", "largest_gap_s",
    }  # fmt: skip
    assert set(found) <= set(KINDS)
    assert found["busy_share"] == pytest.approx(34 / 40)
    assert statistics.median([2e-6, 0, 4e-6]) == pytest.approx(found["gap_s"])
    only_kernel = {metric.name for metric in metrics_of(timeline([span("kernel", 0, 0, 5)]))}
    assert only_kernel == {"duration_s", "busy_share", "kernel_overlap_share", "largest_gap_s"}
    assert metrics_of(timeline([])) == ()
    assert overlap_words(timeline([])) == "nothing copied"
    assert overlap_words(timeline([span("copy", 0, 0, 5)])) == "no kernels beside copies"


def test_lanes_are_in_the_order_of_their_numbers() -> None:
    found = [Span("call", "x", name, 0, 1) for name in ("stream 10", "host", "stream 2", "stream 1")]
    assert lanes_of(found) == ["host", "stream 1", "stream 2", "stream 10"]
