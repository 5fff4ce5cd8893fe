"""Latency-bound: warps wait, and nothing is busy."""

from __future__ import annotations

from kbench.reading.diagnosis.diagnosis import Cause
from kbench.reading.diagnosis.facts import Facts
from kbench.reading.diagnosis.rule import REQUESTS, Rule, cause

IDLE_BELOW = 0.6
"""What keeps a unit less busy than this is not the unit: above it, waiting is mostly for the unit itself."""
WAITING = 0.3
"""Of a warp's time, for one reason. Some waiting is the rule: with other warps resident it costs nothing."""
WAITS = {
    "stall_long_scoreboard": "more bytes under way: several independent loads a thread before the first use, 16 bytes "
                             "each, or asynchronous copies; then more warps resident",
    "stall_short_scoreboard": "fewer or independent trips through shared memory and special functions",
    "stall_barrier": "fewer barriers, or smaller blocks, of which more are resident to run while one waits",
    "stall_membar": "fewer or narrower memory fences",
    "stall_wait": "independent instructions between dependent ones: unroll, work on several elements a thread",
    "stall_no_instruction": "a smaller loop body: its instructions do not come fast enough",
    "stall_dispatch": "more independent instructions, or others: a dispatcher that holds back has no free path for the "
                      "operands (registers of one bank) or into the pipe",
    "stall_drain": "fewer stores at the very end of the kernel",
}  # fmt: skip
"""Reasons to wait that are latencies, and what shortens or hides each. The others are queues of a busy unit."""


def judge(facts: Facts) -> Cause | None:
    memory, compute = facts.at_most("memory_throughput", IDLE_BELOW), facts.at_most("sm_throughput", IDLE_BELOW)
    worst = max(WAITS, key=lambda name: facts.value(name) or 0.0)
    waiting = facts.at_least(worst, WAITING)
    if memory is None or compute is None or waiting is None:
        return None
    others = facts.told(*(name for name in WAITS if name != worst and (facts.value(name) or 0.0) >= WAITING / 2))
    busy = max(memory.value, compute.value, 0.01)
    latencies = sum(facts.value(name) or 0.0 for name in WAITS)
    high = min(1 / busy, 1 / (1 - min(latencies, 0.9)))
    return cause(
        RULE.name, RULE.title, (memory, compute, waiting, *others), high,
        "if no waiting for latencies were left, or until the busiest unit has no time to spare", WAITS[worst],
    )  # fmt: skip


RULE = Rule(
    "latency-bound", "latency-bound", (("memory_throughput", "sm_throughput", "stall_long_scoreboard"),), judge,
    relieves=REQUESTS,
)  # fmt: skip
