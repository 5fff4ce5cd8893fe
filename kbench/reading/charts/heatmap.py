"""A heat map over two axes: the fastest configuration in each cell, its bandwidth written in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kbench.intent.config import Value, format_value
from kbench.reading import units
from kbench.reading.charts.drawing import Chart, Drawing
from kbench.reading.charts.style import MUTED, PAPER
from kbench.reading.charts.view import View, tip, where
from kbench.reading.problem import Problem, worded
from kbench.record.store import Stored

MOST_CELLS = 14  # along each axis

Cell = tuple[Problem, Stored]


def heat_charts(view: View) -> Iterator[Chart]:
    """One chart over the two tuning axes with most values on the largest problem; where only one tuning axis varies,
    over it and the size."""
    facet = view.facets[0]
    largest = max(facet.problems, key=lambda p: len(p.ok))
    largest = max((p for p in facet.problems if len(p.ok) == len(largest.ok)), key=view.x)
    tuning = _varying([row.result.config.axes for row in largest.ok], view)
    if len(tuning) >= 2:
        cells = [(largest, row) for row in largest.ok]
        yield _chart(view, cells, tuning[0], tuning[1], largest.label)
    elif tuning and view.size and len(facet.problems) > 1:
        cells = [(problem, row) for problem in facet.problems for row in problem.ok]
        yield _chart(view, cells, tuning[0], view.size, facet.label)


def _varying(axes: list[dict[str, Value]], view: View) -> list[str]:
    """Tuning axes with two values or more: the variant first, then by their number of values."""
    tuning = max((problem.tuning for problem in view.problems), key=len)
    counts = {name: len({point[name] for point in axes if name in point}) for name in tuning}
    several = [name for name in tuning if counts[name] > 1]
    return sorted(several, key=lambda name: (name != "variant", -counts[name]))


def _chart(view: View, cells: list[Cell], down: str, across: str, fixed: str) -> Chart:
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
    labels = [format_value(value) for value in rows]
    left = min(1.9, 0.5 + max(len(label) for label in labels) * 0.066)
    drawing = Drawing(height_in=max(1.6, 0.9 + 0.33 * len(rows)), left=left, right=0.85)
    _draw(drawing, best, len(rows), len(columns))
    drawing.ax.set_yticks(range(len(rows)), labels)
    drawing.ax.set_xticks(range(len(columns)), [worded(value) for value in columns])
    drawing.ax.set_xlabel(across)
    drawing.ax.set_ylabel(down)
    notes = [f"{n} values of {name} are left out." for n, name in zip(cut, (down, across), strict=True) if n]
    if len(whole) < len(cells):
        missing = across if down == "variant" else down
        notes.append(f"Baselines, which have no {missing}, are left out.")
    subtitle = " · ".join(filter(None, [fixed, where([row for _, row in best.values()])]))
    alt = f"Heat map of achieved GB/s over {down} and {across}, {len(best)} cells."
    title = f"{view.kernel}: {down} by {across}"
    return drawing.finish(f"{view.stem}-heat", title, subtitle, " ".join(notes), alt)


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
