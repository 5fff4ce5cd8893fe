"""What a timeline says: how busy each stream was, how long nothing ran, and how much copying ran beside kernels.

Pure functions over spans, whoever recorded them. Kernels, copies and fills are *work*; what the host calls, and ranges,
are not. A timeline lasts from the first start to the last end of work.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from kbench.machine.span import WORK, Span
from kbench.profiling.profile import Metric

Interval = tuple[float, float]


class Lane(msgspec.Struct, frozen=True):
    """One stream. pieces: kernels, copies and fills on it. busy_s: time in which at least one of them ran. gaps_s: from
    the end of whatever came before to the start of each next piece, 0 where it had begun by then."""

    name: str
    pieces: int
    busy_s: float
    gaps_s: tuple[float, ...]


class Timeline(msgspec.Struct, frozen=True):
    """time_s: from the first start to the last end of work. busy_s: of that, with anything running. kernel_s, copy_s:
    with a kernel running, with a copy running; both_s: with both. largest_gap_s: the longest stretch in which
    nothing ran on any stream. lanes: in the order of their names."""

    time_s: float
    busy_s: float
    kernel_s: float
    copy_s: float
    both_s: float
    largest_gap_s: float
    lanes: tuple[Lane, ...]

    @property
    def busy_share(self) -> float | None:
        return _share(self.busy_s, self.time_s)

    @property
    def idle_s(self) -> float:
        return self.time_s - self.busy_s

    @property
    def copies_hidden(self) -> float | None:
        """The share of the time of copies in which a kernel ran too; None where nothing was copied."""
        return _share(self.both_s, self.copy_s)

    @property
    def kernels_hidden(self) -> float | None:
        """The share of the time of kernels in which a copy ran too; None where there was no kernel."""
        return _share(self.both_s, self.kernel_s)

    @property
    def gap_s(self) -> float | None:
        """The median gap between two pieces of work on one stream, over all streams."""
        gaps = [gap for lane in self.lanes for gap in lane.gaps_s]
        return statistics.median(gaps) if gaps else None


def timeline(spans: Iterable[Span]) -> Timeline:
    """Of all work among the spans; a timeline of no work lasts no time."""
    work = sorted((span for span in spans if span.kind in WORK), key=lambda span: span.start_s)
    kernels, copies = (union(_interval(s) for s in work if s.kind == kind) for kind in ("kernel", "copy"))
    busy = union(map(_interval, work))
    begin, end = min((s.start_s for s in work), default=0.0), max((s.end_s for s in work), default=0.0)
    return Timeline(
        time_s=end - begin, busy_s=length(busy), kernel_s=length(kernels), copy_s=length(copies),
        both_s=length(common(kernels, copies)),
        largest_gap_s=max((later[0] - earlier[1] for earlier, later in pairwise(busy)), default=0.0),
        lanes=tuple(_lane(name, work) for name in lanes_of(work)),
    )  # fmt: skip


def lanes_of(spans: Iterable[Span]) -> list[str]:
    """The names of all lanes, "stream 2" before "stream 10"."""
    return sorted({span.lane for span in spans}, key=lambda name: [(len(part), part) for part in name.split()])


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """What at least one interval covers, as disjoint intervals in order; those that touch become one."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def common(a: Sequence[Interval], b: Sequence[Interval]) -> list[Interval]:
    """What two unions both cover."""
    found, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        start, end = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if start < end:
            found.append((start, end))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return found


def length(intervals: Iterable[Interval]) -> float:
    """Seconds that disjoint intervals cover."""
    return sum(end - start for start, end in intervals)


def metrics_of(found: Timeline) -> tuple[Metric, ...]:
    """As metrics of a profile; what does not exist (the overlap where nothing is copied) is left out."""
    values = {
        "duration_s": found.time_s or None, "busy_share": found.busy_share, "overlap_share": found.copies_hidden,
        "kernel_overlap_share": found.kernels_hidden, "gap_s": found.gap_s,
        "largest_gap_s": found.largest_gap_s if found.time_s else None,
    }  # fmt: skip
    return tuple(Metric(name, value) for name, value in values.items() if value is not None)


def overlap_words(found: Timeline) -> str:
    """Whether copies and kernels ran side by side, in words."""
    share = found.copies_hidden
    if share is None or not found.kernel_s:
        return "no kernels beside copies" if share is not None else "nothing copied"
    return f"copies and kernels overlapped: {100 * share:.0f} %"


def _lane(name: str, work: Sequence[Span]) -> Lane:
    """work: in order of start."""
    mine = [span for span in work if span.lane == name]
    ends: list[float] = []
    for span in mine:
        ends.append(max(span.end_s, ends[-1]) if ends else span.end_s)
    gaps = tuple(max(0.0, later.start_s - end) for end, (_, later) in zip(ends, pairwise(mine), strict=False))
    return Lane(name, len(mine), length(union(map(_interval, mine))), gaps)


def _interval(span: Span) -> Interval:
    return span.start_s, span.end_s


def _share(part: float, whole: float) -> float | None:
    return min(1.0, part / whole) if whole > 0 else None
