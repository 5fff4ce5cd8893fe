"""A stretch of a timeline, and the timeline of one run as a device tells it."""

from __future__ import annotations

from typing import Literal

import msgspec

WORK = ("kernel", "copy", "fill")
"""Kinds of span that are the device's work; what the host calls and waits for, and ranges, are not."""


class Span(msgspec.Struct, frozen=True):
    """Seconds from the beginning of the timeline. lane: "stream 0", "host", …; nbytes: what a copy or fill moved;
    memory: of a copy, "h2d", "d2h", "d2d". correlation: what a kernel, copy or fill shares with the call that enqueued
    it, 0 where that is unknown. A "call" is the host's, a "wait" the part of it in which the host waits for the GPU."""

    kind: Literal["kernel", "copy", "fill", "call", "wait", "range"]
    name: str
    lane: str
    start_s: float
    end_s: float
    nbytes: int = 0
    memory: str = ""
    correlation: int = 0


class Trace(msgspec.Struct, frozen=True):
    """One run of an Op. clock: who told the times, "cupti" or "host"; note: what a reader must know."""

    clock: str
    spans: tuple[Span, ...]
    version: str = ""
    note: str = ""
