"""Occupancy in words: a row for each kernel and block size, what limits it and what would lift it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kbench.machine.fits import Fit
from kbench.machine.lift import Lift
from kbench.profiling.profile import Profile
from kbench.reading import units

LIMITERS = {
    "registers": "registers", "shared memory": "shared memory", "warps": "block size", "blocks": "block size",
}  # fmt: skip
"""Limiters of kbench.machine.occupancy as a user meets them: places for warps and for blocks are both about the size of
a block, too large a one or too small."""


def limiters(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(LIMITERS[name] for name in names))


def lift(found: Lift) -> str:
    """ "at most 40 registers a thread would allow 6 blocks (75.0 %)"."""
    then = f"{found.blocks} block{'s' * (found.blocks != 1)} ({units.percent(found.share)} %)"
    if found.names == ("threads",):
        return f"blocks of {found.change.threads} threads would allow {then}"
    parts = {
        "registers": f"{found.change.registers} registers a thread",
        "shared memory": f"{found.change.shared_bytes} bytes of shared memory a block",
    }
    return f"at most {' and '.join(parts[name] for name in found.names)} would allow {then}"


def achieved(fit: Fit, profiles: Mapping[tuple[str, str], Profile]) -> float | None:
    """Of the newest of its configurations that a profiler counted on this architecture. profiles: by configuration id
    and architecture."""
    known = (profiles.get((config.id, fit.arch)) for config in fit.configs)
    return next((value for p in known if p and (value := p.value("achieved_occupancy")) is not None), None)


def described(fit: Fit, profiles: Mapping[tuple[str, str], Profile]) -> dict[str, Any]:
    """All that is known of one, as plain values under unit-bearing names."""
    found = fit.occupancy
    unlaunchable = fit.max_threads is not None and fit.footprint.threads > fit.max_threads
    return {
        "entry": fit.entry,
        "arch": fit.arch,
        "threads": fit.footprint.threads,
        "registers": fit.footprint.registers,
        "spill_bytes": fit.spill_bytes,
        "shared_bytes": fit.footprint.shared_bytes,
        "static_shared_bytes": fit.static_bytes,
        "dynamic_shared_bytes": fit.dynamic_bytes,
        "blocks": 0 if unlaunchable else found.blocks,
        "occupancy": 0.0 if unlaunchable else found.share,
        "achieved_occupancy": achieved(fit, profiles),
        "limiters": ["__launch_bounds__"] if unlaunchable else list(found.limiters),
        "limiter": f"__launch_bounds__({fit.max_threads})" if unlaunchable else limiters(found.limiters),
        "blocks_by_registers": found.by_registers,
        "blocks_by_shared": found.by_shared,
        "blocks_by_warps": found.by_warps,
        "blocks_by_blocks": found.by_blocks,
        "lifts": [] if unlaunchable else [lift(one) for one in fit.lifts],
        "configs": [config.id for config in fit.configs],
    }
