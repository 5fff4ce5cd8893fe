"""Bandwidth against size: a line a variant (its fastest configuration at each size), under both roofs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kbench.reading import units
from kbench.reading.charts.axes import ceiling, scale_x, share_rate
from kbench.reading.charts.drawing import Chart, Drawing
from kbench.reading.charts.style import MUTED
from kbench.reading.charts.view import Facet, View, fastest, series_name, tip, useful, where
from kbench.reading.problem import Problem, worded
from kbench.reading.size_curves import draw
from kbench.record.store import Stored

MOST_SERIES = 10
MOST_FACETS = 4


def size_charts(view: View) -> Iterator[Chart]:
    """One chart a facet that has two sizes or more."""
    curves = [facet for facet in view.facets if len({view.x(p) for p in facet.problems}) > 1]
    for index, facet in enumerate(curves[:MOST_FACETS]):
        rest = len(curves) - MOST_FACETS
        note = f"{rest} more such charts are left out; the table has their rows." if index == 0 and rest > 0 else ""
        yield _chart(view, facet, f"{view.stem}-size-{index + 1}", note)


def _chart(view: View, facet: Facet, name: str, note: str) -> Chart:
    drawing = Drawing(bottom=0.62 if _bytes_vary(facet) and view.size else 0.48)
    ax = drawing.ax
    at = {view.x(problem): problem for problem in facet.problems}
    x = scale_x(ax, list(at), lambda value: _tick(view, facet, at[value]))
    ax.set_xlabel(
        f"{view.size} (and useful bytes)" if view.size and _bytes_vary(facet) else view.size or "useful bytes"
    )
    points = _points(view, facet)
    kept = sorted(points, key=lambda name: -max(row.result.achieved_bytes_per_s or 0 for _, row in points[name]))[
        :MOST_SERIES
    ]
    shown: list[Stored] = []
    for label in (name for name in view.looks if name in kept):
        series = drawing.series(label, view.looks[label])
        rows = points[label]
        shown += [row for _, row in rows]
        drawing.line(
            series,
            [x(view.x(problem)) for problem, _ in rows],
            [(row.result.achieved_bytes_per_s or 0) / 1e9 for _, row in rows],
            [tip(problem, row) for problem, row in rows],
        )
    top = _roofs(drawing, view, facet, x, shown)
    curve = draw(drawing, points, {problem.name: x(value) for value, problem in at.items()})
    note = " ".join(filter(None, [note, curve]))
    own = [_rate(row) / 1e9 for row in shown if not view.looks[series_name(row)].hollow]
    share_rate(ax, top, max(own, default=top), min(_rate(row) for row in shown) / 1e9)
    left_out = len(points) - len(kept)
    notes = [note] if note else []
    if left_out:
        notes.insert(0, f"{left_out} slower series of {len(points)} are left out; the table has them.")
    title = f"{view.kernel}: bandwidth against {view.size or 'size'}"
    subtitle = " · ".join(filter(None, [facet.label, where(shown)]))
    alt = f"Lines of achieved GB/s for {', '.join(kept)} over {len(at)} sizes."
    return drawing.finish(name, title, subtitle, " ".join(notes), alt)


def _points(view: View, facet: Facet) -> dict[str, list[tuple[Problem, Stored]]]:
    """For each series its fastest row at each size, by rising size."""
    points: dict[str, dict[float, tuple[Problem, Stored]]] = {}
    for problem in facet.problems:
        for label, row in fastest(problem.ok).items():
            at = points.setdefault(label, {})
            kept = at.get(view.x(problem))
            if kept is None or _rate(row) > _rate(kept[1]):
                at[view.x(problem)] = problem, row
    return {label: [at[value] for value in sorted(at)] for label, at in points.items()}


def _rate(row: Stored) -> float:
    return row.result.achieved_bytes_per_s or 0.0


def _roofs(drawing: Drawing, view: View, facet: Facet, x: Callable[[float], float], shown: list[Stored]) -> float:
    """Draw the theoretical peak and the measured roof at each size; returns the highest value of the chart, GB/s."""
    ax = drawing.ax
    top = max(_rate(row) for row in shown) / 1e9
    peak = view.device.peak_bytes_per_s
    roofs = {view.x(p): p.best.result.roof for p in facet.problems if p.best and p.best.result.roof}
    if roofs:
        xs = sorted(roofs)
        ys = [roofs[value].value / 1e9 for value in xs]
        ax.plot([x(value) for value in xs], ys, color=MUTED, linewidth=1.2, linestyle="--", zorder=2)
        kind = roofs[xs[-1]].kind
        above = [_rate(row) / 1e9 for row in shown] + ([peak / 1e9] if peak else [])
        crowded = any(ys[-1] < value < ys[-1] * 1.06 for value in above)
        ax.annotate(
            f"measured roof ({kind})", (x(xs[-1]), ys[-1]), (0, -5 if crowded else 5), textcoords="offset points",
            fontsize=7.8, color=MUTED, ha="right", va="top" if crowded else "bottom",
        )  # fmt: skip
        top = max(top, *ys)
    transfers = any(row.result.traffic.link_bytes for row in shown)
    if peak and not transfers:
        ceiling(ax, peak / 1e9, f"theoretical peak {units.rate(peak)}", measured=False)
        top = max(top, peak / 1e9)
    return top


def _bytes_vary(facet: Facet) -> bool:
    return len({useful(problem) for problem in facet.problems}) > 1


def _tick(view: View, facet: Facet, problem: Problem) -> str:
    moved = units.size(useful(problem))
    if view.size is None:
        return moved
    value = problem.axes[view.size]
    words = worded(value)
    return f"{words}\n{moved}" if _bytes_vary(facet) else words
