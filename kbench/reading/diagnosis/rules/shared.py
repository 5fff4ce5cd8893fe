"""Bank conflicts: threads of a warp that want different words of one bank of shared memory take turns."""

from __future__ import annotations

from kbench.reading.diagnosis.diagnosis import Cause
from kbench.reading.diagnosis.facts import Facts
from kbench.reading.diagnosis.rule import Rule, cause

CONFLICTS = 0.2
"""Of all passes: what vector accesses of unlucky widths add by themselves stays below."""
COUNTS = (
    "shared_load_wavefronts", "shared_store_wavefronts", "shared_load_bank_conflicts", "shared_store_bank_conflicts",
)  # fmt: skip


def judge(facts: Facts) -> Cause | None:
    found = facts.at_least("conflict_share", CONFLICTS)
    if found is None:
        return None
    high, why = 1 / max(1 - found.value, 1 / 32), "as many times fewer passes, if they are what it waits for"
    waits = ("stall_short_scoreboard", "stall_mio_throttle")
    if facts.has(*waits):
        waiting = sum(facts.sure(name) for name in waits)
        # Where the pipe itself is what is busiest, whoever waits for anything waits for it.
        part = min(max(waiting, facts.value("l1_throughput") or 0.0), 0.95) * found.value
        if 1 / (1 - part) < high:
            high, why = 1 / (1 - part), "without the conflicts' part of the waiting for shared memory, or of its passes"
    return cause(
        RULE.name, RULE.title, (found, *facts.told(*COUNTS[2:], *waits, "l1_throughput")), high, why,
        "pad each row of the tile by one element, or swizzle its index (column ^ row), so that a warp meets each bank "
        "once",
    )  # fmt: skip


def _uses_shared(facts: Facts) -> bool:
    compiled, launched = facts.result.compiled, facts.result.launched
    if compiled is None or (facts.has(*COUNTS) and not sum(facts.sure(name) for name in COUNTS[:2])):
        return False
    return compiled.shared_bytes != 0 or launched is None or launched.dynamic_bytes > 0


RULE = Rule("bank-conflicts", "bank conflicts", (COUNTS,), judge, _uses_shared, relieves=frozenset({"L1", "LSU"}))
