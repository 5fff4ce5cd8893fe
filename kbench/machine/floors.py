"""What a clock reads for an empty kernel."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Hashable, Sequence

from kbench.machine.ticks import tick_of

GROUPS = 12


class Floors:
    """The floors of one device, by the way in which they are read.

    A floor is the lowest of the medians of up to 12 groups of samples, one group taken with each batch that asks for
    it: noise only adds to a time, and a burst of it would have to last through all of those batches to raise the floor.
    """

    def __init__(self) -> None:
        self._medians: dict[Hashable, list[float]] = {}
        self._samples: dict[Hashable, list[float]] = {}
        self._ticks: dict[Hashable, float] = {}

    def of(self, way: Hashable, take: Callable[[], Sequence[float]]) -> float:
        """Seconds. take: a group of samples of the empty kernel."""
        medians = self._medians.setdefault(way, [])
        if len(medians) < GROUPS:
            group = take()
            medians.append(statistics.median(group))
            samples = self._samples.setdefault(way, [])
            samples.extend(group)
            self._ticks[way] = tick_of(samples)
        return min(medians)

    def tick_s(self, way: Hashable) -> float:
        """The tick of the clock, as the samples of a floor show it; 0 where they show none."""
        return self._ticks.get(way, 0.0)
