"""Too little parallelism: multiprocessors without a block, half-filled ones, and a last wave that keeps few busy."""

from __future__ import annotations

import math

from kbench.reading import units
from kbench.reading.diagnosis.diagnosis import Cause
from kbench.reading.diagnosis.facts import Facts
from kbench.reading.diagnosis.rule import EVERYTHING, Rule, cause

IDLE = 0.9
"""Blocks for each multiprocessor. Nine multiprocessors in ten at work are as good as all of them."""
HALF = 0.5
"""Warps resident, of those that could be, where the grid does not fill the device once; see residency.LOW."""
TAIL = 1.15
"""Waves that are paid for over waves of work: below, the tail costs less than measuring again may differ by."""


def judge(facts: Facts) -> Cause | None:
    per_multiprocessor = facts.sure("grid_blocks") / facts.sure("multiprocessors")
    known = facts.told("grid_blocks", "multiprocessors", "achieved_occupancy")
    if per_multiprocessor <= IDLE:
        all_of_them = facts.sure("multiprocessors")
        return cause(
            RULE.name, "too few blocks", (facts.at_most("grid_blocks", IDLE * all_of_them), *known[1:]),
            1 / per_multiprocessor, "if the multiprocessors without a block had as much work as the others",
            f"at least one block for each of the {all_of_them:.0f} multiprocessors: smaller blocks, less work a "
            "thread, or a split along another axis",
        )  # fmt: skip
    waves = facts.at_most("waves", 1.0)
    resident = facts.sure("waves") * (facts.value("theoretical_occupancy") or 1.0)
    if waves is not None and resident <= HALF:
        return cause(
            RULE.name, "less than one wave", (waves, *known), 1 / waves.value,
            "as many times more warps to hide latencies behind, if hiding them is what is missing",
            f"more blocks: the device holds {facts.sure('grid_blocks') / waves.value:.0f} of them at once",
        )  # fmt: skip
    return _tail(facts, known)


def _tail(facts: Facts, known: tuple[object, ...]) -> Cause | None:
    """The last wave takes as long as a full one, and occupies part of the device."""
    waves = facts.sure("waves")
    paid = math.ceil(waves) / waves
    if waves <= 1 or paid < TAIL:
        return None
    whole = math.floor(waves)
    return cause(
        RULE.name, "tail effect", (facts.at_most("waves", math.ceil(waves) / TAIL), *known),  # type: ignore[arg-type]
        paid, f"{math.ceil(waves)} waves are paid for {units.digits(waves, 3)} waves of work, if all blocks take alike",
        f"a grid of whole waves ({whole} or {whole + 1}), smaller blocks, or blocks that stay and take the next piece",
    )  # fmt: skip


RULE = Rule(
    "too-little-parallelism", "too little parallelism", (("grid_blocks", "multiprocessors", "waves"),), judge,
    applies=lambda facts: facts.one_kernel, relieves=EVERYTHING - {"roof", "sectors", "DRAM", "DRAM's pins"}, tool="",
)  # fmt: skip
