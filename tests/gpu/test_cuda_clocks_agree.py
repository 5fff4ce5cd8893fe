"""The clocks of the cuda device against each other, and what each promises: CUPTI is the measure where it loads."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kbench.errors import ClockError, UsageError
from kbench.intent.op import Call, Copy, CopyBatch, Launch, Pointers

pytestmark = pytest.mark.gpu
KIB, MIB = 2**10, 2**20
SOURCE = Path(__file__).with_name("device_kernels.cu")
COPIES = [64 * KIB, 16 * MIB, 256 * MIB]


@pytest.fixture
def cupti(gpu: Any) -> Any:
    if gpu.clocks.cupti.missing:
        pytest.skip(f"no CUPTI: {gpu.clocks.cupti.missing}")
    return gpu.clocks.cupti


@pytest.fixture
def copied(gpu: Any, bind: Any) -> Callable[[int], Any]:
    """A bound copy of so many bytes, one uint4 a thread."""

    def make(nbytes: int) -> Any:
        x, y = gpu.xp.zeros(nbytes, "uint8"), gpu.xp.zeros(nbytes, "uint8")
        step = Launch(entry="copy16", grid=-(-nbytes // 16 // 256), block=256, args=(y, x, nbytes // 16))
        return bind(step, outputs={"y": y}, bytes_read=nbytes, bytes_written=nbytes)

    return make


def corrected(bound: Any, clock: str, cache: str, count: int = 60) -> tuple[float, Any]:
    """The median less the clock's correction, from batches in a row of which the last counts."""
    bound.sample(min(count, 20), clock=clock, cache=cache)
    batch = bound.sample(count, clock=clock, cache=cache)
    return statistics.median(batch.elapsed_s) - batch.correction_s, batch


# ---------------------------------------------------------------- cupti
@pytest.mark.parametrize("cache", ["cold", "warm"])
@pytest.mark.parametrize("ns", [5_000, 1_000_000])
def test_cupti_reads_what_a_spinning_kernel_takes(gpu: Any, bind: Any, cupti: Any, cache: str, ns: int) -> None:
    done = gpu.xp.zeros(1, "int32")
    bound = bind(Launch(entry="spin", grid=1, block=1, args=(ns, done)), outputs={"done": done})
    seconds, batch = corrected(bound, "cupti", cache, 20)
    assert -1e-6 < seconds - ns * 1e-9 < 4e-6  # starting and ending, and the timer's own steps
    assert batch.correction_s == 0
    assert 0.3e-6 < batch.floor_s < 4e-6


def test_cupti_runs_exactly_as_often_as_asked_when_cold(gpu: Any, bind: Any, cupti: Any) -> None:
    x = gpu.xp.zeros(1000, "int32")
    bound = bind(Launch(entry="increment", grid=8, block=128, args=(x, 1000)), outputs={"x": x})
    bound.run()
    bound.restore({})
    assert len(bound.sample(70, clock="cupti", cache="cold").elapsed_s) == 70
    assert (bound.read("x") == 70).all()


def test_cupti_times_an_op_of_several_streams_as_a_whole(gpu: Any, bind: Any, cupti: Any) -> None:
    one, two = gpu.xp.zeros(1, "int32"), gpu.xp.zeros(1, "int32")
    steps = [Launch(entry="spin", grid=1, block=1, args=(50_000, done), stream=i) for i, done in enumerate((one, two))]
    bound = bind(*steps, outputs={"one": one, "two": two})
    seconds, batch = corrected(bound, "cupti", "cold", 20)
    assert 49e-6 < seconds < 75e-6  # side by side, not 100
    assert batch.note == ""


def test_cupti_sees_copies_and_calls(gpu: Any, bind: Any, cupti: Any) -> None:
    x, y = gpu.xp.zeros(16 * MIB, "uint8"), gpu.xp.zeros(16 * MIB, "uint8")
    by_copy = corrected(bind(Copy(y, x), outputs={"y": y}), "cupti", "cold", 20)[0]
    call = Call(lambda target, source: target.__setitem__(..., source), (y, x))
    by_call = corrected(bind(call, outputs={"y": y}), "cupti", "cold", 20)[0]
    assert 3e-6 < by_copy < 60e-6
    assert 3e-6 < by_call < 60e-6


