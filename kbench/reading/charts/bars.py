"""Variants beside each other on one problem: a bar a series, the interval as a whisker, both roofs as lines."""

from __future__ import annotations

from collections.abc import Iterator

from kbench.reading import units
from kbench.reading.charts.drawing import Chart, Drawing
from kbench.reading.charts.style import INK, MUTED, Look
from kbench.reading.charts.view import View, fastest, series_name, tip, where
from kbench.reading.problem import Problem, worded
from kbench.record.store import Stored

MOST_BARS = 14
MOST_CHARTS = 4
FAR = 5  # a roof so many times above the fastest bar is named at the edge instead of drawn


def bar_charts(view: View) -> Iterator[Chart]:
    """One chart for the largest problem of each facet where two series or more can be compared."""
    largest = [facet.problems[-1] for facet in view.facets if len(fastest(facet.problems[-1].ok)) > 1]
    left_out = len(view.problems) - min(len(largest), MOST_CHARTS)
    for index, problem in enumerate(largest[:MOST_CHARTS]):
        others = "1 other problem is" if left_out == 1 else f"{left_out} other problems are"
        note = f"{others} in the table below." if index == 0 and left_out else ""
        yield _chart(view, problem, f"{view.stem}-variants-{index + 1}", note)


def _chart(view: View, problem: Problem, name: str, note: str) -> Chart:
    every = sorted(fastest(problem.ok).items(), key=lambda item: item[1].result.time_s or 0)
    rows = every[:MOST_BARS]
    labels = [_label(problem, series, row) for series, row in rows]
    left = min(2.3, 0.22 + max(len(label) for label in labels) * 0.066)
    drawing = Drawing(height_in=max(1.5, 0.85 + 0.27 * len(rows)), left=left)
    ax = drawing.ax
    top = _top(view, rows)
    for place, (series, row) in enumerate(rows):
        _bar(drawing, place, view.looks[series], problem, row, top)
    clipped = [label if len(label) <= 33 else label[:32] + "…" for label in labels]
    ax.set_yticks(range(len(rows)), clipped)
    ax.set_ylim(len(rows) - 0.45, -0.8)
    ax.set_xlim(0, top * 1.02)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("GB/s (and % of the measured roof)")
    _draw_roofs(drawing, view, rows, top)
    notes = [note] if note else []
    if len(every) > len(rows):
        notes.insert(0, f"{len(every) - len(rows)} slower configurations are left out; the table has them.")
    subtitle = " · ".join([problem.label, where([row for _, row in rows])])
    told = [
        f"{label} {units.rate(row.result.achieved_bytes_per_s)}" for label, (_, row) in zip(labels, rows, strict=True)
    ]
    alt = f"Bars of achieved GB/s: {', '.join(told)}."
    return drawing.finish(name, f"{view.kernel}: variants", subtitle, " ".join(notes), alt)


def _label(problem: Problem, series: str, row: Stored) -> str:
    """The series, and of the other tuning axes those that have more than one value within it."""
    if "variant" not in problem.tuning:
        return series
    peers = [other.result.config.axes for other in problem.ok if series_name(other) == series]
    own = row.result.config.axes
    varying = [n for n in problem.tuning if n in own and n != "variant" and len({peer.get(n) for peer in peers}) > 1]
    return " · ".join([series, *(f"{name} {worded(own[name])}" for name in varying)])


def _bar(drawing: Drawing, place: int, look: Look, problem: Problem, row: Stored, top: float) -> None:
    result = row.result
    rate = end = (result.achieved_bytes_per_s or 0) / 1e9
    low = rate
    ax = drawing.ax
    ax.barh(place, rate, height=0.68, color=look.colour, alpha=0.55 if look.hollow else 0.92, linewidth=0, zorder=2)
    if result.measurement and result.time_s:
        summary, nbytes = result.measurement.summary, result.traffic.useful_bytes / 1e9
        if nbytes / summary.low_s - nbytes / summary.high_s > 0.01 * top:  # a narrower one would look like a smudge
            low, end = min(nbytes / summary.high_s, rate), max(nbytes / summary.low_s, rate)
            ax.plot([low, min(end, top)], [place, place], color=INK, linewidth=1.2, zorder=3)
    words = units.rate(result.achieved_bytes_per_s)
    if result.of_roof is not None:
        words += f"  ·  {result.of_roof * 100:.0f} %"
    inside = low > 0.3 * top
    drawing.text(
        low - 0.012 * top if inside else min(end, 0.75 * top) + 0.012 * top, place, words, va="center", fontsize=7.6,
        ha="right" if inside else "left", color=_readable_on(look.colour) if inside and not look.hollow else INK,
        zorder=4,
    )  # fmt: skip
    for share in (0.15, 0.5, 0.85):
        drawing.hit(rate * share, place, tip(problem, row))


def _readable_on(colour: str) -> str:
    """Nearly white or nearly black, whichever stands out; neither is a colour that a dark page exchanges."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#fffffe" if 0.299 * red + 0.587 * green + 0.114 * blue < 145 else "#101011"


def _roofs(view: View, rows: list[tuple[str, Stored]]) -> list[tuple[float, str, str]]:
    """(GB/s, name, dash) of the measured roof and, for what is no transfer, the theoretical peak."""
    result = rows[0][1].result
    peak = view.device.peak_bytes_per_s if not result.traffic.link_bytes else None
    roofs = [(result.roof.value / 1e9, "measured roof", "--")] if result.roof else []
    return [*roofs, (peak / 1e9, "peak", ":")] if peak else roofs


def _top(view: View, rows: list[tuple[str, Stored]]) -> float:
    """Where the axis ends, GB/s: at the roofs, unless they are so far away that no bar could be told from another."""
    best = max(row.result.achieved_bytes_per_s or 0 for _, row in rows) / 1e9
    roofs = [value for value, _, _ in _roofs(view, rows)]
    near = [value for value in roofs if value < FAR * best]
    return max([best, *near]) if near or not roofs else best * 1.3


def _draw_roofs(drawing: Drawing, view: View, rows: list[tuple[str, Stored]], top: float) -> None:
    ax = drawing.ax
    for value, words, dash in _roofs(view, rows):
        near = value <= top
        if near:
            ax.axvline(value, color=MUTED, linewidth=1.1, linestyle=dash, zorder=1.5)
        elif words == "peak":
            continue  # the nearer roof is beyond the axis already
        ax.annotate(
            words if near else f"{words} {units.rate(value * 1e9)} →", (min(value, top), -0.5), (-3, 1),
            textcoords="offset points", ha="right", va="bottom", fontsize=7.4, color=MUTED,
        )  # fmt: skip
