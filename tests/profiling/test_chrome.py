"""Traces against the Trace Event Format's own rules, and back again."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbench.errors import UsageError
from kbench.machine.span import Span
from kbench.profiling.chrome import decoded, document, encoded

spans = st.lists(
    st.builds(
        lambda kind, lane, ends, nbytes, correlation: Span(
            kind, 'a "name" <b>', lane, min(ends) * 1e-9, max(ends) * 1e-9, nbytes, "h2d" if nbytes else "", correlation
        ),
        st.sampled_from(["kernel", "copy", "fill", "call", "wait", "range"]),
        st.sampled_from(["host", "stream 0", "stream 1"]),
        st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)),
        st.integers(0, 2**40),
        st.integers(0, 4),
    ),
    max_size=20,
)
NUMBER = (int, float)


def checked(trace: dict[str, Any]) -> None:
    """What the format asks of a trace as a JSON object: known phases with their fields, ends of flows that match and
    lie in an event, names for every thread, and events of a thread that nest."""
    assert trace["displayTimeUnit"] in ("ms", "ns")
    rows: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    flows: dict[int, list[str]] = defaultdict(list)
    named = set()
    for event in trace["traceEvents"]:
        assert isinstance(event["name"], str)
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        where = event["pid"], event["tid"]
        assert event["tid"] > 0, "Perfetto takes 0 for no thread given"
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name", "thread_sort_index")
            wanted = "sort_index" if event["name"].endswith("sort_index") else "name"
            assert set(event["args"]) == {wanted}
            if event["name"] == "thread_name":
                named.add(where)
        elif event["ph"] == "X":
            assert isinstance(event["ts"], NUMBER)
            assert isinstance(event["dur"], NUMBER)
            assert event["dur"] >= 0
            assert isinstance(event["cat"], str)
            rows[where].append((round(1000 * event["ts"]), round(1000 * (event["ts"] + event["dur"]))))
        else:
            assert event["ph"] in ("s", "f")
            assert isinstance(event["ts"], NUMBER)
            assert event.get("bp") == ("e" if event["ph"] == "f" else None)
            flows[event["id"]].append(event["ph"])
            here = round(1000 * event["ts"])
            assert any(start <= here <= end for start, end in rows[where]), "a flow's end lies in an event"
    assert set(rows) <= named
    assert all(pid != tid for pid, tid in rows), "the thread of that number is the process's main one"
    assert all(ends == ["s", "f"] for ends in flows.values())
    for events in rows.values():
        for a in events:
            for b in events:
                assert not a[0] < b[0] < a[1] < b[1], "two events of a thread nest or do not meet"


@given(spans)
def test_every_trace_keeps_the_formats_rules_and_comes_back_as_it_was(given: list[Span]) -> None:
    text = encoded(given, title="a title", about={"device": "none"})
    checked(json.loads(text))
    key = lambda s: (s.kind, s.lane, round(s.start_s * 1e9), round(s.end_s * 1e9), s.nbytes, s.memory, s.correlation)  # noqa: E731
    assert sorted(map(key, decoded(text))) == sorted(map(key, given))
    assert all(s.name == 'a "name" <b>' for s in decoded(text))


STEP = [
    Span("call", "cudaLaunchKernel", "host", 0.0, 3e-6, correlation=7),
    Span("call", "cuLaunchKernel", "host", 1e-6, 2e-6, correlation=7),
    Span("call", "cudaMemcpyAsync", "host", 3e-6, 5e-6, correlation=8),
    Span("kernel", "fma", "stream 0", 4e-6, 9e-6, correlation=7),
    Span("copy", "copy d2h", "stream 1", 6.0005e-6, 10e-6, 65536, "d2h", 8),
]


def test_a_step_reads_as_a_viewer_shows_it() -> None:
    trace = document(STEP, title="pipeline, 2 streams", about={"device": "cpu (emulated)"})
    checked(trace)
    events = trace["traceEvents"]
    assert trace["otherData"] == {"tool": "kbench", "device": "cpu (emulated)"}
    assert next(e for e in events if e["name"] == "process_name")["args"] == {"name": "pipeline, 2 streams"}
    threads = {e["args"]["name"]: e["tid"] for e in events if e["name"] == "thread_name"}
    assert list(threads) == ["host", "stream 0", "stream 1"]
    copy = next(e for e in events if e["ph"] == "X" and e["name"] == "copy d2h")
    assert copy["ts"] == 6.0, "whole nanoseconds, to even"
    assert copy["dur"] == 4.0
    assert copy["args"] == {"lane": "stream 1", "bytes": 65536, "GB/s": 16.386, "memory": "d2h", "correlation": 8}
    flows = [(e["ph"], e["id"], e["tid"], e["ts"]) for e in events if e["ph"] in "sf"]
    assert flows == [
        ("s", 1, threads["host"], 1.0), ("f", 1, threads["stream 0"], 4.0),  # from the inner of two calls
        ("s", 2, threads["host"], 3.0), ("f", 2, threads["stream 1"], 6.0),
    ]  # fmt: skip


def test_kernels_of_one_stream_that_cut_each_other_get_rows_of_their_own() -> None:
    trace = document([Span("kernel", "a", "stream 0", 0, 5e-6), Span("kernel", "b", "stream 0", 3e-6, 8e-6)], title="t")
    checked(trace)
    names = [e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"]
    assert names == ["stream 0", "stream 0 (2)"]


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"traceEvents": [{"ph": "X"}]}', b'{"traceEvents": 3}'])
def test_what_is_no_timeline_is_refused(text: bytes) -> None:
    with pytest.raises(UsageError, match="no timeline"):
        decoded(text)
