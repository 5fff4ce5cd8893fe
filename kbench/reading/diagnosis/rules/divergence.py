"""Divergence: instructions that only some of a warp's threads execute."""

from __future__ import annotations

from kbench.machine.occupancy import WARP
from kbench.reading.diagnosis.diagnosis import Cause
from kbench.reading.diagnosis.facts import Facts
from kbench.reading.diagnosis.rule import PIPES, Rule, cause

ACTIVE_BELOW = 24.0
"""Threads of 32. Edges of a grid and a last loop turn leave a few idle; a quarter idle is a pattern."""


def judge(facts: Facts) -> Cause | None:
    found = facts.at_most("threads_per_instruction", ACTIVE_BELOW)
    if found is None:
        return None
    threads = facts.value("block_threads")
    if threads and threads % WARP and threads < 4 * WARP:
        cure = f"blocks of a multiple of {WARP} threads: {threads:.0f} leave part of a warp without any"
    else:
        cure = (
            "let the threads of a warp take the same branch: sort or partition the work by case, branch on the warp's "
            "index, or compute both sides and select"
        )
    return cause(
        RULE.name, RULE.title, (found, *facts.told("instructions", "issue_active")), WARP / max(found.value, 1.0),
        "as many times fewer instructions, if issuing them is what takes its time", cure,
    )  # fmt: skip


RULE = Rule("divergent", "divergent", (("threads_per_instruction",),), judge, relieves=PIPES)
