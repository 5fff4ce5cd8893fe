"""Each threshold from both sides: the rule fires on it, and a hair beside it does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace
from patients import COPY, GIB, at_roof, healthy, profile, result, slow, timeline
from synthetic import GPU, roofs

from kbench.experiment.result import Result
from kbench.intent.traffic import Traffic
from kbench.profiling.profile import Profile
from kbench.reading.diagnosis import diagnose as diagnosing
from kbench.reading.diagnosis.diagnose import diagnose
from kbench.reading.diagnosis.facts import ABOVE_ROOF, CALLING, Facts
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

Patient = tuple[Result, Profile | None]
MULTIPROCESSORS = GPU.multiprocessors or 0


def of_roof(share: float) -> Patient:
    row = result(1.0)
    assert row.measurement
    assert row.roof
    seconds = COPY.useful_bytes / (share * row.roof.value)
    summary = replace(row.measurement.summary, center_s=seconds)
    return replace(row, measurement=replace(row.measurement, summary=summary)), None


def of_peak(share: float) -> Patient:
    """At the roof of a size whose roof is so much of the peak."""
    row, _ = of_roof(1.0)
    assert row.roof
    peak = GPU.peak_bytes_per_s or 0.0
    assert row.measurement
    seconds = COPY.useful_bytes / (share * peak)
    measured = replace(row.measurement, summary=replace(row.measurement.summary, center_s=seconds))
    return replace(row, roof=replace(row.roof, value=share * peak), measurement=measured), None


def empty(share: float) -> Patient:
    row, _ = of_roof(0.5)
    assert row.measurement
    return replace(row, measurement=replace(row.measurement, floor_s=share * (row.time_s or 0))), None


def calling(share: float) -> Patient:
    """By the host's clock, a hundredth of the time for the way to the GPU and back."""
    row, _ = of_roof(0.5)
    assert row.measurement
    seconds = row.time_s or 0.0
    measured = replace(row.measurement, clock="host", floor_s=0.01 * seconds, submit_s=(share * seconds,))
    return replace(row, measurement=measured), None


def counted(name: str, rule: float = 0.3, **others: float) -> Callable[[float], Patient]:
    return lambda value: slow(rule, {**others, name: value})


def sector_bytes(value: float) -> Patient:
    return slow(0.3, {"global_load_sector_bytes": value})


def written(ratio: float) -> Patient:
    row = result(at_roof(0.3), traffic=COPY)
    return row, profile(row, {"dram_bytes_written": ratio * GIB, "dram_throughput": 0.4})


def written_beside_much_else(worth: float) -> Patient:
    """Twice what was to be written, which is so little that the excess is this share of all useful bytes."""
    some = worth * GIB
    traffic = Traffic(GIB - int(some), int(some), GIB - int(some), int(some))
    row = result(at_roof(0.15), traffic=traffic)
    assert traffic.useful_bytes == GIB
    return row, profile(row, {"dram_bytes_written": 2.0001 * some, "dram_throughput": 0.4})


def declared_reads(ratio: float) -> Patient:
    return result(at_roof(0.3), traffic=Traffic(GIB, GIB, int(ratio * GIB) + 1, GIB)), None


def conflicting(share: float) -> Patient:
    metrics = {"shared_load_wavefronts": 1e6, "shared_load_bank_conflicts": share * 1e6,
               "stall_short_scoreboard": 0.5, "stall_mio_throttle": 0.3}  # fmt: skip
    return slow(0.3, metrics, shared=1024)


def local(share: float) -> Patient:
    nbytes = share * 2 * GIB / (1 - share)
    return slow(0.3, {"local_load_bytes": nbytes, "local_store_bytes": 0}, spills=8)


def flops(share: float) -> Patient:
    row, _ = slow(0.3)
    return replace(row, traffic=replace(COPY, flops=int(share * 5.9e13 * (row.time_s or 0)) + 1)), None


def waves(blocks: float) -> Patient:
    """Eight blocks on each multiprocessor make a wave, at full occupancy."""
    return slow(0.3, {}, grid=round(blocks * 8 * MULTIPROCESSORS))


def overlapping(share: float) -> Patient:
    row = result(0.04, roof=None)
    return row, timeline(row, 0.02, 0.02, share)


def shorter(share: float) -> Patient:
    row = result(0.04, roof=None)
    return row, timeline(row, 0.02 * share, 0.02, 0.0)


def from_dram(ratio: float) -> Patient:
    row, _ = slow(0.3)
    return row, profile(row, {"dram_bytes_read": ratio * GIB})


def reading(share: float) -> Patient:
    """None of what it reads comes from DRAM, and that is so much of all its bytes."""
    some = int(share * GIB)
    row = result(at_roof(0.15), traffic=Traffic(some, GIB - some, some, GIB - some))
    return row, profile(row, {"dram_bytes_read": 0})


