"""How warps touch global memory: uncoalesced accesses, and writes of parts of sectors."""

from __future__ import annotations

from kbench.intent.traffic import SECTOR
from kbench.reading.diagnosis.diagnosis import Cause, Evidence
from kbench.reading.diagnosis.facts import Facts
from kbench.reading.diagnosis.rule import MEMORY, REQUESTS, Rule, cause

USED_BELOW = 24.0
"""Bytes used of a 32-byte sector. A warp whose rows begin off a sector's edge touches one sector in five for nothing
(25.6 bytes used), which caches mostly mend; below three quarters it is the pattern."""
READ_MORE = SECTOR / USED_BELOW
"""The same, of sectors that a spec declares."""
WRITE_MORE = 1.25
"""Bytes written over useful ones. Caches write back lines of others too, and a row's two ends share their sectors."""
WORTH = 0.1
"""Of all useful bytes: less than this in excess cannot be what a kernel waits for."""


def _side(facts: Facts, which: str) -> tuple[Evidence, float] | None:
    """Evidence and the factor by which sectors exceed what the bytes need."""
    found = facts.at_most(f"global_{which}_sector_bytes", USED_BELOW)
    return (found, SECTOR / found.value) if found and found.value > 0 else None


def uncoalesced(facts: Facts) -> Cause | None:
    sides = {which: side for which in ("load", "store") if (side := _side(facts, which))}
    if not sides:
        return None
    details = facts.told(*(f"{which}_sectors_per_request" for which in sides), "l1_hit_rate", "l2_hit_rate")
    words = " and ".join(f"{which}s" for which in sides)
    return cause(
        UNCOALESCED.name, f"uncoalesced {words}", (*(e for e, _ in sides.values()), *details),
        max(factor for _, factor in sides.values()),
        "as many times fewer sectors of these, if they are what it waits for",
        "let neighbouring threads touch neighbouring addresses; where the layout forbids it, go through a tile in "
        "shared memory, so that both sides are contiguous",
    )  # fmt: skip


def scattered(facts: Facts) -> Cause | None:
    """From what the spec says that it reads, where nobody counted."""
    found = facts.at_least("declared_read_ratio", READ_MORE)
    traffic = facts.result.traffic
    excess = traffic.sectors_read - traffic.bytes_read
    if found is None or excess < WORTH * traffic.useful_bytes:
        return None
    return cause(
        SCATTERED.name, SCATTERED.title, (found,), 1 + excess / traffic.useful_bytes,
        "without the bytes of its sectors that nobody needs", "lay out together what is read together: whole sectors",
    )  # fmt: skip


def partial(facts: Facts) -> Cause | None:
    """Of writes to DRAM as counted; as declared where nobody counted, or caches hid them from the counters."""
    traffic = facts.result.traffic
    counted, declared = (facts.at_least(name, WRITE_MORE) for name in ("dram_write_ratio", "declared_write_ratio"))
    found = counted or declared
    if found is None or not traffic.useful_bytes:
        return None
    excess = (found.value - 1) * traffic.bytes_written
    if excess < WORTH * traffic.useful_bytes:
        return None
    other = declared if counted else None
    return cause(
        PARTIAL.name, PARTIAL.title, (found, other, *facts.told("global_store_sector_bytes", "dram_read_ratio")),
        1 + excess / traffic.useful_bytes, "without the bytes that are written beside the useful ones",
        "write whole 32-byte sectors at once: gather the neighbours in shared memory, or let one warp own a sector; a "
        "layout with 32 contiguous bytes for each scattered index ends it",
    )  # fmt: skip


UNCOALESCED = Rule(
    "uncoalesced", "uncoalesced accesses",
    (
        ("global_load_sector_bytes", "global_store_sector_bytes"), ("global_load_sector_bytes",),
        ("global_store_sector_bytes",),
    ),
    uncoalesced, relieves=MEMORY | REQUESTS,
)  # fmt: skip
SCATTERED = Rule(
    "scattered-reads", "reads of parts of sectors, as declared", (("declared_read_ratio",),), scattered,
    applies=lambda facts: facts.kernel and not facts.has("global_load_sector_bytes"), relieves=MEMORY | REQUESTS,
)  # fmt: skip
PARTIAL = Rule(
    "partial-sectors", "partial-sector writes", (("dram_write_ratio",), ("declared_write_ratio",)), partial,
    applies=lambda facts: facts.kernel and facts.result.traffic.bytes_written > 0, relieves=MEMORY | REQUESTS,
)  # fmt: skip
