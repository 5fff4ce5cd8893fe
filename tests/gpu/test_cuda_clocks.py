"""The clocks of the cuda device against what is known: a kernel of a given duration, a copy twice as large."""

from __future__ import annotations

import statistics
import time
from typing import Any

import pytest

from kbench.errors import UsageError
from kbench.intent.op import Copy, HostArray, Launch

pytestmark = pytest.mark.gpu
MIB = 2**20


def spin(gpu: Any, ns: int) -> tuple[Any, Any]:
    done = gpu.xp.zeros(1, "int32")
    return Launch(entry="spin", grid=1, block=1, args=(ns, done)), done


def copy(gpu: Any, nbytes: int) -> tuple[Any, Any]:
    x, y = gpu.xp.zeros(nbytes, "uint8"), gpu.xp.zeros(nbytes, "uint8")
    return Launch(entry="copy16", grid=-(-nbytes // 16 // 128), block=128, args=(y, x, nbytes // 16)), y


def median_of(bound: Any, count: int = 30, clock: str = "events", cache: str = "cold") -> float:
    return statistics.median(bound.sample(count, clock=clock, cache=cache).elapsed_s)


@pytest.mark.parametrize("cache", ["cold", "warm"])
@pytest.mark.parametrize("clock", ["cupti", "events", "host"])
def test_a_kernel_that_takes_half_a_millisecond(gpu: Any, bind: Any, clock: str, cache: str) -> None:
    step, done = spin(gpu, 500_000)
    bound = bind(step, outputs={"done": done})
    if clock == "cupti" and gpu.clocks.cupti.missing:
        pytest.skip(gpu.clocks.cupti.missing)
    batch = bound.sample(20, clock=clock, cache=cache)
    above = statistics.median(batch.elapsed_s) - 500e-6
    assert -5e-6 <= above <= 5e-6 + 2 * batch.floor_s  # the global timer may tick in whole microseconds
    assert (batch.clock, batch.cache) == (clock, cache)
    assert len(batch.submit_s) == (20 if clock == "host" else 0)
    assert all(submit <= total for submit, total in zip(batch.submit_s, batch.elapsed_s, strict=False))


def test_twice_the_bytes_take_twice_the_time(gpu: Any, bind: Any) -> None:
    times = []
    for nbytes in (256 * MIB, 512 * MIB):
        step, y = copy(gpu, nbytes)
        bound = bind(step, outputs={"y": y})
        times.append(median_of(bound))
        bound.close()
    assert 0.85 * 2 <= times[1] / times[0] <= 1.15 * 2
    peak = gpu.info.peak_bytes_per_s
    if peak:
        assert 2 * 512 * MIB / times[1] < peak


def test_cold_is_slower_than_warm_where_l2_holds_the_arrays(gpu: Any, bind: Any) -> None:
    step, y = copy(gpu, gpu.info.l2_bytes // 8)
    bound = bind(step, outputs={"y": y})
    assert median_of(bound, cache="cold") > 1.1 * median_of(bound, cache="warm")


@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_the_floor_is_what_an_empty_kernel_reads(gpu: Any, bind: Any, cache: str) -> None:
    x = gpu.xp.zeros(1, "int32")
    bound = bind(Launch(entry="increment", grid=1, block=32, args=(x, 0)), outputs={"x": x})
    batch = bound.sample(50, clock="events", cache=cache)
    assert 0 < batch.floor_s < 20e-6
    assert abs(statistics.median(batch.elapsed_s) - batch.floor_s) < 2e-6


@pytest.mark.parametrize(("clock", "count"), [("events", 1), ("events", 7), ("events", 500), ("host", 13)])
def test_exactly_as_many_runs_as_asked(gpu: Any, bind: Any, clock: str, count: int) -> None:
    x = gpu.xp.zeros(1000, "int32")
    bound = bind(Launch(entry="increment", grid=8, block=128, args=(x, 1000)), outputs={"x": x})
    bound.run()
    bound.restore({})
    batch = bound.sample(count, clock=clock, cache="cold")
    assert len(batch.elapsed_s) == count
    assert (bound.read("x") == count).all()
    assert "hold" not in batch.note


def test_an_op_of_many_launches_goes_behind_the_hold_in_rounds_and_never_hangs(gpu: Any, bind: Any) -> None:
    x = gpu.xp.zeros(1000, "int32")
    steps = [Launch(entry="increment", grid=8, block=128, args=(x, 1000))] * 150
    bound = bind(*steps, outputs={"x": x})
    bound.run()
    begin = time.perf_counter()
    batch = bound.sample(20, clock="events", cache="cold")
    assert time.perf_counter() - begin < 1.0
    assert "hold" not in batch.note
    assert (bound.read("x") == 150 * 21).all()


def test_an_op_of_too_many_launches_is_left_to_the_host(gpu: Any, bind: Any) -> None:
    x = gpu.xp.zeros(1000, "int32")
    steps = [Launch(entry="increment", grid=8, block=128, args=(x, 1000))] * 400
    bound = bind(*steps, outputs={"x": x})
    assert bound.clock("auto")[0] == "host"
    assert "400 entries" in bound.clock("auto")[1]
    assert "not queued behind a hold" in bound.sample(3, clock="events", cache="cold").note


def test_a_hold_that_nobody_releases_gives_up(gpu: Any) -> None:
    from kbench.machine.cuda.instruments import Hold

    hold = Hold(gpu.instruments, gpu.pinned, gpu.stream(0).ptr, limit_s=0.2)
    with hold():
        begin = time.perf_counter()
        gpu.synchronize()
        waited = time.perf_counter() - begin
    assert 0.1 < waited < 2.0
    assert hold.gave_up
    with hold():
        pass
    gpu.synchronize()
    assert not hold.gave_up


def test_a_hold_is_released_when_what_is_queued_behind_it_fails(gpu: Any) -> None:
    begin = time.perf_counter()
    with pytest.raises(ZeroDivisionError), gpu.hold():
        1 / 0  # noqa: B018
    gpu.synchronize()
    assert time.perf_counter() - begin < 0.5


def test_the_host_takes_no_part_in_what_runs_behind_a_hold(
    gpu: Any, bind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, y = copy(gpu, MIB)
    bound = bind(step, outputs={"y": y})
    quick = median_of(bound)
    submit = bound._program.submit
    monkeypatch.setattr(bound._program, "submit", lambda: (time.sleep(200e-6), submit()))
    assert abs(median_of(bound) - quick) < 3e-6


def test_clocks_that_cannot_work(gpu: Any, bind: Any) -> None:
    step, y = copy(gpu, MIB)
    bound = bind(step, outputs={"y": y})
    missing = gpu.clocks.cupti.missing
    assert bound.clock("auto")[0] == ("events" if missing else "cupti")
    assert bound.clock("auto", "sustained")[0] == ("graph" if missing else "cupti")
    with pytest.raises(UsageError, match=r"possible for sustained here: .*graph"):
        bound.sample(1, clock="events", cache="sustained")
    with pytest.raises(UsageError, match="graph cannot time this cold"):
        bound.clock("graph", "cold")


@pytest.mark.parametrize("pinned", [True, False])
def test_a_transfer_is_submitted_and_completed_apart(gpu: Any, bind: Any, pinned: bool) -> None:
    import numpy as np

    nbytes = 64 * MIB
    src, dst = HostArray(np.ones(nbytes, "u1"), pinned), gpu.xp.zeros(nbytes, "uint8")
    bound = bind(Copy(dst, src), outputs={"dst": dst}, bytes_h2d=nbytes)
    name, why = bound.clock("auto")
    assert (name, why) == ("host", "clock host: it moves bytes over the host link")
    batch = bound.sample(10, clock=name, cache="cold")
    assert statistics.median(batch.elapsed_s) > nbytes / 200e9
    if pinned:  # asynchronous: the host is free long before the bytes are there
        assert statistics.median(batch.submit_s) < 0.2 * statistics.median(batch.elapsed_s)
    by_events = bound.sample(5, clock="events", cache="cold")
    assert ("pageable" in by_events.note) != pinned


def test_latencies(gpu: Any) -> None:
    from kbench.machine.cuda.latency import latencies

    found = {kind: seconds for kind, seconds, _ in latencies(gpu)}
    assert all(1e-8 < seconds < 1e-3 for seconds in found.values()), found
    assert found["launch"] < found["launch + stream sync"]
    assert found["graph node"] < found["launch + stream sync"]
    assert all(how for _, _, how in latencies(gpu))
