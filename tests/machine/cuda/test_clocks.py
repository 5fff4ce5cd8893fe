"""The clocks on a simulated GPU, where every time is known: what each reads, what it corrects, what it refuses."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_gpu import EVENT_S, GAP_S, NOTHING_S, SimulatedCupti, SimulatedGpu

from kbench.errors import ClockError
from kbench.machine.cuda import rotation
from kbench.machine.cuda.calibration import LEAST_LEFT_S, calibration
from kbench.machine.cuda.clocks import Subject
from kbench.machine.cuda.graph import MOST_NODES, last, lengths, slopes
from kbench.machine.cuda.program import Program
from kbench.machine.cuda.rotation import Rotation, Shape, order, shape
from kbench.machine.floors import GROUPS

MIB = 2**20
KERNEL_S = 12e-6


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimulatedGpu:
    """Without CUPTI."""
    made = SimulatedGpu(monkeypatch)
    made.clocks.__dict__["cupti"] = SimulatedCupti(made)
    made.clocks.cupti.missing = "it is not there"
    return made


@pytest.fixture
def traced(gpu: SimulatedGpu) -> SimulatedGpu:
    gpu.clocks.cupti.missing = ""
    return gpu


def subject(gpu: SimulatedGpu, seconds: float = KERNEL_S, **more: Any) -> Subject:
    return Subject(gpu.program("kernel", seconds, **more))


def know_the_floor(gpu: SimulatedGpu, cache: str) -> None:
    """Until no batch asks for it any more."""
    for _ in range(GROUPS):
        gpu.clocks.sample(subject(gpu), 1, "cupti", cache)


def rotating(gpu: SimulatedGpu, sets: int, touched: int) -> tuple[Subject, list[int]]:
    """A subject on so many sets, and the list of those that it ran on."""
    ran: list[int] = []

    def on(number: int) -> Program:
        return Program(1, "", [lambda: ran.append(number), lambda: gpu.enqueue("kernel", KERNEL_S)])

    programs = [on(number) for number in range(sets)]
    turning = Rotation(programs, Shape({0: 0}, touched, sets, touched), None, 0)
    return Subject(programs[0], lambda: turning), ran


# ---------------------------------------------------------------- cupti
@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_cupti_reads_the_kernel_and_nothing_else(traced: SimulatedGpu, cache: str) -> None:
    batch = traced.clocks.sample(subject(traced), 7, "cupti", cache)
    assert batch.elapsed_s == pytest.approx([KERNEL_S] * 7, abs=2e-9)
    assert batch.floor_s == pytest.approx(NOTHING_S, abs=2e-9)
    assert (batch.correction_s, batch.left_s, batch.note) == (0, 0, "")


def test_cold_runs_are_as_many_as_asked_and_only_the_last_one_waits(traced: SimulatedGpu) -> None:
    know_the_floor(traced, "cold")
    traced.trace.clear()
    traced.correlations.clear()
    before = traced.syncs
    traced.clocks.sample(subject(traced), 40, "cupti", "cold")
    assert [name for name, _, _ in traced.trace] == ["kbench_flush", "kernel"] * 40
    assert traced.syncs - before <= 2


def test_a_run_of_several_kernels_is_timed_from_first_start_to_last_end(traced: SimulatedGpu) -> None:
    two = Program(2, "", [lambda: traced.enqueue("a", 3e-6), lambda: traced.enqueue("b", 4e-6)])
    for cache in ("cold", "warm"):
        batch = traced.clocks.sample(Subject(two), 5, "cupti", cache)
        assert batch.elapsed_s == pytest.approx([7e-6 + GAP_S] * 5, abs=3e-9)


@pytest.mark.parametrize("cache", ["cold", "warm"])
@pytest.mark.parametrize("which", ["kernel", "marker", "counted", "unstamped", "other name"])
def test_whatever_is_lost_is_an_error(traced: SimulatedGpu, cache: str, which: str) -> None:
    cupti, marker = traced.clocks.cupti, "kbench_flush" if cache == "cold" else "kbench_mark"
    know_the_floor(traced, cache)
    if which == "counted":
        cupti.dropped = 2
    name = marker if which == "marker" else "kernel"

    def lose(records: list[Any]) -> list[Any]:
        index = max(i for i, r in enumerate(records) if r.name == name)
        if which == "unstamped":
            return [*records, records[index]._replace(start=0, end=0)]
        if which == "other name":
            return [*records[:index], records[index]._replace(name="kernel<2>"), *records[index + 1 :]]
        return records if which == "counted" else records[:index] + records[index + 1 :]

    cupti.lose = lose
    with pytest.raises(ClockError, match="CUPTI"):
        traced.clocks.sample(subject(traced), 9, "cupti", cache)


def test_another_clock_is_never_traced(traced: SimulatedGpu) -> None:
    traced.clocks.sample(subject(traced), 3, "cupti", "cold")
    assert traced.clocks.cupti.on
    traced.clocks.sample(subject(traced), 3, "events", "cold")
    assert not traced.clocks.cupti.on


# ---------------------------------------------------------------- rotation
def test_sustained_runs_take_turns_and_end_on_the_set_that_is_checked(traced: SimulatedGpu) -> None:
    what, ran = rotating(traced, sets=6, touched=32 * MIB)
    batch = traced.clocks.sample(what, 20, "cupti", "sustained")
    del ran[:-21]  # how long a run takes is found out first
    assert ran == [n % 6 for n in range(20, -1, -1)]
    assert (batch.sets, batch.covered_bytes, batch.note) == (6, 6 * 32 * MIB, "")
    assert batch.elapsed_s == pytest.approx([KERNEL_S] * 20, abs=2e-9)


def test_few_samples_still_go_round_once_and_small_sets_say_what_they_cover(traced: SimulatedGpu) -> None:
    what, ran = rotating(traced, sets=90, touched=2 * MIB)
    batch = traced.clocks.sample(what, 1, "cupti", "sustained")
    assert len(batch.elapsed_s) == 1
    assert len(set(ran)) == 60  # what it takes to fill L2 twice
    assert ran[-1] == 0
    assert batch.note == ""
    what, ran = rotating(traced, sets=2048, touched=8192)
    batch = traced.clocks.sample(what, 30, "cupti", "sustained")
    assert batch.covered_bytes == len(set(ran)) * 8192
    assert "part of them stays in it" in batch.note


def test_a_rotation_that_stands_still_is_an_error() -> None:
    done = Program(1, "", [])
    turning = Rotation([done] * 4, Shape({0: 0}, 100, 4, 512), None, 0)
    turning.begin()
    for _ in range(4):
        turning.submit(2)
    with pytest.raises(ClockError, match="4 buffer sets ran on 1"):
        turning.covered(4)


def test_the_shape_of_a_rotation() -> None:
    l2, memory = 60 * MIB, 140 * 2**30
    large = shape({0: 512 * MIB, 1: 512 * MIB}, 2**30, l2, memory)
    assert (large.count, large.arena_bytes) == (1, 0)
    middle = shape({0: 16 * MIB, 2: 16 * MIB - 100}, 0, l2, memory)
    assert middle.count == 6
    assert middle.offsets == {0: 0, 2: 16 * MIB}
    assert middle.stride == 32 * MIB
    small = shape({0: 4096, 1: 4096}, 8192, l2, memory)
    assert small.count == rotation.MOST_SETS
    assert small.stride % 1024 == 512
    assert 0.99 * 3 * l2 < small.count * small.stride < 1.02 * 3 * l2
    scattered = shape({0: 2**30}, 16 * MIB, l2, memory)  # a large cache of which a run touches a little
    assert (scattered.count, scattered.touched) == (12, 16 * MIB)
    tight = shape({0: 2**30}, 16 * MIB, l2, 16 * 2**30)
    assert tight.count == 3


@pytest.mark.parametrize(
    ("count", "sets", "least"), [(1, 5, 5), (7, 5, 5), (3, 2048, 512), (600, 2048, 512), (4, 1, 9)]
)
def test_the_order_of_sets(count: int, sets: int, least: int) -> None:
    found = order(count, sets, least)
    assert found[-1] == 0
    assert len(found) >= count
    assert len(set(found)) == min(sets, max(count, min(sets, least)))
    for index, number in enumerate(found):
        again = found.index(number, index + 1) if number in found[index + 1 :] else index + sets
        assert again - index == sets  # no set comes round before all the others


# ---------------------------------------------------------------- graph
def test_a_graph_reads_the_kernel_and_the_gap_to_the_next(gpu: SimulatedGpu) -> None:
    batch = gpu.clocks.sample(subject(gpu), 5, "graph", "warm")
    assert batch.elapsed_s == pytest.approx([KERNEL_S + GAP_S] * 5, abs=1e-12)
    assert batch.floor_s == pytest.approx(NOTHING_S + GAP_S, abs=1e-12)


def test_a_graph_is_captured_once(gpu: SimulatedGpu) -> None:
    what, ran = rotating(gpu, sets=6, touched=32 * MIB)
    first = gpu.clocks.sample(what, 2, "graph", "sustained")
    captured = len(ran)
    assert ran[-1] == 0
    assert (first.sets, first.covered_bytes) == (6, 6 * 32 * MIB)
    gpu.clocks.sample(what, 2, "graph", "sustained")
    assert len(ran) == captured


@pytest.mark.parametrize("uncapturable", ["", "a library call"])
def test_a_gpu_is_kept_busy_and_every_run_is_counted(gpu: SimulatedGpu, uncapturable: str) -> None:
    what, _ = rotating(gpu, sets=6, touched=32 * MIB)
    what.program.uncapturable = uncapturable
    assert gpu.clocks.keep_busy(what, 5e-3, rotating=not uncapturable) > 0
    gpu.trace.clear()
    runs = gpu.clocks.keep_busy(what, 5e-3, rotating=not uncapturable)
    ran = [name for name, *_ in gpu.trace].count("kernel")
    pair = None if uncapturable else what.pairs["sustained"][1]
    sample = pair.short + 2 * pair.long if pair else 0  # to have the graphs made, one slope is sampled
    assert ran == runs + sample
    assert runs * KERNEL_S > 0.5 * 20e-3


def test_the_lengths_of_graphs() -> None:
    assert lengths(1.001e-6, 1, 1) == (125, 625)
    assert lengths(1e-6, 1, 1440) == (125, 1315)  # one whole turn of the sets together
    assert lengths(1e-6, 1, 90) == (125, 685)  # nine turns
    assert lengths(1e-6, 1, 6000) == (125, 4096)  # capturing costs host time
    assert lengths(1e-6, 16, 1) == (125, 256)
    assert lengths(1e-6, 10_000, 1) == (1, 2)
    assert lengths(126e-6, 1, 1) == (1, 5)
    assert lengths(20e-3, 1, 1) == (1, 3)
    assert lengths(10e-3, 1, 2048) == (1, 3)  # a turn may take no more than some milliseconds, however many sets
    assert lengths(99.9e-6, 1, 200) == (1, 199)
    assert slopes([1.0, 1.1], [3.0, 3.5], 4) == pytest.approx((0.5, 0.6))
    assert last("edcba", 7) == list("baedcba")  # type: ignore[arg-type]


@given(st.floats(1e-7, 1e-2), st.integers(1, 20), st.integers(1, 2048))
def test_no_set_comes_round_early_within_short_and_long_graphs(run_s: float, entries: int, sets: int) -> None:
    short, long = lengths(run_s, entries, sets)
    assert 1 <= short < long
    assert long * entries <= MOST_NODES
    turns = last(range(sets - 1, -1, -1), short + long)  # type: ignore[arg-type]
    assert turns[-1] == 0
    seen: dict[int, int] = {}
    whole = (short + long) % sets == 0
    for index, number in enumerate(turns * 3):  # type: ignore[var-annotated]
        assert index - seen.get(number, -(10**6)) >= (sets if whole else min(sets, short))
        seen[number] = index
    assert whole or short + long < sets or long < 2 * sets


def test_a_graph_and_what_cupti_sees_of_it_are_the_same_launches(traced: SimulatedGpu) -> None:
    by_events, seen = traced.clocks.graph_traced(subject(traced), 4)
    assert by_events == pytest.approx([KERNEL_S + GAP_S] * 4, abs=1e-11)
    assert seen == pytest.approx([KERNEL_S + GAP_S] * 4, abs=1e-10)


def test_a_cold_run_as_the_difference_of_two_graphs(gpu: SimulatedGpu) -> None:
    assert gpu.clocks.difference(gpu.program("kernel", KERNEL_S)) == pytest.approx(KERNEL_S + GAP_S, abs=1e-11)


# ---------------------------------------------------------------- events
@pytest.mark.parametrize(("entries", "depths"), [(1, [4, 4, 2]), (5, [2] * 5), (60, [1] * 10)])
def test_events_are_queued_a_few_at_a_time(gpu: SimulatedGpu, entries: int, depths: list[int]) -> None:
    """What an event costs depends on how much is queued behind a hold."""
    program = Program(entries, "", [lambda: gpu.enqueue("kernel", KERNEL_S)])
    assert len(gpu.clocks.by_events.sample(program, 10, True).elapsed_s) == 10
    assert gpu.hold.depths == depths


def test_events_stay_raw_and_their_correction_leaves_the_kernel(gpu: SimulatedGpu) -> None:
    for missing in ("", "it is not there"):
        gpu.clocks.cupti.missing = missing
        gpu.clocks._calibrations.clear()
        for cache in ("cold", "warm"):
            batch = gpu.clocks.sample(subject(gpu), 5, "events", cache)
            assert batch.elapsed_s == pytest.approx([KERNEL_S + GAP_S + EVENT_S] * 5, abs=1e-12)
            corrected = statistics.median(batch.elapsed_s) - batch.correction_s
            gap = GAP_S if missing else 0.0  # a graph cannot tell the gap from the kernel
            assert corrected == pytest.approx(KERNEL_S + gap, abs=3e-9)
            assert batch.left_s >= abs(corrected - KERNEL_S)
            assert ("graphs" if missing else "CUPTI") in batch.note


def test_the_correction_is_larger_where_something_is_written(traced: SimulatedGpu) -> None:
    samples = [traced.clocks.sample(subject(traced, bytes_written=n), 3, "events", "cold") for n in (0, MIB, 32 * MIB)]
    corrections = [batch.correction_s for batch in samples]
    assert corrections[0] == pytest.approx(EVENT_S + GAP_S, abs=2e-9)
    assert corrections[0] < corrections[1] == corrections[2]


def test_one_kernel_that_reads_too_much_moves_no_correction() -> None:
    own = [0.6e-6, *(1e-6 * n for n in range(1, 7))]
    added = [2.0e-6, *[2.3e-6] * 6]
    added[3] += 0.5e-6
    found = calibration([[o + a] * 8 for o, a in zip(own, added, strict=True)], own, by_graph=False)
    assert found.correction(0) == pytest.approx(2.0e-6)
    assert found.correction(2**20) == pytest.approx(2.3e-6)
    assert found.left_s == LEAST_LEFT_S


def test_what_the_kernels_differ_by_may_be_left() -> None:
    own = [0.6e-6, *(1e-6 * n for n in range(1, 7))]
    added = [2.0e-6, *[2.3e-6, 2.3e-6 + 1.6 * LEAST_LEFT_S] * 3]
    found = calibration([[o + a] * 8 for o, a in zip(own, added, strict=True)], own, by_graph=False)
    assert found.correction(1) == pytest.approx(2.3e-6)
    assert found.left_s == pytest.approx(1.6 * LEAST_LEFT_S)
    by_graph = calibration([[own[0] + added[0]] * 8], own[:1], by_graph=True)
    assert by_graph.left_s == pytest.approx(LEAST_LEFT_S + own[0])


def test_runs_that_cannot_be_held_are_not_corrected(gpu: SimulatedGpu) -> None:
    waits = Program(1, "it waits", [lambda: gpu.enqueue("kernel", KERNEL_S)])
    batch = gpu.clocks.sample(Subject(waits), 3, "events", "cold")
    assert batch.correction_s == 0
    assert "it waits" in batch.note
