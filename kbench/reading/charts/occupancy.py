"""Theoretical occupancy over block size, registers and shared memory, with where a kernel stands marked: one picture of
three panels, which stands alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kbench.machine.fits import Fit
from kbench.machine.occupancy import MOST_REGISTERS, MOST_THREADS, WARP, Footprint, occupancy
from kbench.reading import units
from kbench.reading.charts.style import MUTED, PAPER, Look, applied, look

MOST_SERIES = 8
_WIDTH_IN, _PANEL_IN, _ROW_IN, _HEAD_IN = 6.4, 2.2, 0.2, 0.62
_KIB = 1024


@dataclass(frozen=True)
class _Axis:
    """xs: what it can be for a kernel; of: what a footprint has; change: the footprint that has x; scale: of its
    labels."""

    label: str
    xs: Callable[[Fit], Sequence[int]]
    of: Callable[[Footprint], int]
    change: Callable[[Footprint, int], Footprint]
    scale: int = 1
    step: str = "steps-mid"


_AXES = (
    _Axis(
        "threads in a block", lambda fit: range(WARP, MOST_THREADS + 1, WARP), lambda f: f.threads,
        lambda f, n: Footprint(n, f.registers, f.shared_bytes), step="default",
    ),
    _Axis(
        "registers of a thread", lambda fit: range(1, MOST_REGISTERS + 1), lambda f: f.registers,
        lambda f, n: Footprint(f.threads, n, f.shared_bytes),
    ),
    _Axis(
        "shared memory of a block, KiB", lambda fit: range(0, fit.limits.block_shared_bytes + 1, 512),
        lambda f: f.shared_bytes, lambda f, n: Footprint(f.threads, f.registers, n), _KIB,
    ),
)  # fmt: skip


def series(fits: Sequence[Fit]) -> list[tuple[str, Fit]]:
    """What can be drawn, with its name: kernels that need the same are one curve, and those that fit worst come
    first."""
    alike: dict[tuple[str, Footprint], list[Fit]] = {}
    for fit in sorted(fits, key=lambda fit: fit.occupancy.share):
        alike.setdefault((fit.arch, fit.footprint), []).append(fit)
    archs = {fit.arch for fit in fits}
    return [(_label(group, len(archs) > 1), group[0]) for group in alike.values()]


def _label(group: Sequence[Fit], with_arch: bool) -> str:
    first, needs = group[0], group[0].footprint
    more = f" and {len(group) - 1} more" if len(group) > 1 else ""
    shared = [f"{units.size(needs.shared_bytes)} shared"] if needs.shared_bytes else []
    known = [f"{needs.threads} threads", f"{needs.registers} registers", *shared]
    return " · ".join([*([first.arch] if with_arch else []), f"{first.entry}{more}", *known])


def spread(every: Sequence[tuple[str, Fit]]) -> list[tuple[str, Fit]]:
    """As many as can be told apart, from the one that fits worst to the one that fits best."""
    if len(every) <= MOST_SERIES:
        return list(every)
    return [every[round(i * (len(every) - 1) / (MOST_SERIES - 1))] for i in range(MOST_SERIES)]


def picture(fits: Sequence[Fit]) -> bytes:
    """A PNG. In each panel a curve says what one number does, all else being as compiled; the marker is the kernel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    every = series(fits)
    shown = spread(every)
    below = _ROW_IN * (len(shown) + (len(every) > len(shown)))
    height = _HEAD_IN + _PANEL_IN * len(_AXES) + below
    with applied():
        figure = Figure(figsize=(_WIDTH_IN, height), facecolor=PAPER)
        FigureCanvasAgg(figure)
        for place, axis in enumerate(_AXES):
            bottom = height - _HEAD_IN - _PANEL_IN * (place + 1) + 0.52
            _panel(figure.add_axes((0.11, bottom / height, 0.86, (_PANEL_IN - 0.6) / height)), axis, shown)
        what = "Theoretical occupancy" + (f" on {fits[0].arch}" if len({fit.arch for fit in fits}) == 1 else "")
        figure.text(0.02, 1 - 0.2 / height, what, fontsize=10.5, fontweight="bold", va="center")
        under = "one thing changes along a curve, all else is as compiled; the marker is the kernel"
        figure.text(0.02, 1 - 0.42 / height, under, fontsize=7.8, color=MUTED, va="center")
        _legend(figure, [name for name, _ in shown], len(every) - len(shown))
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=130, facecolor=PAPER, metadata={"Software": "kbench"})
    return drawn.getvalue()


def _panel(ax: Any, axis: _Axis, shown: Sequence[tuple[str, Fit]]) -> None:
    for index, (_, fit) in enumerate(shown):
        how, xs = look(index), list(axis.xs(fit))
        shares = [occupancy(fit.limits, axis.change(fit.footprint, x)).share * 100 for x in xs]
        ax.plot(
            [x / axis.scale for x in xs], shares, color=how.colour, linestyle=how.dash, drawstyle=axis.step,
            linewidth=2.6 - 0.22 * index, zorder=2,  # so that of two on one line both are seen
        )  # fmt: skip
        here = axis.of(fit.footprint) / axis.scale
        ax.plot([here], [fit.occupancy.share * 100], marker=how.marker, markersize=7, color=how.colour,
                markeredgecolor=PAPER, zorder=4, clip_on=False)  # fmt: skip
    ax.set_ylim(0, 105)
    ax.set_xlim(0, max(max(axis.xs(fit)) for _, fit in shown) / axis.scale * 1.02)
    ax.set_xlabel(axis.label)
    ax.set_ylabel("occupancy, %")


def _legend(figure: Any, names: Sequence[str], left_out: int) -> None:
    from matplotlib.lines import Line2D

    def handle(how: Look, name: str) -> Line2D:
        return Line2D([], [], color=how.colour, linestyle=how.dash, marker=how.marker, label=name, markersize=5)

    handles = [handle(look(index), name) for index, name in enumerate(names)]
    if left_out:
        handles.append(Line2D([], [], linestyle="", label=f"{left_out} more are left out; the table has them"))
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.09, 0.0), ncols=1, borderaxespad=0.2)
