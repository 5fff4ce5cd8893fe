"""Launch-bound: an empty kernel, or the host's calls alone, would take nearly as long."""

from __future__ import annotations

from kbench.reading.diagnosis.diagnosis import Cause
from kbench.reading.diagnosis.facts import Facts
from kbench.reading.diagnosis.rule import EVERYTHING, Rule, cause

LAUNCH_SHARE = 1 / 3
"""From here on launching is no side issue: without it the same work would be done in two thirds of the time."""
MOST_SHARE = 0.9
"""A clock that reads about as much for an empty kernel cannot tell how much of the rest is work."""


def judge(facts: Facts) -> Cause | None:
    found = facts.at_least("empty_share", LAUNCH_SHARE)
    if found is None:
        return None
    roof, measured = facts.value("of_roof"), facts.result.measurement
    if roof and measured and measured.clock == "host":  # which has measured the calls; the roof has none of them in it
        most = max(min(1 / max(1 - found.value, 1e-3), 1 / roof), 1.0)
    else:
        most = 1 / (1 - min(found.value, MOST_SHARE))
    entries = facts.result.launched.launches + facts.result.launched.copies if facts.result.launched else 1
    more = "one kernel or a batched copy for all of them" if entries > 1 else "more work in one launch: batch, or fuse"
    return cause(
        RULE.name, RULE.title, (found, *facts.told("time_s", "gap_s", "busy_share")),
        most, "what is left of its time without launching",
        f"{more}; where launches cannot be merged, a CUDA graph makes the next one follow sooner",
    )  # fmt: skip


RULE = Rule(
    "launch-bound", "launch-bound", (("empty_share",),), judge, applies=lambda facts: True, relieves=EVERYTHING, tool=""
)
