"""Variants beside each other on one problem: a bar a series, the interval as a whisker, both roofs as lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kbench.reading import sectors, units
from kbench.reading.charts.drawing import Chart, Drawing
from kbench.reading.charts.slices import fastest, series_name
from kbench.reading.charts.style import INK, MUTED, PAPER, Look
from kbench.reading.charts.view import View, other_clock, tip, where
from kbench.reading.problem import Problem, worded
from kbench.reading.table import CLOCKS
from kbench.record.store import Stored

LONG = 30  # characters of a label in one line
MOST_BARS = 14
MOST_CHARTS = 3
FAR = 5  # a roof so many times above the fastest bar is named at the edge instead of drawn


def bar_charts(view: View) -> Iterator[Chart]:
    """One chart for each of the problems that compare most."""
    variants = any("variant" in problem.tuning for problem in view.comparisons)
    chosen = view.comparisons[: MOST_CHARTS if variants else 1]
    left_out = len(view.problems) - len(chosen)
    for index, problem in enumerate(chosen):
        others = "1 other problem is" if left_out == 1 else f"{left_out} other problems are"
        note = f"{others} in the table below." if index == 0 and left_out else ""
        yield _chart(view, problem, f"{view.stem}-variants-{index + 1}", note)


def _chart(view: View, problem: Problem, name: str, note: str) -> Chart:
    every = sorted(fastest(problem.ok).items(), key=lambda item: item[1].result.time_s or 0)
    rows = every[:MOST_BARS]
    labels = [label(problem, series, row) for series, row in rows]
    drawing, ax = bar_panel([in_two_lines(words) for words in labels], right=0.5)
    top = _top(view, rows)
    for place, (series, row) in enumerate(rows):
        _bar(drawing, place, view.looks[series], problem, row, top)
    ax.set_xlim(0, top * 1.02)
    scattered = any(sectors.of_roof(row.result) is not None for _, row in rows)
    ax.set_xlabel("GB/s · % of the measured roof" + (" (in whole sectors)" if scattered else ""))
    _draw_roofs(drawing, view, rows, top)
    notes = [note] if note else []
    if len(every) > len(rows):
        notes.insert(0, f"{len(every) - len(rows)} slower configurations are left out; the table has them.")
    if problem.clocks > 1:
        notes.insert(0, CLOCKS)
    subtitle = " · ".join([problem.label, where([row for _, row in rows])])
    told = [
        f"{words} {units.rate(row.result.achieved_bytes_per_s)}" for words, (_, row) in zip(labels, rows, strict=True)
    ]
    alt = f"Bars of achieved GB/s: {', '.join(told)}."
    return drawing.finish(name, f"{view.kernel}: variants", subtitle, " ".join(notes), alt)


def bar_panel(labels: list[str], right: float) -> tuple[Drawing, Any]:
    """A panel for horizontal bars with these names, of one or two lines each."""
    wide = max(len(line) for words in labels for line in words.split("\n"))
    step = 0.36 if any("\n" in words for words in labels) else 0.27
    left = min(2.3, 0.22 + wide * 0.066)
    drawing = Drawing(height_in=max(1.5, 0.9 + step * len(labels)), left=left, right=right)
    ax = drawing.ax
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.45, -0.55 - 0.22 / step)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    return drawing, ax


def in_two_lines(words: str) -> str:
    """A long label broken at the separator nearest to its middle."""
    breaks = [at for at in range(len(words)) if words.startswith(" · ", at)]
    if len(words) <= LONG or not breaks:
        return words
    at = min(breaks, key=lambda place: abs(place + 1.5 - len(words) / 2))
    return f"{words[:at]}\n{words[at + 3 :]}"


def label(problem: Problem, series: str, row: Stored) -> str:
    """The series, and of the other tuning axes those that have more than one value within it."""
    clock = other_clock([(problem, row)])
    if "variant" not in problem.tuning:
        return series + clock
    peers = [other.result.config.axes for other in problem.ok if series_name(other) == series]
    own = row.result.config.axes
    varying = [n for n in problem.tuning if n in own and n != "variant" and len({peer.get(n) for peer in peers}) > 1]
    return " · ".join([series + clock, *(f"{name} {worded(own[name], name)}" for name in varying)])


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
        words += f"  ·  {_share(result.of_roof)} %"
    if (share := sectors.of_roof(result)) is not None:
        words += f" ({_share(share)} %)"
    inside = low > (0.3 if len(words) < 20 else 0.4) * top
    drawing.text(
        low - 0.012 * top if inside else min(end, 0.75 * top) + 0.012 * top, place, words, va="center", fontsize=7.6,
        ha="right" if inside else "left", color=_readable_on(look.colour) if inside and not look.hollow else INK,
        zorder=4, bbox=None if inside else {"facecolor": PAPER, "linewidth": 0, "pad": 1},
    )  # fmt: skip
    for at in (0.15, 0.5, 0.85):
        drawing.hit(rate * at, place, tip(problem, row))


def _share(fraction: float) -> str:
    return f"{fraction * 100:.0f}" if fraction >= 0.01 else units.digits(fraction * 100, 1)


def _readable_on(colour: str) -> str:
    """Nearly white or nearly black, whichever stands out; neither is a colour that a dark page exchanges."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#fffffe" if 0.299 * red + 0.587 * green + 0.114 * blue < 145 else "#101011"


