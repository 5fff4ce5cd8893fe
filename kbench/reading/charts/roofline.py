"""The roofline of a device: its kernels that compute, under the measured ceilings of memory and arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import atan2, degrees, hypot, sqrt
from typing import Any

from kbench.intent.config import format_value
from kbench.machine.device import DeviceInfo
from kbench.reading import units
from kbench.reading.charts.axes import engineering, log_ticks, place_labels
from kbench.reading.charts.ceilings import Ceilings
from kbench.reading.charts.drawing import Chart, Drawing
from kbench.reading.charts.slices import fastest, series_name, useful
from kbench.reading.charts.style import MUTED, Look, look
from kbench.reading.charts.view import tip, where
from kbench.reading.problem import Problem, worded
from kbench.reading.profiled import Profiles
from kbench.record.store import Stored

Point = tuple[Problem, Stored]
Looks = Mapping[str, Mapping[str, Look]]


def roofline(
    device: DeviceInfo,
    problems: Sequence[Problem],
    found: Ceilings,
    prefix: str = "",
    looks: Looks | None = None,
    profiles: Profiles | None = None,
) -> Iterator[Chart]:
    """One chart, log-log: the fastest row of each problem and variant. None where nothing computes.

    looks: how the other charts draw each kernel's variants; kept where only one kernel computes, in one data type.
    profiles: where DRAM's bytes were counted, a hollow mark stands at the intensity that they make.
    """
    every = [(problem, row) for problem in problems for row in _compared(problem)]
    points = [(problem, row) for problem, row in every if row.result.flops_per_s]
    if points:
        kernels = {(problem.kernel, problem.axes.get("dtype")) for problem, _ in points}
        alone = (looks or {}).get(points[0][0].kernel, {}) if len(kernels) == 1 else {}
        yield _roofline(device, points, found, prefix, alone, profiles or Profiles())


def _compared(problem: Problem) -> list[Stored]:
    """The fastest row of each variant; the best row alone where there are no variants."""
    if "variant" in problem.tuning:
        return list(fastest(problem.ok).values())
    return [problem.best] if problem.best else []


def _roofline(
    device: DeviceInfo,
    points: list[Point],
    found: Ceilings,
    prefix: str,
    looks: Mapping[str, Look],
    profiles: Profiles,
) -> Chart:
    drawing = Drawing(height_in=3.6, left=0.72, right=0.85 if found.flops else 0.24)
    ax = drawing.ax
    xs = [row.result.traffic.intensity for _, row in points]
    ys = [row.result.flops_per_s or 0.0 for _, row in points]
    counted = {id(row): at for _, row in points if (at := profiles.of(row).intensity)}
    slopes = [
        (f"{found.memory}, measured", found.dram, "--"),
        ("L2, measured", found.l2, "-."),
        ("peak", device.peak_bytes_per_s, ":"),
    ]
    known = [(name, value, dash) for name, value, dash in slopes if value]
    tops = [value for _, value in found.flops]
    ridge = max(tops) / min(value for _, value, _ in known) if tops and known else max(xs)
    low, high = min([*xs, *counted.values()]) / 10, max([*xs, *counted.values(), ridge]) * 4
    # Without a ceiling of arithmetic, as on the cpu, the memory's must still be in the picture above the points.
    under = [] if tops else [min(value for _, value, _ in known) * max(xs)] if known else []
    bottom, top = min(ys) / 4, max([*ys, *tops, *under]) * 3
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(low, high)
    ax.set_ylim(bottom, top)
    log_ticks(ax.xaxis, low, high)
    log_ticks(ax.yaxis, bottom, top)
    ax.set_xlabel("arithmetic intensity, flop per useful byte of device memory")
    ax.set_ylabel("achieved flop/s")
    marks = list(zip(xs, ys, strict=True))
    labels = _scatter(drawing, points, xs, ys, looks, counted)
    if counted:
        ax.set_xlabel("arithmetic intensity: flop per useful byte; hollow: per byte of DRAM as counted")
        joins = [(x, counted[id(row)], y) for (_, row), x, y in zip(points, xs, ys, strict=True) if id(row) in counted]
        marks += [(at, y) for x, other, y in joins for at in (other, sqrt(x * other))]
    _slopes(drawing, known, max(tops, default=top), marks)
    for name, value in found.flops:
        reach = value / max((slope for _, slope, _ in known), default=value / low)
        ax.plot([max(reach, low), high], [value, value], color=MUTED, linewidth=1.2, linestyle="--", zorder=1.5)
        drawing.text(high * 1.04, value, f"{name}: {engineering(value)}", va="center")
    unlabelled = place_labels(ax, labels, marks)
    note = (
        f"{unlabelled} labels are left out where they would overlap; point at a mark to read it." if unlabelled else ""
    )
    named = ", ".join([name for name, *_ in known] + [name for name, _ in found.flops])
    alt = f"Roofline with {len(points)} points; ceilings: {named}."
    if counted:
        alt += f" {len(counted)} of them also at their intensity over DRAM bytes as counted."
    return drawing.finish(f"{prefix}roofline", "Roofline", where([row for _, row in points]), note, alt)


def _scatter(
    drawing: Drawing,
    points: list[Point],
    xs: list[float],
    ys: list[float],
    looks: Mapping[str, Look],
    counted: Mapping[int, float],
) -> list[tuple[float, float, str]]:
    """A mark a point, a series a kernel, variant and data type, a hollow one where the row's bytes were counted
    (intensities by the row's id()); returns labels of the best rows of the largest problems of each kernel."""
    series: dict[str, int] = {}
    dtypes = len({problem.axes.get("dtype") for problem, _ in points})
    largest: dict[str, int] = {}
    for problem, _ in points:
        largest[problem.kernel] = max(largest.get(problem.kernel, 0), useful(problem))
    labels: list[tuple[float, float, str]] = []
    for (problem, row), x, y in zip(points, xs, ys, strict=True):
        axes = row.result.config.axes
        told = [problem.kernel, axes.get("variant", ""), axes.get("dtype", "") if dtypes > 1 else ""]
        name = " ".join(format_value(word) for word in told if word)
        if name not in series:
            series[name] = drawing.series(name, looks.get(series_name(row)) or look(len(series)))
        shown = drawing.look(series[name])
        (mark,) = drawing.ax.plot(
            [x], [y], marker=shown.marker, color=shown.colour, markersize=6, linestyle="", zorder=3
        )
        drawing.mark(mark, series[name])
        words = f"{problem.kernel}: {tip(problem, row)}"
        drawing.hit(x, y, words, series[name])
        if at := counted.get(id(row)):
            told_by = f"{words}\nas counted: {units.digits(at)} flop per byte of DRAM"
            drawing.joined(series[name], (x, y), (at, y), told_by)
        if row is problem.best and useful(problem) == largest[problem.kernel]:
            labels.append((x, y, _apart(problem, [p for p, _ in points if useful(p) == largest[p.kernel]])))
    return labels


def _apart(problem: Problem, others: Sequence[Problem]) -> str:
    """What tells a problem from the others of its kernel; the kernel's name too where there are several kernels."""
    same = [other for other in others if other.kernel == problem.kernel]
    varying = [n for n, v in problem.axes.items() if any(other.axes.get(n) != v for other in same)]
    words = " ".join(f"{name} {worded(problem.axes[name], name)}" for name in varying[:2])
    return f"{problem.kernel} {words}".strip() if len(same) < len(others) or not words else words


def _slopes(
    drawing: Drawing, known: list[tuple[str, float, str]], top: float, points: list[tuple[float, float]]
) -> None:
    """Bandwidth ceilings: flop/s = intensity * bytes/s, up to the highest flop ceiling, named along the line."""
    ax = drawing.ax
    (left, _), (bottom, _) = ax.get_xlim(), ax.get_ylim()
    busy = [tuple(ax.transData.transform(point)) for point in points]
    for index, (name, value, dash) in enumerate(sorted(known, key=lambda slope: slope[1])):
        start, end = max(left, bottom / value), top / value
        if end <= start:
            continue
        ax.plot([start, end], [start * value, end * value], color=MUTED, linewidth=1.2, linestyle=dash, zorder=1.5)
        ends = ax.transData.transform([(start, start * value), (end, end * value)])
        (x0, y0), (x1, y1) = ends
        share = _clearest(ends, busy)
        busy.append((x0 + (x1 - x0) * (share + 0.15), y0 + (y1 - y0) * (share + 0.15)))
        at = start * (end / start) ** share
        below = index == 0  # the lowest line's name under it, so that it does not sit between two lines
        ax.annotate(
            f"{name}: {units.rate(value)} GB/s", (at, at * value), (3, -3) if below else (-3, 3), fontsize=7.6,
            rotation=degrees(atan2(y1 - y0, x1 - x0)), rotation_mode="anchor", textcoords="offset points", color=MUTED,
            va="top" if below else "bottom",
        )  # fmt: skip


def _clearest(ends: Any, busy: list[tuple[float, float]]) -> float:
    """Where along a line (as a share) a name that fills about a third of it starts farthest from what is there."""
    (x0, y0), (x1, y1) = ends

    def room(share: float) -> float:
        middle = share + 0.15
        x, y = x0 + (x1 - x0) * middle, y0 + (y1 - y0) * middle
        return min((hypot(x - bx, y - by) for bx, by in busy), default=0.0)

    return max((0.03, 0.15, 0.3, 0.45, 0.6), key=room)
