"""Variants beside each other on one problem: a bar a series, the interval as a whisker, both roofs as lines."""

from __future__ import annotations

from collections.abc import Iterator

from kbench.reading import units
from kbench.reading.charts.drawing import Chart, Drawing
from kbench.reading.charts.style import INK, MUTED
from kbench.reading.charts.view import View, fastest, tip, where
from kbench.reading.problem import Problem
from kbench.record.store import Stored

MOST_BARS = 14
MOST_CHARTS = 4


def bar_charts(view: View) -> Iterator[Chart]:
    """One chart for the largest problem of each facet where two series or more can be compared."""
    largest = [facet.problems[-1] for facet in view.facets if len(fastest(facet.problems[-1].ok)) > 1]
    left_out = len(view.problems) - min(len(largest), MOST_CHARTS)
    for index, problem in enumerate(largest[:MOST_CHARTS]):
        note = f"{left_out} other problems are in the table below." if index == 0 and left_out else ""
        yield _chart(view, problem, f"{view.stem}-variants-{index + 1}", note)


def _chart(view: View, problem: Problem, name: str, note: str) -> Chart:
    every = sorted(fastest(problem.ok).items(), key=lambda item: item[1].result.time_s or 0)
    rows = every[:MOST_BARS]
    labels = [problem.choice(row.result.config) for _, row in rows]
    longest = max(len(label) for label in labels)
    left = min(2.3, 0.22 + longest * 0.066)
    drawing = Drawing(height_in=max(1.5, 0.85 + 0.27 * len(rows)), left=left)
    ax = drawing.ax
    top = _roofs(view, rows)
    for place, (series, row) in enumerate(rows):
        _bar(drawing, place, view.looks[series].colour, problem, row, top)
    clipped = [label if len(label) <= 33 else label[:32] + "…" for label in labels]
    ax.set_yticks(range(len(rows)), clipped)
    ax.set_ylim(len(rows) - 0.45, -0.8)
    ax.set_xlim(0, top * 1.02)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("GB/s (and % of the measured roof)")
    _draw_roofs(drawing, view, rows)
    notes = [note] if note else []
    if len(every) > len(rows):
        notes.insert(0, f"{len(every) - len(rows)} slower configurations are left out; the table has them.")
    subtitle = " · ".join([problem.label, where([row for _, row in rows])])
    told = [
        f"{label} {units.rate(row.result.achieved_bytes_per_s)}" for label, (_, row) in zip(labels, rows, strict=True)
    ]
    alt = f"Bars of achieved GB/s: {', '.join(told)}."
    return drawing.finish(name, f"{view.kernel}: variants", subtitle, " ".join(notes), alt)


def _bar(drawing: Drawing, place: int, colour: str, problem: Problem, row: Stored, top: float) -> None:
    result = row.result
    rate = (result.achieved_bytes_per_s or 0) / 1e9
    ax = drawing.ax
    baseline = row is problem.baseline or (problem.baseline and row.result.config == problem.baseline.result.config)
    ax.barh(place, rate, height=0.68, color=colour, alpha=0.55 if baseline else 0.92, linewidth=0, zorder=2)
    if result.measurement and result.time_s:
        summary, nbytes = result.measurement.summary, result.traffic.useful_bytes / 1e9
        low, high = nbytes / summary.high_s, nbytes / summary.low_s
        if high - low > 0.01 * top:  # a narrower whisker would only look like a smudge
            ax.plot([low, high], [place, place], color=INK, linewidth=1.2, zorder=3)
    words = units.rate(result.achieved_bytes_per_s)
    if result.of_roof is not None:
        words += f"  ·  {result.of_roof * 100:.0f} %"
    inside = rate > 0.3 * top
    drawing.text(
        rate + (-0.012 if inside else 0.012) * top, place, words, ha="right" if inside else "left", va="center",
        color=_readable_on(colour) if inside and not baseline else INK, fontsize=7.6, zorder=4,
    )  # fmt: skip
    for share in (0.15, 0.5, 0.85):
        drawing.hit(rate * share, place, tip(problem, row))


def _readable_on(colour: str) -> str:
    """Nearly white or nearly black, whichever stands out; neither is a colour that a dark page exchanges."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#fffffe" if 0.299 * red + 0.587 * green + 0.114 * blue < 145 else "#101011"


def _roofs(view: View, rows: list[tuple[str, Stored]]) -> float:
    """The highest value of the chart, GB/s."""
    values = [row.result.achieved_bytes_per_s or 0 for _, row in rows]
    values += [row.result.roof.value for _, row in rows if row.result.roof]
    if view.device.peak_bytes_per_s and not rows[0][1].result.traffic.link_bytes:
        values.append(view.device.peak_bytes_per_s)
    return max(values) / 1e9


def _draw_roofs(drawing: Drawing, view: View, rows: list[tuple[str, Stored]]) -> None:
    ax = drawing.ax
    result = rows[0][1].result
    peak = view.device.peak_bytes_per_s if not result.traffic.link_bytes else None
    lines = [(result.roof.value, "measured roof", "--")] if result.roof else []
    lines += [(peak, "peak", ":")] if peak else []
    for value, words, dash in lines:
        ax.axvline(value / 1e9, color=MUTED, linewidth=1.1, linestyle=dash, zorder=1.5)
        ax.annotate(
            words, (value / 1e9, -0.5), (-3, 1), textcoords="offset points", ha="right", va="bottom", fontsize=7.4,
            color=MUTED,
        )  # fmt: skip
