"""How charts look: colours that a colour-blind reader can tell apart, markers and dashes for more series than colours.

In SVG every colour below becomes a CSS variable, so that one drawing serves light and dark pages.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

INK, MUTED, GRID, PAPER = "#1c2530", "#5f6b7a", "#e2e6eb", "#ffffff"

# Okabe and Ito's colours without yellow (too faint on white), and four more of similar weight.
COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6a51a3", "#8a8d00", "#8c510a", "#6b7280",
)  # fmt: skip
MARKERS = "osD^vPX*ph"
# The same markers as SVG paths in a box of 8 by 8 around the origin, for legends in HTML.
MARKER_PATHS = {
    "o": "M-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0z",
    "s": "M-3.2-3.2h6.4v6.4h-6.4z",
    "D": "M0-4.2L4.2 0L0 4.2L-4.2 0z",
    "^": "M0-4L3.9 3.2H-3.9z",
    "v": "M0 4L3.9-3.2H-3.9z",
    "P": "M-1.4-4h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6v-2.8h2.6z",
    "X": "M-2-4L0-2L2-4L4-2L2 0L4 2L2 4L0 2L-2 4L-4 2L-2 0L-4-2z",
    "*": "M0-4.4L1.1-1.4L4.2-1.4L1.7.5L2.6 3.6L0 1.8L-2.6 3.6L-1.7.5L-4.2-1.4L-1.1-1.4z",
    "p": "M0-4L3.8-1.2L2.4 3.2H-2.4L-3.8-1.2z",
    "h": "M0-4L3.5-2V2L0 4L-3.5 2V-2z",
}
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.2, 1.2, 1.2)))

VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--card"} | {
    colour: f"--s{index}" for index, colour in enumerate(COLOURS)
}

RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "kbench",
}


def applied() -> AbstractContextManager[None]:
    """matplotlib's settings while charts are drawn; global ones are left as they were."""
    from matplotlib import rc_context

    context: AbstractContextManager[None] = rc_context(RC)
    return context


@dataclass(frozen=True)
class Look:
    """How one series is drawn; the same in every chart of its kernel."""

    colour: str
    marker: str
    dash: Any = "-"
    hollow: bool = False


def look(index: int, baseline: bool = False) -> Look:
    """The index-th series: ten colours, each with its marker; the next ten dashed, with other markers, and so on.
    Baselines are drawn in ink, dashed and hollow, so that they are never taken for a kernel."""
    if baseline:
        return Look(MUTED, MARKERS[(index + 1) % len(MARKERS)], DASHES[1], hollow=True)
    turn, place = divmod(index, len(COLOURS))
    return Look(COLOURS[place], MARKERS[(place + 3 * turn) % len(MARKERS)], DASHES[turn % len(DASHES)])
