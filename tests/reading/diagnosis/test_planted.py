"""Each rule fires on the kernel with that one thing wrong, right about its numbers, and on no healthy one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace
from patients import COPY, GIB, at_roof, healthy, profile, result, slow, timeline
from synthetic import CPU, roofs

from kbench.experiment.result import Result
from kbench.intent.traffic import Traffic
from kbench.profiling.profile import Profile
from kbench.reading.diagnosis.diagnose import diagnose
from kbench.reading.diagnosis.diagnosis import Cause, Diagnosis
from kbench.reading.diagnosis.facts import FACTS, Facts, kind_of
from kbench.reading.diagnosis.rules import RULES

Patient = tuple[Result, Profile]


def found(patient: Patient) -> Diagnosis:
    row, profiled = patient
    return diagnose(row, [profiled], roofs())


def fired(patient: Patient) -> dict[str, Cause]:
    return {cause.rule: cause for cause in found(patient).causes}


def spilling() -> Patient:
    return slow(0.4, {"local_load_bytes": GIB / 2, "local_store_bytes": GIB / 2}, registers=32, spills=256)


def conflicts() -> Patient:
    metrics = {
        "shared_load_wavefronts": 33e6, "shared_store_wavefronts": 1e6, "shared_load_bank_conflicts": 32e6,
        "stall_short_scoreboard": 0.3, "stall_mio_throttle": 0.2, "l1_throughput": 0.92, "memory_throughput": 0.92,
    }  # fmt: skip
    return slow(0.35, metrics, shared=4096)


def divergent() -> Patient:
    return slow(0.3, {"threads_per_instruction": 2.0, "issue_active": 0.7, "sm_throughput": 0.7, "pipe_alu": 0.7})


def too_few_blocks() -> Patient:
    return slow(0.05, {"memory_throughput": 0.06, "dram_throughput": 0.05, "stall_long_scoreboard": 0.8}, grid=16)


def two_microseconds() -> Patient:
    row = result(2e-6, traffic=Traffic(65536, 65536, 65536, 65536), size=131072, grid=32)
    row = replace(row, roof=replace(row.roof, value=131072 / 2e-6))  # what any kernel reaches at this size
    return row, profile(row, {"dram_bytes_read": 65536, "dram_bytes_written": 0, "dram_throughput": 0.01})


def compute_bound() -> Patient:
    row, _ = slow(0.2)
    row = replace(row, traffic=replace(COPY, flops=int(0.9 * 5.9e13 * (row.time_s or 0))))
    return row, profile(row, {"pipe_fma": 0.93, "issue_active": 0.95, "sm_throughput": 0.95, "memory_throughput": 0.2,
                              "dram_throughput": 0.18, "stall_long_scoreboard": 0.05})  # fmt: skip


def uncoalesced() -> Patient:
    """Each thread of a warp writes four bytes of a sector of its own, as a naive transpose does."""
    return slow(0.12, {
        "global_store_sector_bytes": 4.0, "global_store_requests": GIB / 128, "global_store_sectors": GIB / 4,
        "l1_throughput": 0.7, "memory_throughput": 0.7, "stall_lg_throttle": 0.4, "pipe_lsu": 0.6,
    })  # fmt: skip


def partial_sectors() -> Patient:
    """Half of each sector written is useful: DRAM writes twice the bytes."""
    row = result(at_roof(0.6), traffic=Traffic(GIB, GIB, GIB, 2 * GIB))
    return row, profile(
        row, {"dram_bytes_written": 2 * GIB, "global_store_sector_bytes": 25.0, "dram_throughput": 0.85}
    )


def resident() -> Patient:
    row = result(at_roof(1.6))
    return row, profile(row, {"dram_bytes_read": 0.02 * GIB, "dram_bytes_written": 0, "dram_throughput": 0.05,
                              "l2_hit_rate": 0.99, "l2_throughput": 0.6, "memory_throughput": 0.6})  # fmt: skip


def latency() -> Patient:
    return slow(
        0.3, {"stall_long_scoreboard": 0.8, "memory_throughput": 0.3, "sm_throughput": 0.1, "issue_active": 0.1}
    )


def registers() -> Patient:
    return slow(0.3, registers=200)


def shared_memory() -> Patient:
    return slow(0.3, shared=1024, dynamic=100 * 1024)


def block_size() -> Patient:
    return slow(0.3, threads=32, grid=1 << 20)


def tail() -> Patient:
    return slow(0.3, grid=132 * 8 + 1, registers=32)


def unoverlapped() -> Patient:
    traffic = Traffic(bytes_h2d=GIB, sectors_read=GIB, sectors_written=GIB, bytes_read=GIB, bytes_written=GIB)
    row = result(0.04, traffic=traffic, roof=None)
    return row, timeline(row, 0.02, 0.02, 0.0)


PLANTED: dict[str, tuple[Callable[[], Patient], str, float]] = {
    # rule: (patient, the number that says so, its value)
    "spilling": (spilling, "local_share", 1 / 3),
    "bank-conflicts": (conflicts, "conflict_share", 32 / 34),
    "divergent": (divergent, "threads_per_instruction", 2.0),
    "too-little-parallelism": (too_few_blocks, "grid_blocks", 16),
    "launch-bound": (two_microseconds, "empty_share", 0.45),
    "compute-bound": (compute_bound, "issue_active", 0.95),
    "uncoalesced": (uncoalesced, "global_store_sector_bytes", 4.0),
    "partial-sectors": (partial_sectors, "dram_write_ratio", 2.0),
    "cache-resident": (resident, "of_roof", 1.6),
    "latency-bound": (latency, "stall_long_scoreboard", 0.8),
    "occupancy-registers": (registers, "theoretical_occupancy", 0.125),
    "occupancy-shared-memory": (shared_memory, "theoretical_occupancy", 0.25),
    "occupancy-block-size": (block_size, "theoretical_occupancy", 0.5),
    "overlap-missing": (unoverlapped, "overlap_share", 0.0),
    "bandwidth-bound": (healthy, "of_roof", 0.96),
}


@pytest.mark.parametrize("rule", PLANTED)
def test_what_was_planted_is_found(rule: str) -> None:
    plant, name, value = PLANTED[rule]
    cause = fired(plant())[rule]
    evidence = {e.name: e for e in cause.evidence}[name]
    assert evidence.value == pytest.approx(value, rel=0.01)
    assert evidence.threshold is not None
    assert evidence.relation in (">=", "<=")
    assert evidence.unit == kind_of(name).unit
    assert cause.next
    assert cause.gain.why
    assert 1 <= cause.gain.low <= cause.gain.high < 40


@pytest.mark.parametrize(
    "rule", [r for r in PLANTED if r not in ("bandwidth-bound", "cache-resident", "partial-sectors")]
)
def test_what_was_planted_comes_first(rule: str) -> None:
    diagnosis = found(PLANTED[rule][0]())
    assert diagnosis.causes[0].rule == rule, [c.rule for c in diagnosis.causes]
    assert diagnosis.causes[0].title in diagnosis.headline
    gains = [cause.gain.high for cause in diagnosis.causes]
    assert gains == sorted(gains, reverse=True)


def test_every_rule_is_planted_but_the_one_for_rows_without_counters() -> None:
    assert {rule.name for rule in RULES} - set(PLANTED) == {"scattered-reads"}


def test_on_an_excellent_copy_only_the_roof() -> None:
    diagnosis = found(healthy())
    assert [cause.rule for cause in diagnosis.causes] == ["bandwidth-bound"]
    assert diagnosis.headline == "bandwidth-bound at the roof; at 96.0 % of its roof"
    assert not diagnosis.missing
    held = {h.rule: h.why for h in diagnosis.held}
    assert held["latency-bound"] == held["occupancy-registers"] == "it is at the roof already"
    assert diagnosis.used == ("ncu",)


def test_at_the_roof_nobody_needs_counters() -> None:
    row, _ = healthy()
    diagnosis = diagnose(row)
    assert [cause.rule for cause in diagnosis.causes] == ["bandwidth-bound"]
    assert {missing.rule for missing in diagnosis.missing} <= {"compute-bound"}


def test_at_the_roof_of_a_small_size_there_is_a_launch_and_no_bandwidth() -> None:
    assert set(fired(two_microseconds())) == {"launch-bound"}


def test_at_the_roof_in_whole_sectors() -> None:
    row, profiled = partial_sectors()
    causes = fired((replace(row, measurement=result(at_roof(0.7)).measurement), profiled))
    assert set(causes) == {"partial-sectors", "bandwidth-bound"}
    assert causes["partial-sectors"].gain.high == pytest.approx(1 / 0.7, rel=0.01)  # 1.5, if the roof were not there
    assert causes["bandwidth-bound"].evidence[0].name in ("of_roof_sectors", "dram_of_roof")


def test_without_counters_what_is_known_is_told_and_the_rest_is_named() -> None:
    row, _ = registers()
    diagnosis = diagnose(row)
    assert [cause.rule for cause in diagnosis.causes] == ["occupancy-registers"]
    missing = {m.rule: m for m in diagnosis.missing}
    assert missing["latency-bound"].metrics == ("memory_throughput", "sm_throughput", "stall_long_scoreboard")
    assert missing["uncoalesced"].how == f"kbench profile {diagnosis.key} --tool ncu"
    assert {"uncoalesced", "divergent", "latency-bound", "compute-bound"} <= set(missing)
    assert "bank-conflicts" not in missing  # it has no shared memory
    assert "spilling" not in missing  # nor local memory, says the compiler


def test_what_the_compiler_said_is_enough_for_spills_and_shared_memory() -> None:
    row = result(at_roof(0.4), spills=256, shared=1024)
    diagnosis = diagnose(row)
    (cause,) = [c for c in diagnosis.causes if c.rule == "spilling"]
    assert cause.evidence[0].source == "compiler"
    assert "bank-conflicts" in {m.rule for m in diagnosis.missing}


def test_scattered_reads_are_told_as_declared() -> None:
    row = result(at_roof(0.45), traffic=Traffic(GIB, GIB, 3 * GIB, GIB))
    causes = {c.rule: c for c in diagnose(row).causes}
    assert causes["scattered-reads"].gain.high == pytest.approx(2.0, rel=0.01)
    counted = profile(row)
    assert "scattered-reads" not in {c.rule for c in diagnose(row, [counted]).causes}


def test_the_same_registers_and_what_would_lift_them() -> None:
    cause = fired(registers())["occupancy-registers"]
    assert cause.title == "occupancy-limited by registers"
    assert "at most 128 registers a thread would allow 2 blocks (25.0 %)" in cause.next


def test_two_resources_that_bind_alike_are_one_finding() -> None:
    causes = fired(slow(0.3, registers=128, shared=1024, dynamic=100 * 1024))
    (cause,) = [c for name, c in causes.items() if name.startswith("occupancy")]
    assert cause.title == "occupancy-limited by registers, shared memory"


def test_a_grid_that_fills_half_a_wave_and_one_with_a_tail() -> None:
    causes = fired(slow(0.3, grid=132 * 4, registers=32))
    assert causes["too-little-parallelism"].title == "less than one wave"
    assert causes["too-little-parallelism"].gain.high == pytest.approx(2.0, rel=0.01)
    tailed = fired(tail())["too-little-parallelism"]
    assert tailed.title == "tail effect"
    assert tailed.gain.high == pytest.approx(2 / (1 + 1 / (132 * 8)), rel=1e-3)


def test_the_first_of_several_kernels_does_not_stand_for_them_all() -> None:
    """reshape_and_cache's gather on an H200: 64 blocks sign the slots, 16,384 do the work."""
    row, _ = slow(0.18, grid=64, registers=10)
    traced = profile(row, {"duration_s": 181.9e-6, "grid_blocks": 16384.0, "block_threads": 256.0})
    assert "too-little-parallelism" in {c.rule for c in diagnose(row).causes}
    assert row.launched is not None
    both = replace(row, launched=replace(row.launched, launches=2))
    for profiles in ([], [traced]):
        assert "too-little-parallelism" not in {c.rule for c in diagnose(both, profiles).causes}
        assert "waves" not in Facts(both, profiles, roofs())._numbers
        found = diagnose(both, profiles)
        assert not {m.rule for m in found.missing} & {"too-little-parallelism", "occupancy-registers"}, (
            "it cannot be had"
        )