def _roofs(view: View, rows: list[tuple[str, Stored]]) -> list[tuple[float, str, Any]]:
    """(GB/s, name, dash) of the measured roof, of what whole sectors leave of it where access is scattered, and of the
    theoretical peak for what is no transfer."""
    result = rows[0][1].result
    peak = view.device.peak_bytes_per_s if not result.traffic.link_bytes else None
    left = sectors.reach(result)
    roofs: list[tuple[float, str, Any]] = [(result.roof.value / 1e9, "measured roof", "--")] if result.roof else []
    roofs += [(left / 1e9, "in sectors", (0, (1, 1.5)))] if left else []
    return [*roofs, (peak / 1e9, "peak", ":")] if peak else roofs


def _top(view: View, rows: list[tuple[str, Stored]]) -> float:
    """Where the axis ends, GB/s: at the roofs, unless they are so far away that no bar could be told from another."""
    best = max(row.result.achieved_bytes_per_s or 0 for _, row in rows) / 1e9
    best = max(best, (sectors.reach(rows[0][1].result) or 0) / 1e9)
    roofs = [value for value, _, _ in _roofs(view, rows)]
    near = [value for value in roofs if value < FAR * best]
    return max([best, *near]) if near or not roofs else best * 1.3


def _draw_roofs(drawing: Drawing, view: View, rows: list[tuple[str, Stored]], top: float) -> None:
    """Lines with their names above them: those before the last one end at their line, the last one begins there."""
    ax = drawing.ax
    roofs = sorted(_roofs(view, rows))
    near = [roof for roof in roofs if roof[0] <= top]
    for value, words, dash in near:
        last = value == near[-1][0] and len(near) > 1
        ax.axvline(value, color=MUTED, linewidth=1.1, linestyle=dash, zorder=1.5, ymax=1 - 0.1 / drawing.height_in)
        ax.annotate(
            words, (value, 1), (-3 if not last else 3, 0), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="left" if last else "right", va="top", fontsize=7.4, color=MUTED,
            bbox={"facecolor": PAPER, "linewidth": 0, "pad": 0.5},
        )  # fmt: skip
    if len(near) < len(roofs) and not any(words == "measured roof" for _, words, _ in near):
        value, words, _ = roofs[len(near)]
        ax.annotate(
            f"{words} {units.rate(value * 1e9)} →", (1, 1), (-3, 0), xycoords="axes fraction",
            textcoords="offset points", ha="right", va="top", fontsize=7.4, color=MUTED,
        )  # fmt: skip
