"""Configurations with one thing wrong each, as a sweep and ncu would tell of them: for the tests of the diagnosis.

The numbers are written here, from what such a kernel does by its construction; none was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from synthetic import GPU, Model, config

from kbench.experiment.result import Compiled, Launched, Result
from kbench.intent.traffic import Traffic
from kbench.profiling.metrics import KINDS
from kbench.profiling.profile import Metric, Profile, Span

GIB = 1 << 30
BYTES = 2 * GIB
ROOF = Model().roof("copy", BYTES).value
COPY = Traffic(GIB, GIB, GIB, GIB, formula="2 nbytes")
HEALTHY_METRICS: dict[str, float] = {
    "dram_bytes_read": GIB, "dram_bytes_written": GIB, "dram_throughput": 0.9,
    "l2_throughput": 0.6, "l1_throughput": 0.4, "memory_throughput": 0.9, "l2_hit_rate": 0.5, "l1_hit_rate": 0.0,
    "global_load_requests": GIB / 512, "global_load_sectors": GIB / 32, "global_load_sector_bytes": 32.0,
    "global_store_requests": GIB / 512, "global_store_sectors": GIB / 32, "global_store_sector_bytes": 32.0,
    "shared_load_wavefronts": 0, "shared_store_wavefronts": 0,
    "shared_load_bank_conflicts": 0, "shared_store_bank_conflicts": 0,
    "local_load_bytes": 0, "local_store_bytes": 0,
    "sm_throughput": 0.2, "issue_active": 0.1, "threads_per_instruction": 32.0, "instructions": 1e8,
    "pipe_fma": 0.02, "pipe_alu": 0.08, "pipe_fp64": 0.0, "pipe_lsu": 0.2, "pipe_tensor": 0.0, "pipe_xu": 0.0,
    "achieved_occupancy": 0.45,
    "stall_long_scoreboard": 0.85, "stall_short_scoreboard": 0.0, "stall_lg_throttle": 0.02,
    "stall_mio_throttle": 0.0, "stall_barrier": 0.0, "stall_membar": 0.0, "stall_math_throttle": 0.0,
    "stall_wait": 0.05, "stall_not_selected": 0.01, "stall_drain": 0.02, "stall_no_instruction": 0.01,
}  # fmt: skip
"""Of a copy in 16-byte accesses at the roof. Its warps wait for memory most of the time, as they should."""


def result(
    seconds: float, *, traffic: Traffic = COPY, registers: int = 32, shared: int = 0, spills: int = 0,
    grid: int = 262144, threads: int = 256, dynamic: int = 0, size: int = BYTES, floor_s: float = 0.9e-6,
    **changes: Any,
) -> Result:  # fmt: skip
    """A row of the model GPU that took so long, cold, by CUPTI's clock."""
    model = Model()
    measured = replace(model.measurement(seconds), floor_s=floor_s)
    compiled = Compiled("kernel<float>", "nvrtc 13.0", 0.1, 9000, registers, spills, shared)
    row = Result(
        config("patient", ("threads",), n=1, dtype="float32", threads=threads), "ok", GPU, traffic=traffic,
        measurement=measured, compiled=compiled, roof=model.roof("copy", size),
        launched=Launched(grid, threads, dynamic),
    )  # fmt: skip
    return replace(row, **changes)


def profile(row: Result, metrics: Mapping[str, float] | None = None, tool: str = "ncu", **more: Any) -> Profile:
    told = (
        dict(metrics or {})
        if tool != "ncu"
        else {"duration_s": row.time_s or 0.0, **HEALTHY_METRICS, **(metrics or {})}
    )
    assert set(told) <= set(KINDS), set(told) - set(KINDS)
    each = tuple(Metric(name, float(value), f"{tool}.{name}") for name, value in told.items())
    return Profile(row.config, row.device, tool, metrics=each, **more)  # type: ignore[arg-type]


def at_roof(share: float = 0.96) -> float:
    """The seconds in which 2 GiB are copied at so much of the roof."""
    return BYTES / (share * ROOF)


def healthy(share: float = 0.96, **changes: float) -> tuple[Result, Profile]:
    """A streaming copy at the roof, with half of the places for warps taken."""
    row = result(at_roof(share), registers=64)
    return row, profile(row, changes)


def slow(share: float = 0.3, metrics: Mapping[str, float] | None = None, **row: Any) -> tuple[Result, Profile]:
    """A copy at a third of the roof in which nothing is busy and nothing else is wrong: one thing is to be planted."""
    calm = {
        "dram_throughput": share * 0.93, "memory_throughput": 0.5, "l2_throughput": 0.3, "l1_throughput": 0.3,
        "stall_long_scoreboard": 0.2, "stall_not_selected": 0.2, "issue_active": 0.3, "sm_throughput": 0.4,
    }  # fmt: skip
    found = result(at_roof(share), **row)
    return found, profile(found, {**calm, **(metrics or {})})


def timeline(row: Result, copies_s: float, kernels_s: float, overlap: float) -> Profile:
    spans = (
        Span("copy", "h2d", "stream 0", 0.0, copies_s, nbytes=1, memory="h2d"),
        Span("kernel", "move_pages", "stream 1", copies_s * (1 - overlap), copies_s * (1 - overlap) + kernels_s),
    )
    return profile(row, {"overlap_share": overlap}, "cupti", spans=spans)
