"""What a rule is: when it applies, the numbers that it needs, what curing its cause relieves, and its judgement."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kbench.reading.diagnosis.diagnosis import Cause, Evidence, Gain
from kbench.reading.diagnosis.facts import Facts

BUSY = {
    "roof": "of_ceiling",
    "sectors": "of_roof_sectors",
    "DRAM": "dram_of_roof",
    "DRAM's pins": "dram_throughput",
    "L2": "l2_throughput",
    "L1": "l1_throughput",
    "LSU": "pipe_lsu",
    "issue": "issue_active",
    "FMA": "pipe_fma",
    "ALU": "pipe_alu",
    "FP64": "pipe_fp64",
    "tensor": "pipe_tensor",
    "XU": "pipe_xu",
    "arithmetic": "flop_share",
}
"""What can be busy, and the number that says how much. Nothing can be faster than the busiest of them lets it be, but
for a cure that takes work off that one."""
MEMORY = frozenset({"sectors", "DRAM", "DRAM's pins", "L2", "L1", "LSU"})
PIPES = frozenset({"issue", "FMA", "ALU", "FP64", "tensor", "XU"})
REQUESTS = frozenset({"issue", "ALU", "LSU", "L1", "L2"})
"""What has less to do where accesses become wider: their instructions, the arithmetic of their addresses, and the
caches, which answer fewer requests."""
EVERYTHING = frozenset(BUSY)

Needs = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Rule:
    """needs: groups of numbers; one group that is complete is enough, and the first is the one to ask for. relieves:
    those of BUSY that have less to do once the cause is cured. tells: it says what bounds the kernel, and is never
    held back for having little to gain. tool: which profiler counts what it needs."""

    name: str
    title: str
    needs: Needs
    judge: Callable[[Facts], Cause | None]
    applies: Callable[[Facts], bool] = lambda facts: facts.kernel
    relieves: frozenset[str] = frozenset()
    tells: bool = False
    tool: str = "ncu"

    def lacks(self, facts: Facts) -> tuple[str, ...]:
        """() where it can judge."""
        if not self.needs or any(facts.has(*group) for group in self.needs):
            return ()
        return tuple(name for name in self.needs[0] if not facts.has(name))


def cause(
    rule: str, title: str, evidence: Iterable[Evidence | None], high: float, why: str, next: str, low: float = 1.0
) -> Cause:
    """A Cause; evidence that is None is left out."""
    return Cause(rule, title, tuple(e for e in evidence if e is not None), Gain(low, max(low, high), why), next)


def busiest(facts: Facts, but: Iterable[str] = ()) -> tuple[str, float]:
    """The busiest part, leaving out some, and how busy it is; ("", 0.0) where nothing is known of any."""
    shares = {part: facts.value(name) or 0.0 for part, name in BUSY.items() if part not in set(but)}
    part = max(shares, key=lambda name: shares[name], default="")
    return (part, shares[part]) if part and shares[part] else ("", 0.0)