def test_no_gain_exceeds_what_else_is_busy() -> None:
    row, profiled = slow(0.5, {"threads_per_instruction": 1.0})
    assert fired((row, profiled))["divergent"].gain.high == pytest.approx(2.0, rel=0.01)
    _, busy = slow(0.5, {"threads_per_instruction": 1.0, "l2_throughput": 0.99})
    diagnosis = diagnose(row, [busy])
    assert "divergent" not in {c.rule for c in diagnosis.causes}
    why = {h.rule: h.why for h in diagnosis.held}["divergent"]
    assert why == "L2 is busy for 99.0 % of the time, which this would not change"


def test_what_launching_takes_is_not_cured_by_anything_else() -> None:
    none = {"dram_bytes_read": 0, "dram_bytes_written": 0, "memory_throughput": 0.1}
    row = result(4e-6, size=131072, traffic=Traffic(65536, 65536, 65536, 65536), floor_s=1e-6)
    causes = fired((row, profile(row, {"threads_per_instruction": 8.0, "dram_throughput": 0.1, **none})))
    assert causes["divergent"].gain.high <= 1 / (0.25 + 0.75 / 4) + 1e-9


def test_copies_and_library_calls_have_no_kernel_to_change() -> None:
    row = result(at_roof(0.5), compiled=None, launched=None)
    diagnosis = diagnose(row)
    assert not diagnosis.causes
    assert not diagnosis.missing


