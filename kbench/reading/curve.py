"""T = a + V / b: what a time over sizes says of a kernel's latency and bandwidth.

a is the time of doing nothing (launch, first access, drain), b the bandwidth that ever larger sizes approach. At
V = a b both parts are equal and half of b is achieved: below it a kernel is bound by its launch. (Hockney and Jesshope,
Parallel Computers 2, 1988: r_inf and n_half.)
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

LEAST_SIZES = 4
LEAST_SPAN = 8.0
"""The largest over the smallest size: over less, latency and bandwidth cannot be told apart."""
GOOD = 0.1
"""The largest error of a fit that is worth telling: a cache that holds some of the sizes makes no straight line."""
_HUBER, _STEPS = 1.345, 30


@dataclass(frozen=True)
class Curve:
    """latency_s: a; bytes_per_s: b; error: root mean square of the relative residuals; low, high: the sizes it was
    fitted over, in bytes."""

    latency_s: float
    bytes_per_s: float
    error: float
    low: float
    high: float
    sizes: int

    @property
    def half_bytes(self) -> float:
        """The size that achieves half of b."""
        return self.latency_s * self.bytes_per_s

    @property
    def good(self) -> bool:
        return self.error <= GOOD

    def time_s(self, nbytes: float) -> float:
        return self.latency_s + nbytes / self.bytes_per_s

    def rate(self, nbytes: float) -> float:
        """Bytes a second at a size."""
        return nbytes / self.time_s(nbytes)


def fit(nbytes: Sequence[float], times_s: Sequence[float]) -> Curve | None:
    """The curve through sizes and times; None where there are too few sizes, or where times do not grow with size.

    It minimises relative residuals, so that a 2 µs point counts as much as a 2 ms one, robustly (Huber weights, begun
    at the line through the two points that leaves the least median residual). Raises ValueError for sizes or times that
    are not positive.
    """
    points = list(zip(map(float, nbytes), map(float, times_s), strict=True))
    if any(v <= 0 or t <= 0 for v, t in points):
        raise ValueError("sizes and times of a curve are positive")
    volumes = {v for v, _ in points}
    if len(volumes) < LEAST_SIZES or max(volumes) / min(volumes) < LEAST_SPAN:
        return None
    line = _start(points)
    for _ in range(_STEPS):
        residuals = _residuals(line, points)
        scale = max(1.4826 * statistics.median(map(abs, residuals)), 1e-12)
        weights = [min(1.0, _HUBER * scale / abs(r)) if r else 1.0 for r in residuals]
        line = _weighted(points, weights)
    latency, slope = line
    if not slope > 0:
        return None
    error = math.sqrt(statistics.fmean(r * r for r in _residuals(line, points)))
    return Curve(latency, 1 / slope, error, min(volumes), max(volumes), len(volumes))


def _residuals(line: tuple[float, float], points: Sequence[tuple[float, float]]) -> list[float]:
    latency, slope = line
    return [(latency + slope * v) / t - 1 for v, t in points]


def _start(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Of the lines through two points, the one that most points lie near."""
    lines = []
    for (v1, t1), (v2, t2) in combinations(points, 2):
        if v1 != v2:
            slope = (t2 - t1) / (v2 - v1)
            lines.append((max(t1 - slope * v1, 0.0), slope))
    return min(lines, key=lambda line: statistics.median(map(abs, _residuals(line, points))))


def _weighted(points: Sequence[tuple[float, float]], weights: Sequence[float]) -> tuple[float, float]:
    """Least squares of w ((a + c V) / T - 1) over a >= 0 and c."""
    terms = [(w / t, w * v / t, w) for (v, t), w in zip(points, weights, strict=True)]
    aa = sum(x * x for x, _, _ in terms)
    ac = sum(x * y for x, y, _ in terms)
    cc = sum(y * y for _, y, _ in terms)
    a1 = sum(x * z for x, _, z in terms)
    c1 = sum(y * z for _, y, z in terms)
    determinant = aa * cc - ac * ac
    if determinant > 0:
        latency, slope = (a1 * cc - c1 * ac) / determinant, (aa * c1 - ac * a1) / determinant
        if latency >= 0:
            return latency, slope
    return 0.0, c1 / cc
