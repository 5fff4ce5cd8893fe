"""Bandwidth against working set: where kernels that compute nothing stand under the ceilings of L2 and DRAM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kbench.machine.device import DeviceInfo
from kbench.reading import sectors, units
from kbench.reading.charts.axes import ceiling, even_ticks, log_ticks
from kbench.reading.charts.ceilings import Ceilings
from kbench.reading.charts.drawing import Chart, Drawing
from kbench.reading.charts.slices import useful
from kbench.reading.charts.style import MUTED, look
from kbench.reading.charts.view import tip, where
from kbench.reading.problem import Problem
from kbench.reading.profiled import DRAM, Profiles
from kbench.record.store import Stored


def working_set(
    device: DeviceInfo,
    problems: Sequence[Problem],
    found: Ceilings,
    prefix: str = "",
    profiles: Profiles | None = None,
) -> Iterator[Chart]:
    """One chart, log-log: the best row of each problem that moves device memory and computes nothing; none without.
    profiles: where DRAM's bytes were counted, a hollow mark stands at the bandwidth that they make."""
    points = [
        (p, p.best)
        for p in problems
        if p.best and not p.best.result.traffic.flops and not p.best.result.traffic.link_bytes
    ]
    if points:
        yield _chart(device, sorted(points, key=lambda point: useful(point[0])), found, prefix, profiles or Profiles())


def _chart(
    device: DeviceInfo, points: list[tuple[Problem, Stored]], found: Ceilings, prefix: str, profiles: Profiles
) -> Chart:
    drawing = Drawing(height_in=3.6)
    ax = drawing.ax
    sizes = [float(useful(problem)) for problem, _ in points]
    rates = [_rate(row) for _, row in points]
    counted = {id(row): moved for _, row in points if (moved := profiles.of(row).moved(DRAM)) and row.result.time_s}
    ax.set_xscale("log", base=2)
    ax.set_xlim(min(sizes) / 1.7, max(sizes) * 1.7)
    even_ticks(ax.xaxis, min(sizes) / 1.7, max(sizes) * 1.7)
    ax.set_xlabel("working set: useful bytes moved")
    _ceilings(drawing, device, found, [*rates, *(_rate(row, counted.get(id(row))) for _, row in points)])
    scattered = False
    for index, kernel in enumerate(dict.fromkeys(problem.kernel for problem, _ in points)):
        series = drawing.series(kernel, look(index))
        group = [(problem, row) for problem, row in points if problem.kernel == kernel]
        shown = drawing.look(series)
        xs, ys = [float(useful(problem)) for problem, _ in group], [_rate(row) for _, row in group]
        (marks,) = ax.plot(xs, ys, marker=shown.marker, color=shown.colour, markersize=4.4, linestyle="", zorder=3)
        drawing.mark(marks, series)
        for (problem, row), x, y in zip(group, xs, ys, strict=True):
            drawing.hit(x, y, f"{kernel}: {tip(problem, row)}", series)
            if nbytes := counted.get(id(row)):
                at = _rate(row, nbytes)
                words = f"{kernel}: {tip(problem, row)}\nDRAM as counted: {units.size(nbytes)}, {units.digits(at)} GB/s"
                drawing.joined(series, (x, y), (x, at), words)
            moved = sectors.sector_bytes(row.result)
            if moved:
                (line,) = ax.plot([x, x], [y, y * moved / useful(problem)], color=shown.colour, linewidth=1, alpha=0.45)
                drawing.mark(line, series)
                scattered = True
    rows = [row for _, row in points]
    name, title = f"{prefix}working-set", "Bandwidth against working set"
    alt = f"Achieved GB/s against working set, kernels that compute nothing, {len(rows)} points."
    note = "The best configuration of each problem."
    if scattered:
        note += " A line above a mark reaches up to its bandwidth in whole 32-byte sectors."
    if counted:
        note += " Hollow: the bytes that DRAM moved, as a profiler counted them, over the same time."
    return drawing.finish(name, title, where(rows), note, alt)


def _rate(row: Stored, nbytes: int | None = None) -> float:
    """GB/s of useful bytes, or of others in the same time."""
    result = row.result
    return (nbytes / result.time_s if nbytes and result.time_s else result.achieved_bytes_per_s or 0) / 1e9


def _ceilings(drawing: Drawing, device: DeviceInfo, found: Ceilings, rates: list[float]) -> None:
    """A logarithmic GB/s axis with the DRAM, L2 and theoretical ceilings, and the L2's size as a vertical line."""
    ax = drawing.ax
    peak = device.peak_bytes_per_s
    roofs = [value / 1e9 for value in (found.dram, found.l2, peak) if value]
    low, high = min(rates) / 1.8, max([*rates, *roofs]) * 1.6
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    log_ticks(ax.yaxis, low, high, lambda value: f"{value:g}")
    ax.set_ylabel("achieved bandwidth, GB/s")
    if found.dram:
        ceiling(ax, found.dram / 1e9, f"{found.memory} copy, measured {units.rate(found.dram)}", below=True)
    if peak:
        ceiling(ax, peak / 1e9, f"theoretical peak {units.rate(peak)}", measured=False)
    if found.l2:
        ceiling(ax, found.l2 / 1e9, f"L2 copy, measured {units.rate(found.l2)}", x=0.99)
    left, right = ax.get_xlim()
    if device.l2_bytes and left < device.l2_bytes < right:
        ax.axvline(device.l2_bytes, color=MUTED, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        ax.annotate(
            f"L2: {units.size(device.l2_bytes)}", (device.l2_bytes, 0), (4, 5), xycoords=("data", "axes fraction"),
            textcoords="offset points", fontsize=7.8, color=MUTED, va="bottom",
        )  # fmt: skip
