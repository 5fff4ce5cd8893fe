"""Which clock an Op gets in which cache state, and what speaks against the others."""

from __future__ import annotations

from dataclasses import dataclass

from kbench.errors import UsageError, did_you_mean
from kbench.machine.cuda.events import MANY_ENTRIES

PAIRS = {"cupti": ("cold", "warm", "sustained"), "events": ("cold", "warm"), "graph": ("sustained", "warm"),
         "host": ("cold", "warm")}  # fmt: skip
"""The cache states of each clock."""
CACHES = ("cold", "warm", "sustained")
LONG = 2**24
"""Device bytes from which on auto does without CUPTI. Its tracing slows kernels of many threads: on an H200
(2026-11-20) a copy of 16 MiB, one float a thread in blocks of 1,024, read 15.0 us where events read 13.4 and Nsight
Compute, less the 0.95 us that it always reads more, 13.1; of 256 MiB 260, 240 and 239; of 1 MiB no more than they did,
of 2, 4 and 8 MiB up to 0.3, 0.4 and 0.9 us more. What is left of the bias of events, a few tenths of a microsecond, is
little beside what moves so much, and much beside smaller kernels."""


@dataclass(frozen=True)
class Facts:
    """What decides on the clock of an Op. link: how the host takes part in it, entries: launch-queue entries of a run,
    uncapturable: why no graph can hold it, unrotatable: why it has no buffer sets, no_cupti: why CUPTI is not there,
    unholdable: why it must not wait behind a hold, so that events would have the host's gaps in them; each "" if
    nothing speaks against. nbytes: device bytes that it reads and writes."""

    link: str
    entries: int
    uncapturable: str
    unrotatable: str
    no_cupti: str
    nbytes: int = 0
    unholdable: str = ""


def choose(asked: str, cache: str, facts: Facts) -> tuple[str, str]:
    """The clock for an Op in a cache state, and why. Raises UsageError, which names those that can."""
    if cache not in CACHES:
        raise UsageError(f"unknown cache state {cache!r}{did_you_mean(cache, CACHES)}")
    if asked != "auto":
        if asked not in PAIRS:
            raise UsageError(f"unknown clock {asked!r}{did_you_mean(asked, [*PAIRS, 'auto'])}")
        _refuse(asked, cache, _against(asked, cache, facts), facts)
        return asked, f"clock {asked}: asked for"
    if cache != "sustained" and facts.link:
        return "host", f"clock host: {facts.link}"
    if cache != "sustained" and facts.entries > MANY_ENTRIES:
        return "host", f"clock host: the host submits {facts.entries} entries for each run"
    other = "graph" if cache == "sustained" else "events"
    against = _against("cupti", cache, facts)
    if facts.nbytes >= LONG and not (_against(other, cache, facts) or (other == "events" and facts.unholdable)):
        return other, f"clock {other}: tracing by CUPTI may slow what moves {LONG >> 20} MiB or more"
    if not against:
        return "cupti", "clock cupti: the GPU's own stamps of each kernel"
    _refuse(other, cache, _against(other, cache, facts), facts)
    return other, f"clock {other}: {against}"


def _against(clock: str, cache: str, facts: Facts) -> str:
    """What speaks against a clock in a cache state; "" if nothing does."""
    if cache not in PAIRS[clock]:
        return f"it measures {' and '.join(PAIRS[clock])} runs"
    if cache == "sustained" and facts.unrotatable:
        return f"no buffer sets can take turns ({facts.unrotatable})"
    if clock == "cupti":
        return facts.no_cupti
    return facts.uncapturable if clock == "graph" else ""


def _refuse(clock: str, cache: str, reason: str, facts: Facts) -> None:
    if reason:
        possible = [name for name in PAIRS if not _against(name, cache, facts)]
        others = f"possible for {cache} here: {', '.join(possible)}" if possible else f"no clock can do {cache} here"
        raise UsageError(f"the clock {clock} cannot time this {cache}: {reason} ({others})")
