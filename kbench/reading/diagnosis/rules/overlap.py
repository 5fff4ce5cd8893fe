"""Overlap missing: copies over the host link and kernels wait for each other."""

from __future__ import annotations

from kbench.reading.diagnosis.diagnosis import Cause
from kbench.reading.diagnosis.facts import Facts
from kbench.reading.diagnosis.rule import EVERYTHING, Rule, cause

OVERLAPPED = 0.5
"""Of the time of copies in which a kernel ran too: with half of it hidden, less is to be had than was."""
MATTERS = 0.1
"""Of the longer one: what is ten times shorter can hide nothing worth the trouble."""


def judge(facts: Facts) -> Cause | None:
    found = facts.at_most("overlap_share", OVERLAPPED)
    copies, kernels = facts.sure("copy_s"), facts.sure("kernel_s")
    if found is None or min(copies, kernels) < MATTERS * max(copies, kernels):
        return None
    now = copies + kernels - found.value * copies
    return cause(
        RULE.name, RULE.title, (found, *facts.told("copy_s", "kernel_s", "busy_share", "gap_s")),
        now / max(copies, kernels), "if the shorter of the two ran entirely beside the longer",
        "cut the work into pieces and give copies and kernels a stream each, with pinned host memory, so that piece "
        "k + 1 is copied while piece k is computed",
    )  # fmt: skip


def _mixes(facts: Facts) -> bool:
    traffic, launched = facts.result.traffic, facts.result.launched
    both = bool(facts.value("copy_s")) and bool(facts.value("kernel_s"))
    return both or bool(traffic.link_bytes and launched and launched.copies)


RULE = Rule(
    "overlap-missing", "overlap missing", (("overlap_share", "copy_s", "kernel_s"),), judge, _mixes,
    relieves=EVERYTHING, tool="cupti",
)  # fmt: skip
