"""What the planted kernels of tests/profiled must show on compute capability 9.0, in the metrics of one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from commandline import ROOT

PROFILED, SANITIZED = ROOT / "tests" / "profiled", ROOT / "tests" / "sanitized"
L2_BYTES = 50 * 2**20
Metrics = Mapping[str, float]


def uncoalesced(m: Metrics, n: int) -> None:
    assert m["global_load_sectors"] / m["global_load_requests"] == pytest.approx(32, rel=0.02)
    assert m["global_load_sector_bytes"] == pytest.approx(4, rel=0.05)
    assert m["global_store_sector_bytes"] == pytest.approx(32, rel=0.02)


def partial_sector_writes(m: Metrics, n: int) -> None:
    assert m["global_store_sector_bytes"] < 8
    assert m["dram_bytes_written"] > 4 * (4 * n), "whole sectors for four bytes each"


def bank_conflicts(m: Metrics, n: int) -> None:
    passes, conflicts = m["shared_load_wavefronts"], m["shared_load_bank_conflicts"]
    assert passes / (passes - conflicts) > 8
    assert m["shared_store_bank_conflicts"] < 0.1 * m["shared_store_wavefronts"]


def spills(m: Metrics, n: int) -> None:
    assert m["registers_per_thread"] == 32
    assert m["local_store_bytes"] > n // 64 * 4 * 32, "a spill of 32 values a thread, at least"


def divergence(m: Metrics, n: int) -> None:
    assert m["threads_per_instruction"] < 12


def too_few_blocks(m: Metrics, n: int) -> None:
    assert m["grid_blocks"] == 4
    assert m["waves"] < 0.1
    assert m["dram_throughput"] < 0.2


def two_microseconds(m: Metrics, n: int) -> None:
    assert 5e-7 < m["duration_s"] < 5e-6


def latency_bound(m: Metrics, n: int) -> None:
    assert m["stall_long_scoreboard"] > 0.5
    assert max(m["memory_throughput"], m["sm_throughput"]) < 0.6


def compute_bound(m: Metrics, n: int) -> None:
    assert m["pipe_fma"] > 0.8
    assert m["dram_throughput"] < 0.3


def streaming_copy(m: Metrics, n: int) -> None:
    """Reads within 2 % of what is declared; of what is written, as much as L2 holds may not have left it yet."""
    assert m["dram_bytes_read"] == pytest.approx(4 * n, rel=0.02)
    left = 0 if 8 * n >= 2**32 else L2_BYTES
    assert 0.98 * 4 * n - left < m["dram_bytes_written"] < 1.02 * 4 * n + left
    assert m["dram_throughput"] > 0.8
    assert m["threads_per_instruction"] > 31
    assert m["local_load_bytes"] == m["local_store_bytes"] == 0


def limited_by_registers(m: Metrics, n: int) -> None:
    assert m["limit_registers"] < min(m["limit_shared"], m["limit_warps"], m["limit_blocks"])
    assert m["theoretical_occupancy"] == pytest.approx(0.125)


def limited_by_shared(m: Metrics, n: int) -> None:
    assert m["limit_shared"] == 4
    assert m["theoretical_occupancy"] == pytest.approx(0.25)
    assert m["shared_bytes_per_block"] == 48 * 1024


def limited_by_blocks(m: Metrics, n: int) -> None:
    assert m["limit_blocks"] == 32
    assert m["theoretical_occupancy"] == pytest.approx(0.5)


EXPECTED: dict[str, Callable[[Metrics, int], None]] = {
    check.__name__: check
    for check in (
        uncoalesced, partial_sector_writes, bank_conflicts, spills, divergence, too_few_blocks, two_microseconds,
        latency_bound, compute_bound, streaming_copy, limited_by_registers, limited_by_shared, limited_by_blocks,
    )
}  # fmt: skip
"""By kernel; each is given the metrics and the size n of the largest configuration. `cache_resident` is one under
another cache state, and has a test of its own."""

FAULTS: dict[str, tuple[str, int]] = {
    "out_of_bounds": ("memcheck", 5), "shared_race": ("racecheck", 6), "uninitialised_read": ("initcheck", 5),
    "divergent_barrier": ("synccheck", 7),
}  # fmt: skip
"""Kernel of tests/sanitized -> the check that finds it, and in which line."""

RULES: dict[str, str] = {
    "uncoalesced": "uncoalesced", "partial_sector_writes": "partial-sectors", "bank_conflicts": "bank-conflicts",
    "spills": "spilling", "divergence": "divergent", "too_few_blocks": "too-little-parallelism",
    "two_microseconds": "launch-bound", "latency_bound": "latency-bound", "compute_bound": "compute-bound",
    "cache_resident": "cache-resident", "streaming_copy": "bandwidth-bound",
    "limited_by_registers": "occupancy-registers", "limited_by_shared": "occupancy-shared-memory",
    "limited_by_blocks": "occupancy-block-size",
}  # fmt: skip
"""Kernel of tests/profiled -> the rule of the diagnosis that it is planted for."""
