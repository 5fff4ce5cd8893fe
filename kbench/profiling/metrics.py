"""The words for what profilers count: one name, unit and meaning each, whatever tool says it."""

from __future__ import annotations

import msgspec


class Kind(msgspec.Struct, frozen=True):
    """unit: "s", "B", "Hz", "1" (a share, 0 to 1), "count". joined: how several launches of one Op become one value:
    "sum", "mean" (weighted with duration), "max"."""

    unit: str
    meaning: str
    joined: str = "mean"


def _count(meaning: str) -> Kind:
    return Kind("count", meaning, "sum")


def _bytes(meaning: str) -> Kind:
    return Kind("B", meaning, "sum")


def _share(meaning: str) -> Kind:
    return Kind("1", meaning)


KINDS: dict[str, Kind] = {
    "duration_s": Kind("s", "time on the GPU, from first start to last end", "sum"),
    "sm_clock_hz": Kind("Hz", "SM clock while it ran"),
    "dram_clock_hz": Kind("Hz", "memory clock while it ran"),
    # memory
    "dram_bytes_read": _bytes("read from DRAM"),
    "dram_bytes_written": _bytes("written to DRAM"),
    "dram_throughput": _share("of what DRAM can do"),
    "l2_bytes_read": _bytes("asked of L2 by the SMs"),
    "l2_bytes_written": _bytes("sent to L2 by the SMs"),
    "l2_throughput": _share("of what L2 can do"),
    "l2_hit_rate": _share("of L2 look-ups that hit"),
    "l1_hit_rate": _share("of L1 look-ups that hit"),
    "l1_throughput": _share("of what L1 can do"),
    "memory_throughput": _share("of the busiest part of the memory system"),
    # access patterns
    "global_load_requests": _count("load instructions of warps to global memory"),
    "global_load_sectors": _count("32-byte sectors that they touched"),
    "global_load_sector_bytes": Kind("B", "bytes used of each 32-byte sector loaded"),
    "global_store_requests": _count("store instructions of warps to global memory"),
    "global_store_sectors": _count("32-byte sectors that they touched"),
    "global_store_sector_bytes": Kind("B", "bytes used of each 32-byte sector stored"),
    "shared_load_wavefronts": _count("passes through shared memory for loads"),
    "shared_store_wavefronts": _count("passes through shared memory for stores"),
    "shared_load_bank_conflicts": _count("of those passes, the ones that bank conflicts add"),
    "shared_store_bank_conflicts": _count("of those passes, the ones that bank conflicts add"),
    "local_load_bytes": _bytes("local memory loaded (spills, stack arrays)"),
    "local_store_bytes": _bytes("local memory stored (spills, stack arrays)"),
    # computing
    "sm_throughput": _share("of what the SMs' busiest pipe can do"),
    "issue_active": _share("of cycles in which a scheduler issued"),
    "threads_per_instruction": Kind("count", "threads active in an executed warp instruction, of 32"),
    "instructions": _count("warp instructions executed"),
    "pipe_fma": _share("of the FMA pipe's cycles"),
    "pipe_alu": _share("of the integer and logic pipe's cycles"),
    "pipe_fp64": _share("of the FP64 pipe's cycles"),
    "pipe_lsu": _share("of the load/store pipe's cycles"),
    "pipe_tensor": _share("of the tensor pipe's cycles"),
    "pipe_xu": _share("of the transcendental and conversion pipe's cycles"),
    # parallelism
    "achieved_occupancy": _share("warps resident, of what an SM holds"),
    "theoretical_occupancy": _share("warps that could be resident, of what an SM holds"),
    "limit_registers": Kind("count", "blocks per SM that registers allow", "max"),
    "limit_shared": Kind("count", "blocks per SM that shared memory allows", "max"),
    "limit_warps": Kind("count", "blocks per SM that its warps allow", "max"),
    "limit_blocks": Kind("count", "blocks per SM that the SM allows at all", "max"),
    "waves": Kind("count", "times that the grid fills the GPU", "max"),
    "grid_blocks": Kind("count", "blocks in the grid", "max"),
    "block_threads": Kind("count", "threads in a block", "max"),
    "registers_per_thread": Kind("count", "registers of a thread", "max"),
    "shared_bytes_per_block": Kind("B", "shared memory of a block", "max"),
    # stalls: shares of the cycles between two instructions of a warp
    "stall_long_scoreboard": _share("of a warp's time spent waiting for global or local memory"),
    "stall_short_scoreboard": _share("of a warp's time spent waiting for shared memory or special functions"),
    "stall_lg_throttle": _share("of a warp's time spent waiting for the queue of global memory instructions"),
    "stall_mio_throttle": _share("of a warp's time spent waiting for the queue of shared memory instructions"),
    "stall_barrier": _share("of a warp's time spent waiting at a barrier"),
    "stall_membar": _share("of a warp's time spent waiting at a memory fence"),
    "stall_math_throttle": _share("of a warp's time spent waiting for a busy arithmetic pipe"),
    "stall_wait": _share("of a warp's time spent on fixed latencies"),
    "stall_not_selected": _share("of a warp's time spent ready while another was issued"),
    "stall_drain": _share("of a warp's time spent waiting for its last stores"),
    "stall_no_instruction": _share("of a warp's time spent waiting for instructions"),
    "stall_dispatch": _share("of a warp's time spent waiting for the dispatcher, which holds back an instruction"),
    "stall_other": _share("of a warp's time spent otherwise"),
    # timelines
    "busy_share": _share("of the timeline in which the GPU did something"),
    "overlap_share": _share("of the time of copies in which a kernel ran too"),
    "kernel_overlap_share": _share("of the time of kernels in which a copy ran too"),
    "gap_s": Kind("s", "median gap between two pieces of work on one stream"),
    "largest_gap_s": Kind("s", "longest stretch of the timeline in which the GPU did nothing", "max"),
    "range_share": _share("of the traced time spent in this configuration's range"),
}
