"""A heat map over two axes: the fastest configuration in each cell, its bandwidth written in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kbench.intent.config import Value, format_value
from kbench.reading import units
from kbench.reading.charts.drawing import Chart, Drawing
from kbench.reading.charts.slices import series_name
from kbench.reading.charts.style import MUTED, PAPER
from kbench.reading.charts.view import View, tip, where
from kbench.reading.problem import Problem, worded
from kbench.record.store import Stored

MOST_CELLS = 14  # along each axis
FEWEST_CELLS = 6

Cell = tuple[Problem, Stored]
Heat = tuple[list[Cell], str, str, str, str]  # cells, down, across, title, what is fixed


def heat_charts(view: View) -> Iterator[Chart]:
    """Two charts at most, on the problem that compares most: the variants over the axis that most of them are tuned
    along, and the fastest variant that is tuned along two axes, over the two with most values. Where neither can be
    drawn, what is tuned along one axis, over that and the size."""
    problem = next(iter(view.comparisons), None) or max(view.problems, key=lambda p: len(p.ok))
    charts = [*_variants(view, problem), *_tuned(view, problem)] or _by_size(view)
    for index, (cells, down, across, title, fixed) in enumerate(charts):
        name = f"{view.stem}-heat" + (f"-{index + 1}" if index else "")
        yield _chart(view, cells, down, across, name, title, fixed)


def _variants(view: View, problem: Problem) -> list[Heat]:
    """Variant by the tuning axis that most variants share, of those the one with most values."""
    if "variant" not in problem.tuning:
        return []
    groups = _groups(problem)
    counts = {
        name: [n for n in (len(_values(rows, name)) for rows in groups.values()) if n > 1] for name in problem.tuning
    }
    shared = {name: (len(n), sum(n)) for name, n in counts.items() if name != "variant" and len(n) > 1}
    if not shared:
        return []
    across = max(shared, key=lambda name: shared[name])
    if len(_values(problem.ok, across)) * len(groups) < FEWEST_CELLS:
        return []
    return [([(problem, row) for row in problem.ok], "variant", across, f"variant by {across}", problem.label)]


def _tuned(view: View, problem: Problem) -> list[Heat]:
    for series, rows in sorted(_groups(problem).items(), key=lambda item: min(r.result.time_s or 0 for r in item[1])):
        counts = {name: len(_values(rows, name)) for name in problem.tuning if name != "variant"}
        down, across = (*sorted(counts, key=lambda name: counts[name], reverse=True), "", "")[:2]
        if across and counts[across] > 1 and counts[down] * counts[across] >= FEWEST_CELLS:
            what = f"{series}: " if "variant" in problem.tuning else ""
            return [([(problem, row) for row in rows], down, across, f"{what}{down} by {across}", problem.label)]
    return []


def _by_size(view: View) -> list[Heat]:
    for facet in view.facets:
        rows = [(problem, row) for problem in facet.problems for row in problem.ok]
        names = dict.fromkeys(name for problem in facet.problems for name in problem.tuning)
        counts = {name: len(_values([row for _, row in rows], name)) for name in names if name != "variant"}
        down = max(counts, key=lambda name: counts[name], default="")
        if facet.size and down and counts[down] > 1 and counts[down] * facet.sizes >= FEWEST_CELLS:
            return [(rows, down, facet.size, f"{down} by {facet.size}", facet.label)]
    return []


def _groups(problem: Problem) -> dict[str, list[Stored]]:
    """Rows by variant; all of them where there is none."""
    groups: dict[str, list[Stored]] = {}
    for row in problem.ok:
        groups.setdefault(format_value(row.result.config.axes.get("variant", "")), []).append(row)
    return groups


def _values(rows: Sequence[Stored], name: str) -> set[Value]:
    return {row.result.config.axes[name] for row in rows if name in row.result.config.axes}


def _chart(view: View, cells: list[Cell], down: str, across: str, name: str, title: str, fixed: str) -> Chart:
    whole = [(p, row) for p, row in cells if down in _axes(p, row) and across in _axes(p, row)]
    rows = _ordered(whole, down, view)
    columns = _ordered(whole, across, view)
    cut = max(len(rows) - MOST_CELLS, 0), max(len(columns) - MOST_CELLS, 0)
    rows, columns = rows[:MOST_CELLS], columns[-MOST_CELLS:]
    best: dict[tuple[int, int], Cell] = {}
    for problem, row in whole:
        place = _axes(problem, row)
        if place[down] in rows and place[across] in columns:
            key = rows.index(place[down]), columns.index(place[across])
            if key not in best or (row.result.time_s or 0) < (best[key][1].result.time_s or 0):
                best[key] = problem, row
    labels = [worded(value, down) for value in rows]
    left = min(1.9, 0.5 + max(len(label) for label in labels) * 0.066)
    drawing = Drawing(height_in=max(1.6, 0.9 + 0.33 * len(rows)), left=left, right=0.85)
    _draw(drawing, best, len(rows), len(columns))
    drawing.ax.set_yticks(range(len(rows)), labels)
    drawing.ax.set_xticks(range(len(columns)), [worded(value, across) for value in columns])
    drawing.ax.set_xlabel(across)
    drawing.ax.set_ylabel(down)
    notes = [f"{n} values of {axis} are left out." for n, axis in zip(cut, (down, across), strict=True) if n]
    if down == "variant":
        gone = {series_name(row) for _, row in cells} - {format_value(value) for value in rows}
        if gone:
            notes.append(f"{', '.join(sorted(gone))}: no {across} to choose.")
    subtitle = " · ".join(filter(None, [fixed, where([row for _, row in best.values()])]))
    alt = f"Heat map of achieved GB/s over {down} and {across}, {len(best)} cells."
    return drawing.finish(name, f"{view.kernel}: {title}", subtitle, " ".join(notes), alt)


def _axes(problem: Problem, row: Stored) -> dict[str, Value]:
    return problem.axes | row.result.config.axes


def _ordered(cells: list[Cell], name: str, view: View) -> list[Value]:
    values = {_axes(problem, row)[name] for problem, row in cells}
    if name == "variant":
        known = list(view.looks)
        return sorted(values, key=lambda v: known.index(format_value(v)) if format_value(v) in known else len(known))
    return sorted(values, key=lambda v: (isinstance(v, str), v if not isinstance(v, str) else 0, str(v)))


def _draw(drawing: Drawing, best: dict[tuple[int, int], Cell], rows: int, columns: int) -> None:
    from matplotlib import colormaps

    ax = drawing.ax
    grid: Any = np.full((rows, columns), np.nan)
    for (y, x), (_, row) in best.items():
        grid[y, x] = (row.result.achieved_bytes_per_s or 0) / 1e9
    palette = colormaps["viridis"]
    high = float(np.nanmax(grid))
    low = min(float(np.nanmin(grid)), 0.5 * high)
    mesh = ax.pcolormesh(
        np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5, np.ma.masked_invalid(grid), cmap=palette, vmin=low,
        vmax=high, edgecolors=PAPER, linewidth=1.5,
    )  # fmt: skip
    ax.set_ylim(rows - 0.5, -0.5)
    ax.grid(visible=False)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    for (y, x), (problem, row) in best.items():
        shade = (grid[y, x] - low) / (high - low) if high > low else 1.0
        words = units.digits(grid[y, x], 3) if grid[y, x] < 100 else f"{grid[y, x]:.0f}"
        size = 7.8 if columns <= 9 else 6.4
        drawing.text(
            x, y, words, ha="center", va="center", fontsize=size, color="#101011" if shade > 0.55 else "#fffffe"
        )
        drawing.hit(x, y, tip(problem, row))
    _key(drawing, palette, low, high)
    del mesh


def _key(drawing: Drawing, palette: Any, low: float, high: float) -> None:
    """A colour key of a few steps at the right: light in SVG, where a smooth one would be hundreds of shapes."""
    from matplotlib.patches import Rectangle

    ax, steps = drawing.ax, 12
    for step in range(steps):
        patch = Rectangle(
            (1.03, 0.02 + 0.88 * step / steps), 0.03, 0.885 / steps, transform=ax.transAxes, clip_on=False, linewidth=0,
            facecolor=palette(step / (steps - 1)),
        )  # fmt: skip
        ax.add_patch(patch)
    for y, words, place in (
        (0.02, units.digits(low, 2), "bottom"),
        (0.9, units.digits(high, 2), "top"),
        (0.93, "GB/s", "bottom"),
    ):
        drawing.text(1.075 if words != "GB/s" else 1.03, y, words, transform=ax.transAxes, va=place, color=MUTED)
