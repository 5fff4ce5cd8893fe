"""Scales and ticks that keep their labels apart, and labels that keep off each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil, floor, log2, log10
from typing import Any

from matplotlib.ticker import NullLocator

from kbench.reading import units
from kbench.reading.charts.style import MUTED, PAPER

_CHARACTER = 0.6  # average width of a character over the font's size
_APART = 1.02  # sizes nearer than this would lie on each other on a log scale


def scale_x(ax: Any, values: Sequence[float], label: Callable[[float], str]) -> Callable[[float], float]:
    """Ticks at the values themselves: on a log scale where they span much and none hides another, else evenly spaced.
    Returns value -> x."""
    values = sorted(set(values))
    apart = all(high >= low * _APART for low, high in pairwise(values))
    log = values[0] > 0 and values[-1] / values[0] >= 8 and apart
    place: dict[float, float] = {value: value if log else float(index) for index, value in enumerate(values)}
    if log:
        ax.set_xscale("log", base=2)
        ax.set_xlim(values[0] / 1.35, values[-1] * 1.35)
    else:
        ax.set_xlim(-0.4, len(values) - 0.6)
    labels = {value: label(value) for value in values}
    width = {value: max(map(len, words.split("\n"))) * 8 * _CHARACTER for value, words in labels.items()}
    spot = {value: float(ax.transData.transform((place[value], 0))[0]) * 72 / ax.figure.dpi for value in values}
    shown = [values[-1]]  # the largest always has its label, the others where there is room
    for value in reversed(values[:-1]):
        if spot[shown[-1]] - spot[value] > (width[value] + width[shown[-1]]) / 2 + 4:
            shown.append(value)
    ax.set_xticks([place[value] for value in shown], [labels[value] for value in shown])
    ax.minorticks_off()
    return place.__getitem__


def log_ticks(axis: Any, low: float, high: float, label: Callable[[float], str] | None = None) -> None:
    """Ticks at decades, or at 1, 2 and 5 times them where the range is short; label: engineering() by default."""
    decades = [10.0**power for power in range(floor(log10(low)), ceil(log10(high)) + 1)]
    inside = [value for value in decades if low <= value <= high]
    if len(inside) < 3:
        inside = [value * step for value in decades for step in (1, 2, 5) if low <= value * step <= high]
    axis.set_ticks(inside, labels=[(label or engineering)(value) for value in inside])
    axis.set_minor_locator(NullLocator())


def even_ticks(axis: Any, low: float, high: float) -> None:
    """Ticks of bytes at powers of two, at most eight."""
    powers = range(ceil(log2(low)), floor(log2(high)) + 1)
    step = max(1, -(-len(powers) // 8))
    shown = [2.0**power for power in powers[::step]]
    axis.set_ticks(shown, labels=[units.size(value) for value in shown])
    axis.set_minor_locator(NullLocator())


def engineering(value: float) -> str:
    """20 G, 0.5, 1 T."""
    for prefix, scale in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return f"{value / scale:g} {prefix}"
    return f"{value:g} "


def share_rate(ax: Any, top: float, best: float, lowest: float) -> None:
    """A GB/s axis from 0 to the highest roof; logarithmic where the roof is so far above `best` (the fastest kernel)
    that the curves would lie on the axis."""
    if best * 8 < top and lowest > 0:
        ax.set_yscale("log")
        ax.set_ylim(lowest / 1.6, top * 1.8)
        log_ticks(ax.yaxis, lowest / 1.6, top * 1.8, lambda value: f"{value:g}")
    else:
        ax.set_ylim(0, top * 1.1)
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_ylabel("achieved bandwidth, GB/s")


def place_labels(
    ax: Any, points: Sequence[tuple[float, float, str]], marks: Sequence[tuple[float, float]], most: int = 14
) -> int:
    """Label points (data coordinates) where there is room beside them; returns how many had none. marks: all that is
    drawn as a point.

    A label that would cover a mark or another label is left away: the point still tells when it is pointed at.
    """
    dpi, size = ax.figure.dpi, 7.5
    spots = [ax.transData.transform((x, y)) * 72 / dpi for x, y, _ in points]
    box = ax.get_window_extent().extents * 72 / dpi
    drawn = [ax.transData.transform(mark) * 72 / dpi for mark in marks]
    taken: list[tuple[float, ...]] = [(x - 4, y - 4, x + 4, y + 4) for x, y in drawn]
    taken += [area for text in ax.texts for area in _areas(text, 72 / dpi)]
    placed = 0
    for (px, py), (x, y, words) in zip(spots, points, strict=True):
        width, height = len(words) * size * _CHARACTER, size * 1.15
        for dx, dy in ((7, -height / 2), (-7 - width, -height / 2), (-width / 2, 7), (-width / 2, -7 - height)):
            area = (px + dx, py + dy, px + dx + width, py + dy + height)
            if placed < most and _inside(area, box) and not any(_overlap(area, other) for other in taken):
                ax.annotate(
                    words, (x, y), (dx, dy + height / 2), textcoords="offset points", fontsize=size, va="center",
                    bbox={"facecolor": PAPER, "alpha": 0.7, "linewidth": 0, "pad": 0.5}, zorder=2.8,
                )  # fmt: skip
                taken.append(area)
                placed += 1
                break
    return len(points) - placed


def _areas(text: Any, scale: float) -> list[tuple[float, ...]]:
    """Boxes that cover a text; a slanted one (which rises) is covered by small ones along its diagonal."""
    x0, y0, x1, y1 = (float(value) for value in text.get_window_extent().extents * scale)
    if not text.get_rotation():
        return [(x0, y0, x1, y1)]
    spots = [(x0 + (x1 - x0) * step / 9, y0 + (y1 - y0) * step / 9) for step in range(10)]
    return [(x - 4, y - 4, x + 4, y + 4) for x, y in spots]


def _inside(area: tuple[float, ...], box: Sequence[float]) -> bool:
    return area[0] >= box[0] and area[1] >= box[1] and area[2] <= box[2] and area[3] <= box[3]


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def ceiling(ax: Any, y: float, words: str, *, x: float = 0.012, measured: bool = True, below: bool = False) -> None:
    """A horizontal roof over the whole panel with its name; x: where the name starts, as a share of the width."""
    ax.axhline(y, color=MUTED, linewidth=1.1, linestyle="--" if measured else ":", zorder=1.5)
    ax.annotate(
        words, (x, y), (0, -3 if below else 3), xycoords=("axes fraction", "data"), textcoords="offset points",
        fontsize=7.8, color=MUTED, va="top" if below else "bottom", ha="left" if x < 0.5 else "right",
    )  # fmt: skip
