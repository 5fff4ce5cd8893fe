"""The steps in which a clock's stamps come.

A GPU's ticks of 32 ns come out a nanosecond longer or shorter where they are told in whole nanoseconds of another
clock: times that differ by no more than JITTER are on one tick.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

JITTER = 2.5e-9


def ticks(x: Any) -> tuple[Any, Any]:
    """The distinct values of sorted times, and how often each came."""
    first = np.append(0, np.flatnonzero(x[1:] - x[:-1] > JITTER) + 1)
    last = np.append(first[1:], len(x)) - 1
    return (x[first] + x[last]) / 2, last - first + 1


def tick_of(samples: Sequence[float]) -> float:
    """Seconds of a tick, from the times that a clock reads for an empty kernel: the smallest step between values that
    came more than once. 0 where there are no two of them: nothing is known then."""
    if not samples:
        return 0.0
    values, counts = ticks(np.sort(np.asarray(samples, dtype=np.float64)))
    again = values[counts > 1]
    return float((again[1:] - again[:-1]).min()) if len(again) > 1 else 0.0
