"""What Nsight Compute is asked for: its name of each kind on every architecture, and its units in ours.

Names were checked against the metrics that NVIDIA's host library lists for each chip from GV100 to GB20B
(tests/profiling/test_ncu_metrics.py does so again where that library is installed). Some are missing on some chips, and
ncu refuses a name that it does not know: so nothing is asked for that a chip lacks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kbench.profiling.metrics import KINDS

_PCT, _ACTIVE = "avg.pct_of_peak_sustained_elapsed", "avg.pct_of_peak_sustained_active"
_SASS = "smsp__sass_average_data_bytes_per_sector_mem_global_op"
_STALLED = "smsp__warp_issue_stalled_{}_per_warp_active.pct"
_OTHER_STALLS = ("branch_resolving", "misc", "sleeping", "tex_throttle", "imc_miss", "gmma")

NAMES: dict[str, tuple[str, ...]] = {
    "duration_s": ("gpu__time_duration.sum",),
    "sm_clock_hz": ("sm__cycles_elapsed.avg.per_second",),
    "dram_clock_hz": ("dram__cycles_elapsed.avg.per_second",),
    "dram_bytes_read": ("dram__bytes_read.sum", "dram__bytes_op_read.sum"),
    "dram_bytes_written": ("dram__bytes_write.sum", "dram__bytes_op_write.sum"),
    "dram_throughput": (f"gpu__dram_throughput.{_PCT}",),
    "l2_bytes_read": ("lts__t_sectors_srcunit_tex_op_read.sum",),
    "l2_bytes_written": ("lts__t_sectors_srcunit_tex_op_write.sum",),
    "l2_throughput": (f"lts__throughput.{_PCT}",),
    "l2_hit_rate": ("lts__t_sector_hit_rate.pct",),
    "l1_hit_rate": ("l1tex__t_sector_hit_rate.pct",),
    "l1_throughput": (f"l1tex__throughput.{_ACTIVE}",),
    "memory_throughput": (f"gpu__compute_memory_throughput.{_PCT}",),
    "global_load_requests": ("l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum",),
    "global_load_sectors": ("l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum",),
    "global_load_sector_bytes": (f"{_SASS}_ld.ratio",),
    "global_store_requests": ("l1tex__t_requests_pipe_lsu_mem_global_op_st.sum",),
    "global_store_sectors": ("l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum",),
    "global_store_sector_bytes": (f"{_SASS}_st.ratio",),
    "shared_load_wavefronts": ("l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum",),
    "shared_store_wavefronts": ("l1tex__data_pipe_lsu_wavefronts_mem_shared_op_st.sum",),
    "shared_load_bank_conflicts": ("l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_ld.sum",),
    "shared_store_bank_conflicts": ("l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_st.sum",),
    "local_load_bytes": ("l1tex__t_bytes_pipe_lsu_mem_local_op_ld.sum",),
    "local_store_bytes": ("l1tex__t_bytes_pipe_lsu_mem_local_op_st.sum",),
    "sm_throughput": (f"sm__throughput.{_PCT}",),
    "issue_active": (f"smsp__issue_active.{_ACTIVE}",),
    "threads_per_instruction": ("smsp__thread_inst_executed_per_inst_executed.ratio",),
    "instructions": ("smsp__inst_executed.sum",),
    "pipe_fma": (f"sm__pipe_fma_cycles_active.{_ACTIVE}",),
    "pipe_alu": (f"sm__pipe_alu_cycles_active.{_ACTIVE}",),
    "pipe_fp64": (f"sm__pipe_fp64_cycles_active.{_ACTIVE}",),
    "pipe_lsu": (f"sm__inst_executed_pipe_lsu.{_ACTIVE}",),
    "pipe_tensor": (f"sm__pipe_tensor_cycles_active.{_ACTIVE}",),
    "pipe_xu": (f"sm__inst_executed_pipe_xu.{_ACTIVE}",),
    "achieved_occupancy": (f"sm__warps_active.{_ACTIVE}",),
    "theoretical_occupancy": ("sm__maximum_warps_per_active_cycle_pct",),
    "limit_registers": ("launch__occupancy_limit_registers",),
    "limit_shared": ("launch__occupancy_limit_shared_mem",),
    "limit_warps": ("launch__occupancy_limit_warps",),
    "limit_blocks": ("launch__occupancy_limit_blocks",),
    "waves": ("launch__waves_per_multiprocessor",),
    "grid_blocks": ("launch__grid_size",),
    "block_threads": ("launch__block_size",),
    "registers_per_thread": ("launch__registers_per_thread",),
    "shared_bytes_per_block": ("launch__shared_mem_per_block_static", "launch__shared_mem_per_block_dynamic"),
    "stall_long_scoreboard": (_STALLED.format("long_scoreboard"),),
    "stall_short_scoreboard": (_STALLED.format("short_scoreboard"),),
    "stall_lg_throttle": (_STALLED.format("lg_throttle"),),
    "stall_mio_throttle": (_STALLED.format("mio_throttle"),),
    "stall_barrier": (_STALLED.format("barrier"),),
    "stall_membar": (_STALLED.format("membar"),),
    "stall_math_throttle": (_STALLED.format("math_pipe_throttle"),),
    "stall_wait": (_STALLED.format("wait"),),
    "stall_not_selected": (_STALLED.format("not_selected"),),
    "stall_drain": (_STALLED.format("drain"),),
    "stall_no_instruction": (_STALLED.format("no_instruction"),),
    "stall_dispatch": (_STALLED.format("dispatch_stall"),),
    "stall_other": tuple(_STALLED.format(reason) for reason in _OTHER_STALLS),
}
"""Kind -> ncu's names of it. Of several, those that are there are added up: no chip has both names for one thing."""

