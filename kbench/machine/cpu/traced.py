"""A timeline of the cpu device: its steps one after another, by the host's clock.

It shows the order of an Op's steps and how long their emulation took. Streams are named as the Op names them, but
nothing here runs side by side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from kbench.intent.op import Call, Launch, Step
from kbench.machine.binary import Binary
from kbench.machine.layout import Layout, Transfers
from kbench.machine.span import Span, Trace

NOTE = "emulated on the cpu, one step after the other: nothing can overlap, and no time is a GPU's"


def traced(
    runs: Sequence[Callable[[], Any]], steps: Sequence[Step], layout: Layout, binaries: Sequence[Binary | None]
) -> Trace:
    """Each step run once. A step's time is that until it has ended, Python's part of it included."""
    stamps = [time.perf_counter_ns()]
    for run in runs:
        run()
        stamps.append(time.perf_counter_ns())
    spans = []
    for index, step in enumerate(steps):
        binary, placed = binaries[index], layout.steps[index]
        times = ((stamps[index] - stamps[0]) * 1e-9, (stamps[index + 1] - stamps[0]) * 1e-9)
        lane = f"stream {step.stream}"
        if isinstance(placed, Transfers):
            memory, nbytes = _direction(placed, layout), int(placed.nbytes.sum())
            spans.append(Span("copy", f"copy {memory}", lane, *times, nbytes, memory))
        elif isinstance(step, Launch):
            spans.append(Span("kernel", binary.entry if binary else "", lane, *times))
        else:
            assert isinstance(step, Call)
            name = getattr(step.function, "__name__", "call")  # whatever it runs, it is the device's work
            spans.append(Span("kernel", name, lane, *times))
    return Trace("host", tuple(spans), note=NOTE)


def _direction(rows: Transfers, layout: Layout) -> str:
    """As a GPU would name the copy: by the kinds of memory of its first row."""
    if not len(rows.nbytes):
        return ""
    to, of = (layout.bases[int(base[0])].host for base in (rows.dst_base, rows.src_base))
    return f"{'h' if of else 'd'}2{'h' if to else 'd'}"
