"""Bandwidth against size: a line a variant (its fastest configuration at each size), under both roofs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kbench.reading import sectors, units
from kbench.reading.charts.axes import ceiling, scale_x, share_rate
from kbench.reading.charts.drawing import Chart, Drawing, Entry
from kbench.reading.charts.slices import Facet, series_name, useful
from kbench.reading.charts.style import MUTED, Look
from kbench.reading.charts.view import View, other_clock, tip, where
from kbench.reading.problem import Problem, worded
from kbench.reading.size_curves import draw
from kbench.record.store import Stored

MOST_SERIES = 10
MOST_FACETS = 4


def size_charts(view: View) -> Iterator[Chart]:
    """One chart a facet, the most telling ones."""
    for index, facet in enumerate(view.facets[:MOST_FACETS]):
        rest = len(view.facets) - MOST_FACETS
        note = f"{rest} more such charts are left out; the table has their rows." if index == 0 and rest > 0 else ""
        yield _chart(view, facet, f"{view.stem}-size-{index + 1}", note)


def _chart(view: View, facet: Facet, name: str, note: str) -> Chart:
    both = bool(facet.size) and _bytes_vary(facet)
    drawing = Drawing(bottom=0.62 if both else 0.48)
    at = {facet.x(problem): problem for problem in facet.problems}
    x = scale_x(drawing.ax, list(at), lambda value: _tick(facet, at[value]))
    drawing.ax.set_xlabel(f"{facet.size} (and useful bytes)" if both else facet.size or "useful bytes")
    points = facet.points
    fast = {label: max(_rate(row) for _, row in rows) for label, rows in points.items()}
    kept = sorted(points, key=lambda label: -fast[label])[:MOST_SERIES]
    shown: list[Stored] = []
    for label in (label for label in view.looks if label in kept):
        rows = points[label]
        shown += [row for _, row in rows]
        drawing.line(
            drawing.series(label + other_clock(rows), view.looks[label]),
            [x(facet.x(problem)) for problem, _ in rows],
            [_rate(row) / 1e9 for _, row in rows],
            [tip(problem, row) for problem, row in rows],
        )
    top = _roofs(drawing, view, facet, x, shown)
    curve = draw(drawing, points, {problem.name: x(value) for value, problem in at.items()})
    note = " ".join(filter(None, [note, curve]))
    own = [_rate(row) / 1e9 for row in shown if not view.looks[series_name(row)].hollow]
    share_rate(drawing.ax, top, max(own, default=top), min(_rate(row) for row in shown) / 1e9)
    notes = [note] if note else []
    if len(points) > len(kept):
        words = f"{len(points) - len(kept)} slower series of {len(points)} are left out; the table has them."
        notes.insert(0, words)
    title = f"{view.kernel}: bandwidth against {facet.size or 'size'}"
    subtitle = " · ".join(filter(None, [facet.label, where(shown)]))
    alt = f"Lines of achieved GB/s for {', '.join(kept)} over {len(at)} sizes."
    return drawing.finish(name, title, subtitle, " ".join(notes), alt)


def _rate(row: Stored) -> float:
    return row.result.achieved_bytes_per_s or 0.0


def _roofs(drawing: Drawing, view: View, facet: Facet, x: Callable[[float], float], shown: list[Stored]) -> float:
    """Draw the theoretical peak and the measured roof at each size, and where access is scattered how much of that
    roof its sectors leave; returns the highest value of the chart, GB/s."""
    top = max(_rate(row) for row in shown) / 1e9
    best = {facet.x(problem): problem.best.result for problem in facet.problems if problem.best}
    roofs = {size: result.roof for size, result in best.items() if result.roof}
    if roofs:
        ys = {size: roof.value / 1e9 for size, roof in roofs.items()}
        kind = roofs[max(roofs)].kind
        _roof(drawing, x, ys, f"measured roof ({kind})", "--")
        top = max(top, *ys.values())
    left = {size: limit / 1e9 for size, result in best.items() if (limit := sectors.reach(result)) is not None}
    if left:
        _roof(drawing, x, left, "what whole sectors leave of it", (0, (1, 1.5)))
    peak = view.device.peak_bytes_per_s
    if peak and not any(row.result.traffic.link_bytes for row in shown):
        ceiling(drawing.ax, peak / 1e9, f"theoretical peak {units.rate(peak)}", measured=False)
        top = max(top, peak / 1e9)
    return top


def _roof(drawing: Drawing, x: Callable[[float], float], ys: dict[float, float], words: str, dash: Any) -> None:
    """A dashed line that the legend names: along the line a name would hide under the curves that reach it."""
    sizes = sorted(ys)
    drawing.ax.plot(
        [x(size) for size in sizes],
        [ys[size] for size in sizes],
        color=MUTED,
        linewidth=1.3,
        linestyle=dash,
        zorder=2.5,
    )
    drawing.legend.append(Entry(None, words, Look(MUTED, "", dash)))


def _bytes_vary(facet: Facet) -> bool:
    return len({useful(problem) for problem in facet.problems}) > 1


def _tick(facet: Facet, problem: Problem) -> str:
    moved = units.size(useful(problem))
    if facet.size is None:
        return moved
    words = worded(problem.axes[facet.size], facet.size)
    return f"{words}\n{moved}" if _bytes_vary(facet) else words
