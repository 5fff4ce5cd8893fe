"""Spilling: values that had no register, or arrays that are indexed at run time, go through local memory."""

from __future__ import annotations

from kbench.reading.diagnosis.diagnosis import Cause
from kbench.reading.diagnosis.facts import Facts
from kbench.reading.diagnosis.rule import MEMORY, Rule, cause

LOCAL = 0.05
"""Of all bytes moved: a twentieth is about what two runs of a kernel may differ by."""


def judge(facts: Facts) -> Cause | None:
    found = facts.at_least("local_share", LOCAL)
    if found is None:
        return None
    high, why = 1 / max(1 - found.value, 0.02), "without those bytes, if they cost as much as the useful ones"
    waits = ("stall_long_scoreboard", "stall_lg_throttle")
    if facts.has(*waits):
        waiting = min(sum(facts.sure(name) for name in waits), 0.95)
        if 1 / (1 - waiting) < high:
            high, why = 1 / (1 - waiting), "without the waiting for global and local memory"
    known = facts.told("spill_bytes", "local_bytes", "registers_per_thread", "l1_hit_rate")
    return cause(
        RULE.name, RULE.title, (found, *known), high, why,
        "fewer values alive at once (less unrolling, shorter loops), arrays that are indexed by constants only, or a "
        "higher cap: --axis max_registers=0, __launch_bounds__ with fewer threads",
    )  # fmt: skip


def _spills(facts: Facts) -> bool:
    return facts.kernel and (facts.value("spill_bytes") != 0 or bool(facts.value("local_bytes")))


RULE = Rule(
    "spilling", "spilling", (("local_load_bytes", "local_store_bytes"), ("local_share",)), judge, _spills,
    relieves=MEMORY,
)  # fmt: skip
