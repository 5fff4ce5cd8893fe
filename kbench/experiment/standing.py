"""Who is best, who is tied and by how much: from the intervals of two centres, or from times taken in pairs."""

from __future__ import annotations

from collections.abc import Sequence

from kbench.experiment.result import Place, Standing
from kbench.experiment.stats import Z99, Center, center

TIE = 0.01
"""A tie spans at most this: whoever is further behind is behind, however wide the intervals are."""
SAME = 0.0025
"""Nobody is called slower for less than this, because the next process may differ by as much."""


def by_intervals(mine: Center, best: Center, place: Place | None = None) -> Standing:
    """Standing of one centre beside the best one. The interval of the gap is the widest that the two intervals allow.
    place: where it is known."""
    low = mine.low / best.high - 1
    high = mine.high / best.low - 1 if best.low > 0 else float("inf")
    gap = mine.value / best.value - 1
    return Standing(place or _place(low, gap), gap, low, high, "intervals")


def by_pairs(times: Sequence[float], best: Sequence[float], tick_s: float = 0.0, samples: int = 1) -> Standing:
    """Standing by the relative differences of times that were taken in pairs: their Hodges-Lehmann centre with its
    99 % interval, which is the more cautious one because it is looked at more than once.

    samples: that each time is the mean of; with `tick_s`, that of the clock, they bound the interval from below.
    """
    paired = list(zip(times, best, strict=False))  # one may have left before the other
    found = center([mine / its - 1 for mine, its in paired], Z99)
    least = Z99 * tick_s / (6 * len(paired) * samples) ** 0.5 / paired[0][1]  # of the difference of two such means
    low, high = min(found.low, found.value - least), max(found.high, found.value + least)
    return Standing(_place(low, found.value), found.value, low, high, "pairs")


def decided(standing: Standing) -> bool:
    """Whether more pairs would change nothing: apart for certain, or as good as equal for certain."""
    apart = standing.gap_low > SAME
    equal = standing.gap_low > -SAME and standing.gap_high < SAME
    return apart or equal or standing.gap_low > TIE


def _place(low: float, gap: float) -> Place:
    return "tied" if low <= SAME and gap <= TIE else "behind"
