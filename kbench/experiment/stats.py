"""Robust estimates from samples of a clock that ticks: a centre, a median, and intervals for any distribution."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kbench.experiment.result import Summary

Z95, Z99 = 1.959964, 2.575829
EXACT_BELOW = 400
JITTER = 2.5e-9


class Center(NamedTuple):
    """An estimate of the centre and its 95 % interval, in the unit of the samples."""

    value: float
    low: float
    high: float


def center(samples: Sequence[float], z: float = Z95) -> Center:
    """The Hodges-Lehmann centre: the median of all pairwise means (Walsh averages), with its Wilcoxon interval.

    It averages across the ticks of a clock, where a median jumps by whole ticks, and shrugs off 29 % of outliers.
    Hodges and Lehmann 1963; interval: Hollander, Wolfe, Chicken, Nonparametric Statistical Methods, 3.3, with the
    normal approximation; z: its quantile (95 %). Below 6 samples no 95 % interval exists (below 8 no 99 % one): the
    whole range is given. From 400 samples on the means are taken over 399 quantiles of the samples. Raises ValueError
    without samples.
    """
    x = _thinned(_checked(samples))
    rows, columns = _pairs(len(x))
    n, count = len(samples), len(rows)
    # The rank as a share of all pairs, so that a thinned set still gets the interval that n samples deserve.
    share = 0.5 - z * math.sqrt(n * (n + 1) * (2 * n + 1) / 24) / (n * (n + 1) / 2)
    below = max(math.floor(share * count), 0)
    ranks = [below, (count - 1) // 2, count // 2, count - 1 - below]
    walsh = np.partition(x[rows] * 0.5 + x[columns] * 0.5, ranks)
    low, one, other, high = (float(walsh[rank]) for rank in ranks)
    return Center((one + other) / 2, low, high)


def interval(samples: Sequence[float], correction: float = 0.0) -> Center:
    """The centre of samples that are all too long by `correction`, its 95 % interval never narrower than the clock's
    tick allows: half of it is at least tick / sqrt(12 n), because samples that all fall on one tick are less certain
    than they look."""
    found = center(samples)
    least = tick(samples) / math.sqrt(12 * len(samples))
    value = found.value - correction
    return Center(value, min(found.low - correction, value - least), max(found.high - correction, value + least))


def tick(samples: Sequence[float]) -> float:
    """The smallest step between distinct samples, which is taken for the clock's; 0 where all are equal. Samples that
    differ by no more than JITTER count as one where that leaves steps at all: a GPU's ticks of 32 ns come out a
    nanosecond longer or shorter where they are told in whole nanoseconds of another clock."""
    return _least_step(_distinct(samples))


def ticking(samples: Sequence[float]) -> float:
    """`tick`, but 0 where no two samples are alike: what is between a few noisy ones is no tick of a clock."""
    distinct = _distinct(samples)
    return _least_step(distinct) if len(distinct) < len(samples) else 0.0


def _distinct(samples: Sequence[float]) -> Any:
    x = np.unique(np.asarray(samples, dtype=np.float64))
    apart = np.diff(x) > JITTER
    ends = np.concatenate([x[:-1][apart], x[-1:]])
    begins = np.concatenate([x[:1], x[1:][apart]])
    return x if len(ends) < 2 or (ends - begins).max() > 2 * JITTER else (begins + ends) / 2


def _least_step(distinct: Any) -> float:
    return float(np.diff(distinct).min()) if len(distinct) > 1 else 0.0


def _checked(samples: Sequence[float]) -> Any:
    x = np.asarray(samples, dtype=np.float64)
    if x.size == 0 or not np.isfinite(x).all():
        raise ValueError("a summary needs at least one sample, and all of them finite")
    return x


def _thinned(x: Any) -> Any:
    if len(x) < EXACT_BELOW:
        return x
    n = EXACT_BELOW - 1
    return np.quantile(x, (np.arange(n) + 0.5) / n)


@functools.lru_cache(maxsize=32)
def _pairs(n: int) -> tuple[Any, Any]:
    return np.triu_indices(n)


@functools.lru_cache(maxsize=256)
def median_rank(n: int, confidence: float = 0.95) -> int:
    """The largest k, from 1, such that [k-th smallest, k-th largest] of n samples covers the median with `confidence`;
    0 where even the whole range does not (n < 6 at 95 %). From the binomial: exact for any distribution of samples."""
    k, below = 0, 0
    limit = (1 - confidence) / 2
    while k < n // 2 + 1:
        below += math.comb(n, k)
        if below / 2**n > limit:
            break
        k += 1
    return k


def half_width(samples: Sequence[float], correction: float = 0.0) -> float:
    """Half the centre's interval over the centre: what sampling stops on. Infinite below 6 samples."""
    return relative(interval(samples, correction)) if len(samples) >= 6 else math.inf


def relative(found: Center) -> float:
    """Half of an interval over its centre; infinite where that is not positive."""
    return (found.high - found.low) / 2 / found.value if found.value > 0 else math.inf


def summarise(samples: Sequence[float], correction: float = 0.0) -> Summary:
    """Centre with its interval, median with its order-statistic 95 % interval (below 6 samples: the range), extremes;
    all less `correction`. Raises ValueError without samples."""
    x = np.sort(_checked(samples)) - correction
    n = len(x)
    k = max(median_rank(n), 1)
    found = interval(samples, correction)
    return Summary(
        center_s=found.value,
        median_s=float(np.median(x)),
        low_s=found.low,
        high_s=found.high,
        min_s=float(x[0]),
        max_s=float(x[-1]),
        n=n,
        precision=relative(found) if n >= 6 else None,
        median_low_s=float(x[k - 1]),
        median_high_s=float(x[n - k]),
    )
