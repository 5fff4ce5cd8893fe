"""Compute-bound: a pipe, or issuing instructions at all, takes all the time there is."""

from __future__ import annotations

from kbench.reading.diagnosis.diagnosis import Cause
from kbench.reading.diagnosis.facts import Facts
from kbench.reading.diagnosis.rule import EVERYTHING, Rule, cause

BUSY_FROM = 0.7
"""Of a pipe's cycles, or of the rate that a chain of multiply-adds was measured to reach. Dependencies and the ends of
a kernel leave the rest: a naive transpose of heads whose index arithmetic is all that it waits for issues in 0.76 of
all cycles (H200, 2026-11-20)."""
PIPES = {
    "pipe_fma": ("the FMA pipe", "fewer multiply-adds, two at once in half precision, or tensor cores"),
    "pipe_alu": ("the integer and logic pipe", "less index arithmetic: hoist it out of loops, 32-bit instead of 64-bit "
                 "indices, shifts for divisions, more elements a thread"),
    "pipe_fp64": ("the FP64 pipe", "single precision where it is enough; literals without f make doubles"),
    "pipe_tensor": ("the tensor pipe", "a smaller type for the matrix units, or less work"),
    "pipe_xu": ("the transcendental and conversion pipe", "fewer conversions and divisions; fast intrinsics"),
    "issue_active": ("issuing instructions", "fewer instructions for the same work: wider loads, packed arithmetic, "
                     "unrolling"),
    "flop_share": ("arithmetic, of what was measured to be possible", "fewer operations, a smaller type, tensor cores"),
}  # fmt: skip
"""The numbers that say so, what each is in words, and what to try."""


def judge(facts: Facts) -> Cause | None:
    each = (facts.at_least(name, BUSY_FROM) for name in PIPES)
    found = [evidence for evidence in each if evidence is not None]
    if not found:
        return None
    worst = max(found[:-1] if len(found) > 1 and found[-1].name == "flop_share" else found, key=lambda e: e.value)
    what, cure = PIPES[worst.name]
    others = tuple(e for e in found if e is not worst)
    return cause(
        RULE.name, f"compute-bound: {what}", (worst, *others, *facts.told("sm_throughput", "instructions")),
        1 / min(worst.value, 1.0), "the rest of what it can do; beyond that only less work helps", cure,
    )  # fmt: skip


RULE = Rule(
    "compute-bound", "compute-bound",
    (("pipe_fma", "pipe_alu", "pipe_fp64", "issue_active"), ("pipe_fma",), ("pipe_alu",), ("issue_active",),
     ("flop_share",)),
    judge, relieves=EVERYTHING, tells=True,
)  # fmt: skip
