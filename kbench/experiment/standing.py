"""Who is best, who is tied and by how much: from the intervals of two centres, or from times taken in pairs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from kbench.experiment.result import Place, Standing
from kbench.experiment.stats import Z99, Center, center

TIE = 0.01
"""A tie spans at most this: whoever is further behind is behind, however wide the intervals are."""
SAME = 0.0025
"""Nobody is called slower for less than this, because the next process may differ by as much."""


MOST = 1e6
"""A difference without bounds: a finite number, because it is stored."""


class Margins(NamedTuple):
    """SAME and TIE for times near a clock's tick."""

    same: float = SAME
    tie: float = TIE


FINE = Margins()


def margins(tick_s: float, best_s: float) -> Margins:
    """Half a tick of the clock, and a whole one, where that is more. Means of many samples resolve less than a tick,
    but not from one process to the next: of 12 copies of 64 KiB (H200, 2026-11-20, 1.3 us, ticks of 32 ns) the one that
    was most often among the best was called slower in 4 of 11 processes."""
    ticks = tick_s / best_s if best_s > 0 else 0.0
    return Margins(max(SAME, ticks / 2), max(TIE, ticks))


def by_intervals(
    mine: Center, best: Center, place: Place | None = None, tick_s: float = 0.0, *, known: bool = True
) -> Standing:
    """Standing of one centre beside the best one. The interval of the gap is the widest that the two intervals allow.
    place: where it is known; tick_s: the clock's; known: whether both intervals are. They are not below 6 samples, and
    then nobody is shown to be slower for less than a tie spans."""
    low, gap, high = _over(mine.low, best.high), _over(mine.value, best.value), _over(mine.high, best.low)
    place = place or _place(low if known else -1.0, gap, margins(tick_s, best.value))
    return Standing(place, gap, low, high, "intervals")


def _over(one: float, other: float) -> float:
    """How much longer one time is, as a share of the other; of none, or less, which noise may leave, MOST."""
    return min(one / other - 1, MOST) if other > 0 else MOST


def by_pairs(times: Sequence[float], best: Sequence[float], tick_s: float = 0.0, samples: int = 1) -> Standing:
    """Standing by the relative differences of times that were taken in pairs: their Hodges-Lehmann centre with its
    99 % interval, which is the more cautious one because it is looked at more than once.

    samples: that each time is the mean of; with `tick_s`, that of the clock, they bound the interval from below. All
    times are positive.
    """
    best_s, paired = statistics.median(best), list(zip(times, best, strict=False))  # one may have left before the other
    found = center([mine / its - 1 for mine, its in paired], Z99)
    least = Z99 * tick_s / (6 * len(paired) * samples) ** 0.5 / best_s  # of the difference of two such means
    low, high = min(found.low, found.value - least), max(found.high, found.value + least)
    place = _place(low, found.value, margins(tick_s, best_s))
    return Standing(place, found.value, low, high, "pairs")


def decided(standing: Standing, margin: Margins = FINE) -> bool:
    """Whether more pairs would change nothing: apart for certain, or as good as equal for certain."""
    apart = standing.gap_low > margin.same
    equal = standing.gap_low > -margin.same and standing.gap_high < margin.same
    return apart or equal


def _place(low: float, gap: float, margin: Margins) -> Place:
    return "tied" if low <= margin.same and gap <= margin.tie else "behind"