def test_rows_without_a_time() -> None:
    row = replace(result(1e-3), status="incorrect", measurement=None)
    assert diagnose(row).headline == "incorrect: there is no time to explain"
    emulated = replace(result(1e-3), device=CPU)
    assert "emulation" in diagnose(emulated).headline
    assert not diagnose(emulated).causes


def test_a_failed_profile_says_nothing() -> None:
    row, profiled = latency()
    assert diagnose(row, [replace(profiled, status="failed")]) == diagnose(row)


def test_the_later_profile_counts() -> None:
    row, bad = divergent()
    assert "divergent" not in {c.rule for c in diagnose(row, [bad, slow(0.3)[1]]).causes}
    assert "divergent" in {c.rule for c in diagnose(row, [slow(0.3)[1], bad]).causes}


def test_every_fact_has_a_kind_and_a_source() -> None:
    for plant, _, _ in PLANTED.values():
        row, profiled = plant()
        facts = Facts(row, [profiled], roofs())
        for name, number in facts._numbers.items():
            assert kind_of(name).unit
            assert number.source or name in FACTS


def test_what_is_derived_names_the_tool_that_counted() -> None:
    row, counted = conflicts()
    nsys = profile(row, {"duration_s": 1e-3, "range_share": 0.5}, "nsys")
    for order in ([nsys, counted], [counted, nsys]):
        causes = {c.rule: c for c in diagnose(row, order).causes}
        assert causes["bank-conflicts"].evidence[0].source == "ncu"


