"""Whether a measurement that was kept is all that a method asks for, so that it need not be made again."""

from __future__ import annotations

from collections.abc import Callable

from kbench.experiment.result import NO_ENERGY, Measurement
from kbench.intent.method import Method


def enough(method: Method) -> Callable[[Measurement], bool]:
    """As many samples as the method's least, or a note that there could be no more, of as many processes; energy where
    that is asked for."""

    def judge(measured: Measurement) -> bool:
        n = measured.summary.n
        sampled = n >= method.least(measured.clock) or f"only {n} samples" in measured.note
        counted = not method.energy or measured.energy_j is not None or NO_ENERGY in measured.note
        return sampled and counted and max(len(measured.process_centers_s), 1) >= method.processes

    return judge
