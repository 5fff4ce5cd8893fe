"""Cache-resident: most of what it reads does not come from DRAM, so that DRAM's roof is not its ceiling."""

from __future__ import annotations

from kbench.reading.diagnosis.diagnosis import Cause
from kbench.reading.diagnosis.facts import ABOVE_ROOF, Facts
from kbench.reading.diagnosis.rule import EVERYTHING, Rule, cause

FROM_DRAM = 0.5
"""DRAM bytes read over useful ones: below half, most of the reads hit a cache."""

MATTERS = 0.1
"""Of the useful bytes: whoever reads less than this, a few indices say, is not about its reads."""


def judge(facts: Facts) -> Cause | None:
    above = facts.at_least("of_roof", ABOVE_ROOF)
    traffic = facts.result.traffic
    reads = traffic.bytes_read >= MATTERS * traffic.useful_bytes
    counted = facts.at_most("dram_read_ratio", FROM_DRAM) if reads else None
    if above is None and counted is None:
        return None
    share = facts.value("of_l2_roof")
    high, why = 1.0, "nothing is known of the roof of the cache"
    if share:
        high, why = max(1 / share, 1.0), "until it is as fast as L2 was measured to copy"
    return cause(
        RULE.name, RULE.title, (above, counted, *facts.told("of_l2_roof", "l2_hit_rate", "l1_hit_rate", "of_roof")[:3]),
        high, why, "hold it against the roof of L2; to see DRAM, measure --cache cold with arrays larger than L2",
    )  # fmt: skip


RULE = Rule(
    "cache-resident", "cache-resident", (("of_roof",), ("dram_read_ratio",)), judge,
    applies=lambda facts: not facts.result.traffic.link_bytes, relieves=EVERYTHING, tells=True, tool="",
)  # fmt: skip
