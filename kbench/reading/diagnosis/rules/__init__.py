"""One file a rule, or a family of them. In RULES the more particular of two comes first: it is told first where both
promise the same."""

from kbench.reading.diagnosis.rule import Rule
from kbench.reading.diagnosis.rules import (
    access,
    bandwidth,
    cache,
    compute,
    divergence,
    latency,
    launch,
    overlap,
    parallelism,
    residency,
    shared,
    spilling,
)

RULES: tuple[Rule, ...] = (
    access.UNCOALESCED,
    access.SCATTERED,
    access.PARTIAL,
    shared.RULE,
    divergence.RULE,
    spilling.RULE,
    parallelism.RULE,
    *residency.RULES,
    overlap.RULE,
    launch.RULE,
    latency.RULE,
    compute.RULE,
    cache.RULE,
    bandwidth.RULE,
)
