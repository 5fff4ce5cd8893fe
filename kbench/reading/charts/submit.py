"""Submitting and completing, apart: how long the host is busy with an operation, and how long until it is done."""

from __future__ import annotations

from collections.abc import Iterator

from kbench.reading import units
from kbench.reading.charts.bars import bar_panel, in_two_lines, label
from kbench.reading.charts.drawing import Chart
from kbench.reading.charts.slices import fastest
from kbench.reading.charts.style import INK
from kbench.reading.charts.view import View, tip, where
from kbench.reading.problem import Problem
from kbench.reading.table import submitted


def submit_charts(view: View) -> Iterator[Chart]:
    """Two charts at most, where every row has a submit time."""
    for index, problem in enumerate(_chosen(view)):
        rows = sorted(fastest(problem.ok).items(), key=lambda item: item[1].result.time_s or 0)
        drawing, ax = bar_panel([in_two_lines(label(problem, series, row)) for series, row in rows], right=0.3)
        scale, unit = _unit(max(row.result.time_s or 0.0 for _, row in rows))
        longest = max(row.result.time_s or 0.0 for _, row in rows) * scale
        for place, (series, row) in enumerate(rows):
            whole, submit = (row.result.time_s or 0.0) * scale, (submitted(row.result) or 0.0) * scale
            colour = view.looks[series].colour
            ax.barh(place, whole, height=0.62, color=colour, alpha=0.3, linewidth=0, zorder=2)
            ax.barh(place, min(submit, whole), height=0.62, color=colour, linewidth=0, zorder=2)
            words = f"{units.duration(submitted(row.result))} of {units.duration(row.result.time_s)}"
            drawing.text(whole + 0.012 * longest, place, words, va="center", fontsize=7.6, color=INK)
            for share in (0.15, 0.5, 0.85):
                drawing.hit(whole * share, place, tip(problem, row))
        ax.set_xlim(0, longest * 1.42)  # room for the words
        ax.set_xlabel(f"{unit}; full colour: until all is submitted")
        told = ", ".join(f"{series} {units.duration(submitted(row.result))}" for series, row in rows)
        subtitle = " · ".join([problem.label, where([row for _, row in rows])])
        title = f"{view.kernel}: submit and completion"
        yield drawing.finish(f"{view.stem}-submit-{index + 1}", title, subtitle, alt=f"Submit times: {told}.")


def _chosen(view: View) -> list[Problem]:
    """The problem that compares most, and of the others with as many series the one with the largest submit share."""
    timed = [p for p in view.comparisons if all(submitted(row.result) is not None for row in p.ok)]
    others = [p for p in timed[1:] if len(fastest(p.ok)) == len(fastest(timed[0].ok))]
    return [*timed[:1], *sorted(others, key=_share, reverse=True)[:1]]


def _share(problem: Problem) -> float:
    return max((submitted(row.result) or 0.0) / (row.result.time_s or 1.0) for row in problem.ok)


def _unit(seconds: float) -> tuple[float, str]:
    return next(((scale, unit) for scale, unit in ((1.0, "s"), (1e3, "ms")) if seconds * scale >= 1), (1e6, "µs"))