WAIT = "stall_long_scoreboard"
HAIR = 1e-3
# Each: the rule, the patient by one number, the threshold, and whether the rule is for numbers above it.
CASES: dict[str, tuple[str, Callable[[float], Patient], float, bool]] = {
    "AT_ROOF": ("bandwidth-bound", of_roof, bandwidth.AT_ROOF, True),
    "OF_PEAK": ("bandwidth-bound", of_peak, bandwidth.OF_PEAK, True),
    "ABOVE_ROOF": ("cache-resident", of_roof, ABOVE_ROOF, True),
    "FROM_DRAM": ("cache-resident", from_dram, cache.FROM_DRAM, False),
    "MATTERS, reads": ("cache-resident", reading, cache.MATTERS, True),
    "LAUNCH_SHARE": ("launch-bound", empty, launch.LAUNCH_SHARE, True),
    "CALLING": ("launch-bound", calling, CALLING, True),
    "WAITING": ("latency-bound", counted(WAIT), latency.WAITING, True),
    "IDLE_BELOW, memory": ("latency-bound", counted("memory_throughput", stall_long_scoreboard=0.8),
                           latency.IDLE_BELOW, False),
    "IDLE_BELOW, compute": ("latency-bound", counted("sm_throughput", stall_long_scoreboard=0.8),
                            latency.IDLE_BELOW, False),
    "USED_BELOW": ("uncoalesced", sector_bytes, access.USED_BELOW, False),
    "READ_MORE": ("scattered-reads", declared_reads, access.READ_MORE, True),
    "WRITE_MORE": ("partial-sectors", written, access.WRITE_MORE, True),
    "WORTH, writes": ("partial-sectors", written_beside_much_else, access.WORTH, True),
    "CONFLICTS": ("bank-conflicts", conflicting, shared.CONFLICTS, True),
    "ACTIVE_BELOW": ("divergent", counted("threads_per_instruction"), divergence.ACTIVE_BELOW, False),
    "LOCAL": ("spilling", local, spilling.LOCAL, True),
    "BUSY_FROM": ("compute-bound", counted("pipe_alu"), compute.BUSY_FROM, True),
    "BUSY_FROM, arithmetic": ("compute-bound", flops, compute.BUSY_FROM, True),
    "HALF": ("too-little-parallelism", waves, parallelism.HALF, False),
    "TAIL": ("too-little-parallelism", waves, 2 / parallelism.TAIL, False),
    "OVERLAPPED": ("overlap-missing", overlapping, overlap.OVERLAPPED, False),
    "MATTERS": ("overlap-missing", shorter, overlap.MATTERS, True),
}  # fmt: skip
COARSE = {"HALF": 0.002, "TAIL": 0.002}  # where a grid has whole blocks


def fires(rule: str, patient: Patient) -> bool:
    row, profiled = patient
    return rule in {cause.rule for cause in diagnose(row, [profiled] if profiled else [], roofs()).causes}


@pytest.mark.parametrize("name", CASES)
def test_both_sides(name: str) -> None:
    rule, patient, threshold, above = CASES[name]
    hair = COARSE.get(name, HAIR) * (1 if above else -1)
    assert fires(rule, patient(threshold * (1 + hair)))
    assert not fires(rule, patient(threshold * (1 - hair)))


def test_multiprocessors_without_a_block() -> None:
    """Beyond the threshold every multiprocessor has one, but not as many as it could hold."""

    def title(blocks: float) -> str:
        row, profiled = slow(0.3, grid=round(blocks * MULTIPROCESSORS))
        return next(c.title for c in diagnose(row, [profiled]).causes if c.rule == "too-little-parallelism")

    assert title(parallelism.IDLE - 0.01) == "too few blocks"
    assert title(parallelism.IDLE + 0.01) == "less than one wave"


def test_beyond_the_roof_there_is_none() -> None:
    assert fires("bandwidth-bound", of_roof(ABOVE_ROOF - HAIR))
    assert not fires("bandwidth-bound", of_roof(ABOVE_ROOF + HAIR))


def test_occupancy() -> None:
    """Half of the places is low; one warp more than half is not."""
    half, more = slow(0.3, threads=128, registers=64), slow(0.3, threads=96, registers=56)
    assert fires("occupancy-registers", half)
    assert not fires("occupancy-registers", more)
    assert Facts(half[0]).value("theoretical_occupancy") == residency.LOW
    assert residency.LOW < (Facts(more[0]).value("theoretical_occupancy") or 0) < residency.LOW + 0.1


def test_a_gain_that_is_worth_telling() -> None:
    """32 of 30.4 threads are a gain of 5 %; but that is no divergence. What is busy leaves more than that, or less."""
    assert diagnosing.WORTH == 1.05
    row, profiled = healthy(0.5, threads_per_instruction=16.0, l2_throughput=0.95)
    assert fires("divergent", (row, profiled))
    row, profiled = healthy(0.5, threads_per_instruction=16.0, l2_throughput=0.955)
    assert not fires("divergent", (row, profiled))


def test_what_the_host_s_calls_hide_is_no_more_than_the_link_s_roof_leaves() -> None:
    row, _ = calling(0.98)
    (cause,) = (c for c in diagnose(row, [], roofs()).causes if c.rule == "launch-bound")
    assert cause.gain.high == pytest.approx(2.0)
    assert "launch-bound" not in {c.rule for c in diagnose(calling(0.6)[0], [], roofs()).causes}


def test_calls_that_take_all_the_time_may_gain_what_the_roof_has() -> None:
    row, _ = calling(1.0)
    assert row.measurement
    long = replace(row.measurement.summary, center_s=100 * (row.time_s or 0.0))
    measured = replace(row.measurement, summary=long, submit_s=(long.center_s,))
    (cause,) = (c for c in diagnose(replace(row, measurement=measured), [], roofs()).causes if c.rule == "launch-bound")
    assert cause.gain.high == pytest.approx(200, rel=0.01)


def test_calls_that_block_are_no_launches() -> None:
    row, _ = calling(0.98)
    assert row.roof
    pageable = replace(row, roof=replace(row.roof, kind="h2d pageable"))
    assert "launch-bound" not in {c.rule for c in diagnose(pageable, [], roofs()).causes}
