"""A kernel's problems on one device, arranged for drawing: what is the size, a series, a chart of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from kbench.machine.device import DeviceInfo
from kbench.reading import sectors, units
from kbench.reading.charts.slices import Facet, comparisons, curves, series_name
from kbench.reading.charts.style import COLOURS, Look, look
from kbench.reading.problem import Problem
from kbench.reading.table import flagged, interval, submitted
from kbench.record.store import KernelNote, Stored


@dataclass(frozen=True)
class View:
    """problems: those with a best row. facets: their slices along a size, and comparisons: the problems in which
    variants meet, the most telling ones first. stem: begins the names of its charts."""

    kernel: str
    device: DeviceInfo
    problems: tuple[Problem, ...]
    facets: tuple[Facet, ...]
    comparisons: tuple[Problem, ...]
    looks: Mapping[str, Look]
    stem: str


def views(problems: Sequence[Problem], notes: Mapping[str, KernelNote], prefix: str = "") -> list[View]:
    """One view a kernel and device, of the problems that have a best row."""
    found = []
    for (_, kernel), group in groupby(problems, key=lambda p: (p.device.uid, p.kernel)):
        timed = [problem for problem in group if problem.best]
        if timed:
            found.append(_view(kernel, timed, notes.get(kernel, KernelNote()), prefix + kernel))
    return found


def tip(problem: Problem, row: Stored) -> str:
    """What a point tells, a line each."""
    result = row.result
    lines = [problem.choice(result.config), problem.label]
    lines.append(f"{units.duration(result.time_s)} {interval(result)} · {units.size(result.traffic.useful_bytes)}")
    shares = [f"{units.rate(result.achieved_bytes_per_s)} GB/s"]
    if result.of_roof is not None:
        shares.append(f"{units.percent(result.of_roof)} % of roof" + (" (above it!)" if flagged(result) else ""))
    if (share := sectors.of_roof(result)) is not None:
        shares.append(f"{units.percent(share)} % in sectors")
    if result.of_peak is not None:
        shares.append(f"{units.percent(result.of_peak)} % of peak")
    lines.append(" · ".join(shares))
    if problem.clocks > 1 and result.measurement:
        lines.append(f"clock {result.measurement.clock}")
    if (submit := submitted(result)) is not None:
        lines.append(f"submitted in {units.duration(submit)}")
    if result.flops_per_s:
        lines.append(f"{units.rate(result.flops_per_s)} GFLOP/s · {units.digits(result.traffic.intensity)} flop/B")
    return "\n".join(lines)


def other_clock(points: Sequence[tuple[Problem, Stored]]) -> str:
    """What a series is named by besides where its clock is not that of its problems' best rows: " (clock host)"."""
    found = {
        row.result.measurement.clock
        for problem, row in points
        if row.result.measurement and row.result.measurement.clock != problem.clock
    }
    return f" (clock {' and '.join(sorted(found))})" if found else ""


def where(rows: Sequence[Stored]) -> str:
    """Device and clock of some rows, for a subtitle."""
    labels = dict.fromkeys(row.result.device.label for row in rows)
    measured = [row.result.measurement for row in rows if row.result.measurement]
    clocks = dict.fromkeys(f"clock {m.clock}, {m.cache}" for m in measured)
    return " · ".join([*labels, *clocks])


def _view(kernel: str, problems: list[Problem], note: KernelNote, stem: str) -> View:
    fast: dict[str, float] = {}
    for row in (row for problem in problems for row in problem.ok):
        name = series_name(row)
        fast[name] = max(fast.get(name, 0.0), row.result.achieved_bytes_per_s or 0.0)
    bases = (set(note.baselines) | {series_name(p.baseline) for p in problems if p.baseline}) & set(fast)
    own = [name for name in dict.fromkeys([*note.variants, *sorted(fast)]) if name in fast and name not in bases]
    if len(own) > len(COLOURS):
        own.sort(key=lambda name: -fast[name])  # the fastest, which are drawn, get the plain colours
    looks = {name: look(index) for index, name in enumerate(own)}
    looks |= {name: look(index, baseline=True) for index, name in enumerate(sorted(bases))}
    return View(
        kernel, problems[0].device, tuple(problems), curves(problems), tuple(comparisons(problems)), looks, stem
    )
