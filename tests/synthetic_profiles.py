"""Profiles as the tools would give them, derived from a synthetic row: nothing here was counted."""

from __future__ import annotations

from collections.abc import Sequence

from synthetic import Model, config

from kbench.experiment.result import Result, Traffic
from kbench.profiling.profile import Finding, Metric, Profile, Span
from kbench.record.store import Stored, StoredProfile

SOURCES = {
    "dram_bytes_read": "dram__bytes_read.sum",
    "dram_bytes_written": "dram__bytes_write.sum",
    "duration_s": "gpu__time_duration.sum",
    "l2_hit_rate": "lts__t_sector_hit_rate.pct",
}


def metrics(result: Result, excess: float = 1.0) -> tuple[Metric, ...]:
    """excess: sectors moved over useful bytes, of reads and writes alike."""
    traffic, time_s = result.traffic, result.time_s or 0.0
    read, written = traffic.bytes_read, traffic.bytes_written
    values = {
        "duration_s": time_s * 1.004 + 0.9e-6,
        "sm_clock_hz": 1.755e9,
        "dram_clock_hz": 3.2e9,
        "dram_bytes_read": round(read * (1 + 0.6 * (excess - 1)) * 1.003),
        "dram_bytes_written": round(written * (1 + 0.5 * (excess - 1)) * 0.991),
        "dram_throughput": 0.91 / excess,
        "l2_bytes_read": round(read * excess),
        "l2_bytes_written": round(written * excess),
        "l2_throughput": 0.42,
        "l2_hit_rate": 0.334,
        "l1_hit_rate": 0.0,
        "memory_throughput": 0.91 / excess,
        "global_load_requests": 2**18,
        "global_load_sectors": round(2**22 * excess),
        "global_load_sector_bytes": 32 / excess,
        "global_store_requests": 2**18,
        "global_store_sectors": round(2**22 * excess),
        "global_store_sector_bytes": 32 / excess,
        "sm_throughput": 0.18,
        "issue_active": 0.071,
        "threads_per_instruction": 32.0,
        "instructions": 4_718_592,
        "pipe_lsu": 0.064,
        "pipe_alu": 0.031,
        "achieved_occupancy": 0.874,
        "theoretical_occupancy": 1.0,
        "limit_registers": 8,
        "limit_shared": 32,
        "limit_warps": 8,
        "limit_blocks": 32,
        "waves": 15.52,
        "grid_blocks": 16384,
        "block_threads": 256,
        "registers_per_thread": 32,
        "shared_bytes_per_block": 0,
        "stall_long_scoreboard": 0.861,
        "stall_lg_throttle": 0.052,
        "stall_wait": 0.021,
        "stall_not_selected": 0.004,
        "stall_drain": 0.031,
        "stall_other": 0.031,
    }
    return tuple(Metric(name, float(value), SOURCES.get(name, "")) for name, value in values.items())


def ncu(result: Result, excess: float = 1.0, source: str | None = None) -> Profile:
    known = result.source if source is None else source
    return Profile(result.config, result.device, "ncu", "2025.3.1", metrics=metrics(result, excess), launches=2,
                   runs=2, raw="profiles/copy.ncu-rep", source=known)  # fmt: skip


def cupti(result: Result) -> Profile:
    """Two runs of a kernel on one stream beside a copy on another."""
    time_s = result.time_s or 1e-6
    spans = [
        Span("kernel", "copy_uint4<float>", "stream 7", at * time_s, (at + 0.9) * time_s) for at in (0.1, 1.1, 2.1, 3.1)
    ]
    spans.append(Span("copy", "host to device", "stream 13", 0.4 * time_s, 2.7 * time_s, 2**24, "h2d"))
    told = {"busy_share": 0.93, "overlap_share": 0.86, "gap_s": 0.1 * time_s}
    known = tuple(Metric(name, value) for name, value in told.items())
    return Profile(result.config, result.device, "cupti", "13.0", metrics=known, spans=tuple(spans), launches=4,
                   runs=4, source=result.source)  # fmt: skip


def sanitizer(result: Result) -> Profile:
    found = Finding("memcheck", "Invalid __global__ read of size 4 bytes", "Address 0x7f is out of bounds",
                    "copy_naive", "copy.cu", 17, 32)  # fmt: skip
    return Profile(result.config, result.device, "sanitizer", "2025.3", findings=(found,), source=result.source)


def failed(result: Result) -> Profile:
    message = "ERR_NVGPUCTRPERM: counters may be read by the administrator only"
    return Profile(result.config, result.device, "ncu", "2025.3.1", "failed", message, source=result.source)


def kept(profiles: Sequence[Profile]) -> list[StoredProfile]:
    return [
        StoredProfile(number, 1, profile.config.digest[:8], "2026-01-02T00:00:00.000Z", profile)
        for number, profile in enumerate(profiles, 1)
    ]


def of(rows: Sequence[Stored]) -> list[StoredProfile]:
    """What a user would have profiled of a sweep on its first device: of each kernel some rows under ncu, one under
    cupti, one under the sanitizer, one whose source has changed since, and one for which ncu failed."""
    own = [row.result for row in rows if row.result.device == rows[0].result.device]
    timed = [result for result in own if result.status == "ok" and result.compiled]
    copies = [r for r in timed if r.config.kernel == "copy" and r.config.axes["dtype"] == "float32"]
    largest = max(r.traffic.useful_bytes for r in copies)
    chosen = [r for r in copies if r.traffic.useful_bytes == largest and r.config.axes["threads"] == 256]
    transposes = [r for r in timed if r.config.kernel == "transpose" and r.config.axes["rows"] == 4096]
    fmas = [r for r in timed if r.config.kernel == "fma" and r.config.axes["k"] in (1, 16, 256)]
    excess = {"naive": 4.5, "tiled": 1.9}
    profiles = [ncu(r, excess.get(str(r.config.axes["variant"]), 1.0)) for r in (*chosen, *transposes, *fmas)]
    profiles += [cupti(chosen[0]), sanitizer(chosen[0])]
    other = next(r for r in copies if r.config.axes["threads"] == 128 and r.config.axes["variant"] == "uint4")
    profiles += [ncu(other, source="another"), failed(next(r for r in copies if r.config.axes["threads"] == 512))]
    return kept(profiles)


def one(excess: float = 1.0, flops: int = 0) -> Result:
    """A single row."""
    traffic = Traffic(2**29, 2**29, 2**29, 2**29, flops=flops)
    return Model().ok(config("copy", n=2**27, variant="uint4", threads=256), traffic)
