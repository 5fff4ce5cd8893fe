"""Bandwidth-bound at the roof: there is nothing left to win but by moving fewer bytes."""

from __future__ import annotations

from kbench.reading.diagnosis.diagnosis import Cause, Evidence
from kbench.reading.diagnosis.facts import ABOVE_ROOF, Facts
from kbench.reading.diagnosis.rule import EVERYTHING, Rule, cause

AT_ROOF = 0.9
"""Roofs repeat within 2 %, and a kernel's last blocks leave part of the memory idle; the rest is seldom worth a day."""
OF_PEAK = 0.5
"""A roof below half of the theoretical peak is that of a size at which latency takes more of the time than bytes do."""
ROOFS = ("of_roof", "of_roof_sectors", "dram_of_roof")


def at_roof(facts: Facts) -> Evidence | None:
    """The first of ROOFS that is reached, and not passed: what is above came from a cache."""
    found = (facts.at_least(name, AT_ROOF) for name in ROOFS)
    return next((evidence for evidence in found if evidence and evidence.value <= ABOVE_ROOF), None)


def judge(facts: Facts) -> Cause | None:
    found = at_roof(facts)
    small = facts.value("roof_of_peak")
    if found is None or (small is not None and small < OF_PEAK):
        return None
    what = {
        "of_roof": "its useful bytes alone fill what this device was measured to do",
        "of_roof_sectors": "the whole sectors that it touches fill what this device was measured to do",
        "dram_of_roof": "the bytes that DRAM moved fill what this device was measured to do",
    }[found.name]
    more = facts.told(*(name for name in (*ROOFS, "roof_of_peak", "dram_throughput") if name != found.name))
    fewer = "move fewer bytes: a smaller data type, or fuse it with the kernel before or after it"
    if found.name != "of_roof":
        fewer = "move fewer bytes that are of no use (see the other findings); then a smaller data type, or fusing"
    return cause(
        RULE.name, RULE.title, (found, *more), 1 / min(found.value, 1.0), f"the rest of the roof; {what}", fewer
    )  # fmt: skip


RULE = Rule(
    "bandwidth-bound", "bandwidth-bound at the roof", (("of_roof",), ("dram_of_roof",)), judge,
    applies=lambda facts: True, relieves=EVERYTHING, tells=True, tool="",
)  # fmt: skip