@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_a_record_that_is_lost_is_an_error(
    gpu: Any, copied: Any, cupti: Any, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = copied(64 * KIB)
    bound.sample(5, clock="cupti", cache=cache)
    records = cupti.records
    monkeypatch.setattr(cupti, "records", lambda enough: records(enough)[:-1])
    with pytest.raises(ClockError):
        bound.sample(5, clock="cupti", cache=cache)
    monkeypatch.undo()
    assert len(bound.sample(5, clock="cupti", cache=cache).elapsed_s) == 5


def test_cupti_counts_what_it_dropped(cupti: Any, copied: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bound = copied(64 * KIB)
    bound.sample(5, clock="cupti", cache="cold")
    assert cupti.dropped() == 0
    monkeypatch.setattr(cupti, "dropped", lambda: 1)
    with pytest.raises(ClockError, match="dropped 1"):
        bound.sample(5, clock="cupti", cache="cold")


def test_tracing_costs_no_other_clock_anything(copied: Any, cupti: Any) -> None:
    bound = copied(64 * KIB)
    before = statistics.median(bound.sample(100, clock="events", cache="cold").elapsed_s)
    bound.sample(50, clock="cupti", cache="cold")
    assert cupti.on
    after = statistics.median(bound.sample(100, clock="events", cache="cold").elapsed_s)
    assert not cupti.on
    assert abs(after - before) < 0.5e-6


def test_a_batch_costs_little_beside_its_samples(copied: Any, cupti: Any) -> None:
    bound = copied(64 * KIB)
    bound.sample(60, clock="cupti", cache="cold")
    begin = time.perf_counter()
    for _ in range(5):
        bound.sample(60, clock="cupti", cache="cold")
    assert (time.perf_counter() - begin) / 5 < 12e-3


# ---------------------------------------------------------------- events and graph against cupti
@pytest.mark.parametrize("nbytes", COPIES)
@pytest.mark.parametrize("loaded", [True, False], ids=["calibrated by cupti", "calibrated by graphs"])
def test_events_less_their_correction_are_close_to_cupti(
    gpu: Any, copied: Any, cupti: Any, nbytes: int, loaded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = copied(nbytes)
    truth = corrected(bound, "cupti", "cold")[0]
    gpu.clocks._calibrations.clear()
    if not loaded:
        monkeypatch.setattr(cupti, "missing", "hidden for a test")
        cupti.stop()
    seconds, batch = corrected(bound, "events", "cold")
    monkeypatch.undo()
    gpu.clocks._calibrations.clear()
    assert 0 < batch.correction_s < 8e-6
    assert abs(seconds - truth) <= max(0.02 * truth, 0.8e-6), (seconds, truth, batch.correction_s)
    assert abs(seconds - truth) <= max(batch.left_s, 0.02 * truth)


@pytest.mark.parametrize("nbytes", COPIES)
def test_a_graph_agrees_with_cupti_on_the_same_launches(gpu: Any, copied: Any, cupti: Any, nbytes: int) -> None:
    bound = copied(nbytes)
    bound.sample(1, clock="cupti", cache="cold")
    slopes, seen = gpu.clocks.graph_traced(bound.subject, 5)
    one, other = statistics.median(slopes), statistics.median(seen)
    assert abs(one - other) <= max(0.01 * other, 0.2e-6), (one, other)


@pytest.mark.parametrize("cache", ["warm", "sustained"])
@pytest.mark.parametrize("nbytes", COPIES)
def test_a_graph_is_near_what_cupti_reads_one_by_one(copied: Any, cupti: Any, nbytes: int, cache: str) -> None:
    bound = copied(nbytes)
    by_graph, by_cupti = (corrected(bound, clock, cache, 20)[0] for clock in ("graph", "cupti"))
    assert -0.1 * by_cupti - 0.2e-6 < by_graph - by_cupti < 0.12 * by_cupti + 1.5e-6, (by_graph, by_cupti)


def test_a_graph_of_an_op_on_several_streams(gpu: Any, bind: Any) -> None:
    one, two = gpu.xp.zeros(1, "int32"), gpu.xp.zeros(1, "int32")
    steps = [Launch(entry="spin", grid=1, block=1, args=(50_000, done), stream=i) for i, done in enumerate((one, two))]
    bound = bind(*steps, Launch(entry="spin", grid=1, block=1, args=(20_000, one), after=(1,)),
                 outputs={"one": one, "two": two})  # fmt: skip
    seconds = statistics.median(bound.sample(5, clock="graph", cache="warm").elapsed_s)
    assert 70e-6 < seconds < 95e-6
    assert bound.sample(2, clock="events", cache="warm").elapsed_s[0] > 70e-6  # the streams still work uncaptured


def test_what_no_graph_can_hold(gpu: Any, bind: Any) -> None:
    x, y = gpu.xp.zeros(64, "uint8"), gpu.xp.zeros(64, "uint8")
    for step, reason in (
        (Call(lambda target: target.fill(1), (y,)), "library call"),
        (CopyBatch([(y, x)]), "cudaMemcpyBatchAsync"),
    ):
        with pytest.raises(UsageError, match=reason):
            bind(step, outputs={"y": y}).clock("graph", "warm")


# ---------------------------------------------------------------- sustained
def counted(gpu: Any, bind: Any, n: int) -> Any:
    """Each run adds one to every element of its buffer set."""
    x = gpu.xp.zeros(n, "int32")
    step = Launch(entry="increment", grid=-(-n // 256), block=256, args=(x, n))
    return bind(step, outputs={"x": x}, bytes_read=4 * n, bytes_written=4 * n)


def contents(gpu: Any, bound: Any) -> list[np.ndarray]:
    """The elements of every buffer set, set 0 first."""
    turning = bound._rotation
    operand = bound._layout.outputs["x"]
    others = [turning._sets.view_of(operand, number).get() for number in range(turning.form.count - 1)]
    gpu.synchronize()
    return [bound.read("x").get(), *others]


def test_a_rotation_runs_on_every_set_it_claims(gpu: Any, bind: Any, cupti: Any) -> None:
    bound = counted(gpu, bind, 4 * MIB)  # 16 MiB a set
    batch = bound.sample(40, clock="cupti", cache="sustained")
    found = contents(gpu, bound)
    assert len(found) == batch.sets == -(-3 * gpu.l2_bytes // (16 * MIB))
    assert batch.covered_bytes == batch.sets * 16 * MIB >= 3 * gpu.l2_bytes
    assert all((x == x[0]).all() for x in found)
    runs = [int(x[0]) for x in found[1:]]
    assert sum(runs) + int(found[0][0]) >= 41
    assert max(runs) - min(runs) <= 1


def test_the_last_run_is_on_the_set_that_is_checked(gpu: Any, bind: Any) -> None:
    clocks = ["graph"] if gpu.clocks.cupti.missing else ["cupti", "graph"]
    for clock in clocks:
        bound = counted(gpu, bind, 4 * MIB)
        bound.run()
        bound.restore({"x": True})
        poisoned = int(bound.read("x")[0])
        bound.sample(1, clock=clock, cache="sustained")
        assert int(bound.read("x")[0]) > poisoned
        assert bound.damaged() is None


def test_small_sets_say_what_they_cover(gpu: Any, bind: Any, cupti: Any) -> None:
    bound = counted(gpu, bind, 1024)
    batch = bound.sample(30, clock="cupti", cache="sustained")
    assert batch.sets == 2048
    assert batch.covered_bytes <= 2048 * 4096
    assert "part of them stays in it" in batch.note


def test_tables_of_addresses_point_into_their_own_set(gpu: Any, bind: Any) -> None:
    n = 1 * MIB
    rows = [gpu.xp.full(n, k + 1, "float32") for k in range(3)]
    y = gpu.xp.zeros(n, "float32")
    step = Launch(entry="gather", grid=-(-n // 256), block=256, args=(y, Pointers(rows), 3, n))
    bound = bind(step, outputs={"y": y}, bytes_read=12 * n, bytes_written=4 * n)
    clock, _ = bound.clock("auto", "sustained")
    bound.sample(20, clock=clock, cache="sustained")
    turning = bound._rotation
    assert turning.form.count > 2
    (table,) = bound._tables.values()
    for number in range(turning.form.count - 1):
        addresses = turning._sets.view_of(table, number).get().tolist()
        starts = [int(turning._sets.each(operand)[number]) for operand in bound._memory.tables[table.base]]
        assert addresses == starts
        assert (turning._sets.view_of(bound._layout.outputs["y"], number).get() == 6).all()


def test_sustained_pays_for_writes_that_cold_does_not(gpu: Any, copied: Any, cupti: Any) -> None:
    bound = copied(16 * MIB)
    cold, sustained = (corrected(bound, "cupti", cache)[0] for cache in ("cold", "sustained"))
    assert sustained > cold


def test_two_ops_take_turns_in_the_arena(gpu: Any, bind: Any, cupti: Any) -> None:
    one, two = counted(gpu, bind, 4 * MIB), counted(gpu, bind, 2 * MIB)
    for _ in range(2):
        for bound in (one, two):
            bound.sample(20, clock="cupti", cache="sustained")
            assert all((x == x[0]).all() for x in contents(gpu, bound))


# ---------------------------------------------------------------- shared memory, telemetry
def test_all_configurations_of_a_large_problem_are_alive_at_once(gpu: Any) -> None:
    from kbench.intent.op import Op
    from kbench.machine.build import BuildRequest, build

    n = 64 * MIB
    x = gpu.xp.arange(n, dtype="int32")
    binary = build(BuildRequest(str(SOURCE), "copy16", gpu.target()))
    pool, bounds = gpu.pool(), []
    y = gpu.xp.zeros(n, "int32")
    free = gpu.xp.cuda.runtime.memGetInfo()[0]
    for threads in (128, 256, 512, 1024):
        step = Launch(entry="copy16", grid=-(-n // 4 // threads), block=threads, args=(y, x, n // 4))
        op = Op(steps=(step,), outputs={"y": (y, x)}, bytes_read=4 * n, bytes_written=4 * n)
        bounds.append(gpu.bind(op, [binary], shared=pool))
    assert free - gpu.xp.cuda.runtime.memGetInfo()[0] < 2.5 * x.nbytes
    for _ in range(2):
        for bound in bounds:
            bound.restore({"y": True})
            bound.sample(2, clock="events", cache="cold")
            assert (bound.read("y") == x).all()
            assert bound.damaged() is None
    assert bounds[0].memory_bytes() == 2 * x.nbytes
    for bound in bounds:
        bound.close()
    pool.close()


def test_the_gpu_tells_its_clocks_and_temperature(gpu: Any) -> None:
    found = gpu.telemetry()
    if found is None:
        pytest.skip("NVML does not answer")
    assert 1e8 < found.sm_clock_hz < 4e9
    assert 0 < found.temperature_c < 110
    begin = time.perf_counter()
    gpu.telemetry()
    assert time.perf_counter() - begin < 20e-3