_DRAM = frozenset({"dram_clock_hz", "dram_bytes_read", "dram_bytes_written", "dram_throughput"})
_INTEGRATED = frozenset({72, 87, 101, 110, 121})
"""Chips that share the host's memory: ncu has no DRAM metrics there."""

_SCALES: dict[str, dict[str, float]] = {
    "s": {"ns": 1e-9, "nsecond": 1e-9, "us": 1e-6, "usecond": 1e-6, "ms": 1e-3, "msecond": 1e-3, "s": 1.0,
          "second": 1.0},
    "B": {"byte": 1.0, "Kbyte": 1e3, "Mbyte": 1e6, "Gbyte": 1e9, "Tbyte": 1e12, "byte/block": 1.0,
          "Kbyte/block": 1e3, "byte/sector": 1.0, "sector": 32.0, "Ksector": 32e3, "Msector": 32e6, "": 1.0},
    "Hz": {"cycle/second": 1.0, "cycle/nsecond": 1e9, "cycle/usecond": 1e6, "cycle/msecond": 1e3, "hz": 1.0, "Hz": 1.0,
           "Khz": 1e3, "Mhz": 1e6, "Ghz": 1e9, "KHz": 1e3, "MHz": 1e6, "GHz": 1e9, "cycle/ns": 1e9, "cycle/us": 1e6,
           "cycle/s": 1.0},
    "1": {"%": 0.01},
}  # fmt: skip
"""Unit of a kind -> ncu's units of it, as different versions write them, and their factors."""


def names(arch: str = "") -> list[str]:
    """All that ncu is asked for on an architecture such as "sm_90"; where it is not known, what most of them have."""
    number = int(re.sub(r"\D", "", arch) or 90)
    return [name for kind in NAMES for name in _on(kind, number)]


def _on(kind: str, number: int) -> Iterator[str]:
    if kind in _DRAM and number in _INTEGRATED:
        return
    for name in NAMES[kind]:
        gone = "_op_" in name if number != 120 else name in ("dram__bytes_read.sum", "dram__bytes_write.sum")
        gone = gone and kind in _DRAM
        gone |= "stalled_gmma" in name and number != 90
        gone |= "stalled_imc_miss" in name and number >= 100
        if not gone:
            yield name


def value(kind: str, found: Mapping[str, tuple[float, str]]) -> tuple[float, str] | None:
    """A kind's value in its own unit and ncu's name of it, from what a launch has: name -> (value, unit). None where
    nothing is there, or in a unit that means nothing here."""
    total, known = 0.0, []
    for name in NAMES[kind]:
        if name in found:
            number, unit = found[name]
            scale = _SCALES[KINDS[kind].unit].get(unit) if KINDS[kind].unit in _SCALES else 1.0
            if scale is None:
                return None
            total += number * scale
            known.append(name)
    return (total, known[0] if len(known) == 1 else " + ".join(known)) if known else None