def test_what_nobody_counted_is_asked_for_in_the_headline() -> None:
    row = result(at_roof(0.4))
    diagnosis = diagnose(row)
    assert not diagnosis.causes
    assert diagnosis.headline == (
        "at 40.0 % of its roof: nothing that is known of it says why; "
        f"more is known after kbench profile {diagnosis.key} --tool ncu"
    )
    assert diagnose(row, [slow(0.4)[1]]).headline == "at 40.0 % of its roof: no rule says why"


def test_conflicts_may_gain_what_they_really_cost_a_transpose() -> None:
    """As counted of a tile without padding on an H200: padding it took 358.8 us to 227.2."""
    metrics = {
        "shared_load_wavefronts": 67618863, "shared_store_wavefronts": 2134036, "shared_load_bank_conflicts": 65521711,
        "shared_store_bank_conflicts": 36884, "stall_short_scoreboard": 0.2593, "stall_mio_throttle": 0.0147,
        "l1_throughput": 0.8066, "memory_throughput": 0.8009, "dram_throughput": 0.2985,
    }  # fmt: skip
    row, counted = slow(0.345, metrics, shared=4096)
    (cause,) = (c for c in diagnose(row, [counted], roofs()).causes if c.rule == "bank-conflicts")
    assert cause.gain.low <= 358.8 / 227.2 <= cause.gain.high < 4
