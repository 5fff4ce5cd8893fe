"""Occupancy-limited, by registers, shared memory or block size: too few warps are resident to hide latencies."""

from __future__ import annotations

from collections.abc import Callable

from kbench.reading import occupancy
from kbench.reading.diagnosis.diagnosis import Cause
from kbench.reading.diagnosis.facts import Facts
from kbench.reading.diagnosis.rule import Rule, cause

LOW = 0.5
"""Of the places for warps. Kernels that keep several loads under way in each thread reach the roof at half of them."""
BY = {
    "registers": ("registers",),
    "shared memory": ("shared memory",),
    "block size": ("warps", "blocks"),
}
"""The three rules, and the limiters of kbench.machine.occupancy that each is about."""


def _chief(limiters: tuple[str, ...]) -> str:
    """Which of the three rules speaks, where several resources bind at once."""
    return next((by for by, names in BY.items() if set(names) & set(limiters)), "")


def _judge(by: str) -> Callable[[Facts], Cause | None]:
    def judge(facts: Facts) -> Cause | None:
        found, fit = facts.at_most("theoretical_occupancy", LOW), facts.fit
        if found is None or fit is None or _chief(fit.limiters) != by or not facts.lifts or not fit.share:
            return None
        high = max(lift.share for lift in facts.lifts) / fit.share
        cures = [occupancy.lift(lift) for lift in facts.lifts]
        if by == "registers":
            cures.append("--axis max_registers=N or __launch_bounds__ caps them, which may spill")
        return cause(
            f"occupancy-{by.replace(' ', '-')}", f"occupancy-limited by {occupancy.limiters(fit.limiters)}",
            (found, *facts.told("achieved_occupancy", "registers_per_thread", "block_threads",
                                "blocks_per_multiprocessor", "stall_long_scoreboard")),
            high, "as many times more warps to hide latencies behind, if hiding them is what is missing",
            "; ".join(cures),
        )  # fmt: skip

    return judge


def _concerned(by: str) -> Callable[[Facts], bool]:
    """Where it is known what limits, only that rule is asked."""
    return lambda facts: facts.one_kernel and (facts.fit is None or _chief(facts.fit.limiters) == by)


RULES = tuple(
    Rule(
        f"occupancy-{by.replace(' ', '-')}", f"occupancy-limited by {by}",
        (("theoretical_occupancy", "blocks_per_multiprocessor"),), _judge(by), _concerned(by), tool="",
    )
    for by in BY
)  # fmt: skip
