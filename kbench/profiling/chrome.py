"""Timelines as JSON in the Trace Event Format, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

Every span is a complete event ("X") on the thread of its lane; metadata events ("M") name process and threads; a flow
("s" to "f") leads from the call that enqueued a piece of work to that piece. Times are microseconds with three
decimals, that is whole nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from kbench.errors import UsageError
from kbench.machine.span import WORK, Span
from kbench.profiling.timeline import lanes_of

_PID, _FIRST_TID = 1, 10  # no thread is 0, which Perfetto takes for none given, nor has the number of the process
_SORTED = {"host": -2, "range": -1}  # the host above the streams


def document(spans: Sequence[Span], *, title: str, about: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The trace as a JSON object. title: the process's name in the viewer; about: what a reader must know (device,
    configuration, clock), shown among the trace's metadata."""
    threads = _threads(spans)
    events = [_named("process_name", title)]
    for number, (thread, lane) in enumerate(((t, t.lane) for t in threads), _FIRST_TID):
        words = lane if not thread.row else f"{lane} ({thread.row + 1})"
        order = _SORTED.get(lane, 10 * number)
        events += [_named("thread_name", words, number), _event("M", "thread_sort_index", number, sort_index=order)]
    placed = [(number, span) for number, thread in enumerate(threads, _FIRST_TID) for span in thread.spans]
    events += [_complete(number, span) for number, span in placed]
    events += _flows(placed)
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": {"tool": "kbench", **(about or {})}}


def encoded(spans: Sequence[Span], *, title: str, about: Mapping[str, str] | None = None) -> bytes:
    """`document` as the bytes of a .json file."""
    return msgspec.json.encode(document(spans, title=title, about=about)) + b"\n"


def decoded(text: bytes) -> tuple[Span, ...]:
    """The spans of a trace that `encoded` wrote, in its order. Raises UsageError for what is none."""
    try:
        events = msgspec.json.decode(text)["traceEvents"]
        return tuple(_span(event) for event in events if event["ph"] == "X")
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError) as error:
        raise UsageError(f"no timeline that kbench wrote: {type(error).__name__}: {error}") from error


class _Thread(msgspec.Struct):
    """One row of the viewer. A row's events nest; a span that would cut another one in two gets a further row."""

    lane: str
    row: int
    spans: list[Span]
    open: list[int]

    def takes(self, span: Span) -> bool:
        start, end = _ns(span.start_s), _ns(span.end_s)
        while self.open and self.open[-1] <= start:
            self.open.pop()
        if self.open and self.open[-1] < end:
            return False
        self.open.append(end)
        self.spans.append(span)
        return True


def _threads(spans: Iterable[Span]) -> list[_Thread]:
    found = []
    by_lane: dict[str, list[Span]] = {}
    for span in spans:
        by_lane.setdefault(span.lane, []).append(span)
    for lane in lanes_of(span for spans in by_lane.values() for span in spans):
        rows: list[_Thread] = []
        for span in sorted(by_lane[lane], key=lambda s: (_ns(s.start_s), -_ns(s.end_s))):
            if not any(row.takes(span) for row in rows):
                rows.append(_Thread(lane, len(rows), [], []))
                rows[-1].takes(span)
        found += rows
    return found


def _complete(thread: int, span: Span) -> dict[str, Any]:
    """The fields of a span that are not the format's own travel in args, so that nothing is lost."""
    args: dict[str, Any] = {"lane": span.lane}
    if span.nbytes:
        args["bytes"] = span.nbytes
        if span.end_s > span.start_s:
            args["GB/s"] = round(span.nbytes / (span.end_s - span.start_s) / 1e9, 3)
    if span.memory:
        args["memory"] = span.memory
    if span.correlation:
        args["correlation"] = span.correlation
    start, end = _ns(span.start_s), _ns(span.end_s)
    return _event("X", span.name, thread, cat=span.kind, ts=start / 1000, dur=(end - start) / 1000, **args)


def _flows(placed: Sequence[tuple[int, Span]]) -> list[dict[str, Any]]:
    """From the innermost call of each correlation to the work that it enqueued. Both ends lie in their events' first
    instant, where the format binds them ("bp": "e", to the enclosing event)."""
    calls = {span.correlation: (thread, span) for thread, span in placed if span.kind == "call" and span.correlation}
    events = []
    numbered = [(t, s) for t, s in placed if s.kind in WORK and s.correlation in calls]
    for number, (thread, span) in enumerate(numbered, 1):
        there, call = calls[span.correlation]
        events.append(_event("s", "enqueues", there, cat="flow", id=number, ts=_ns(call.start_s) / 1000))
        events.append(_event("f", "enqueues", thread, cat="flow", id=number, ts=_ns(span.start_s) / 1000, bp="e"))
    return events


def _named(what: str, name: str, thread: int = _PID) -> dict[str, Any]:
    return _event("M", what, thread, name=name)


_FIELDS = ("cat", "ts", "dur", "id", "bp")


def _event(phase: str, event: str, thread: int, /, **given: Any) -> dict[str, Any]:
    """One event; whatever is no field of the format goes into its args."""
    fields = {key: value for key, value in given.items() if key in _FIELDS}
    args = {key: value for key, value in given.items() if key not in _FIELDS}
    return {"ph": phase, "name": event, "pid": _PID, "tid": thread, **fields, **({"args": args} if args else {})}


def _span(event: Mapping[str, Any]) -> Span:
    args = event.get("args", {})
    span = {
        "kind": event["cat"], "name": event["name"], "lane": args["lane"], "start_s": event["ts"] * 1e-6,
        "end_s": (event["ts"] + event["dur"]) * 1e-6, "nbytes": args.get("bytes", 0),
        "memory": args.get("memory", ""), "correlation": args.get("correlation", 0),
    }  # fmt: skip
    return msgspec.convert(span, Span)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
