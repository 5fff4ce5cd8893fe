"""Timelines from CUPTI's records: a CUPTI that hands over scripted records, as the package's classes spell them."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kbench.errors import ClockError
from kbench.intent.op import Copy, Launch
from kbench.machine.cuda import recorded as module
from kbench.machine.cuda.recorded import Raw, Recorder, recorded, spans_of

RUNTIME, DRIVER = 2, 1
KINDS = types.SimpleNamespace(
    CONCURRENT_KERNEL=10, MEMCPY=1, MEMSET=2, SYNCHRONIZATION=38, RUNTIME=5, DRIVER=4, NAME=11
)  # CUpti_ActivityKind


def record(kind: int, start: int, end: int, correlation: int, **more: Any) -> Any:
    return types.SimpleNamespace(kind=kind, start=start, end=end, correlation_id=correlation, **more)


class FakeCupti:
    """What Recorder needs of kbench's Cupti and of the package's module: records are handed over by a flush, `late`
    flushes after they were made."""

    def __init__(self, late: int = 0) -> None:
        self.api: Any = self
        self.delivered: list[Any] = []
        self.enabled: set[int] = set()
        self.made: list[Any] = []
        self.late, self.waited = late, 0
        self.lost = 0
        self.ActivityKind = KINDS
        self.CallbackDomain = types.SimpleNamespace(RUNTIME_API=RUNTIME, DRIVER_API=DRIVER)

    @contextmanager
    def collecting(self, kinds: Iterable[int]) -> Iterator[None]:
        self.enabled = set(kinds)
        try:
            yield
        finally:
            self.enabled = set()

    def flushed(self, forced: bool = True) -> list[Any]:
        self.waited += 1
        if self.waited > self.late:
            self.delivered += [r for r in self.made if r.kind in self.enabled]
            self.made = []
        return list(self.delivered)

    def forget(self) -> None:
        self.delivered.clear()
        self.made.clear()

    def dropped(self) -> int:
        lost, self.lost = self.lost, 0
        return lost

    def get_callback_name(self, domain: int, number: int) -> str:
        names = {
            (RUNTIME, 211): "cudaLaunchKernel_v7000",
            (DRIVER, 307): "cuLaunchKernel",
            (RUNTIME, 41): "cudaMemcpyAsync_v3020",
            (RUNTIME, 131): "cudaStreamSynchronize_v3020",
        }
        return names[domain, number]

    def get_stream_id_ex(self, context: int, stream: int, per_thread: int) -> int:
        assert (context, per_thread) == (0, 0)
        return {0xA: 13, 0xB: 17}[stream]


def a_run(at: int, seconds: int = 1000) -> list[Any]:
    """A launch on one stream and a copy on another, records in the order in which buffers fill up."""
    return [
        record(KINDS.RUNTIME, at, at + 50, 1, cbid=211, thread_id=5, process_id=1, return_value=0),
        record(KINDS.DRIVER, at + 10, at + 40, 1, cbid=307, thread_id=5, process_id=1, return_value=0),
        record(KINDS.RUNTIME, at + 60, at + 80, 2, cbid=41, thread_id=5, process_id=1, return_value=0),
        record(KINDS.RUNTIME, at + 90, at + 2000, 3, cbid=131, thread_id=5, process_id=1, return_value=0),
        record(KINDS.SYNCHRONIZATION, at + 100, at + 1990, 3, type=3, stream_id=13),
        record(KINDS.SYNCHRONIZATION, at + 85, at + 85, 9, type=2, stream_id=17),
        record(KINDS.NAME, 0, 0, 0),
        record(KINDS.MEMCPY, at + 300, at + 900, 2, stream_id=17, bytes=4096, copy_kind=2, src_kind=3, dst_kind=2),
        record(KINDS.CONCURRENT_KERNEL, at + 200, at + 200 + seconds, 1, stream_id=13, name="_Z3fma"),
    ]


STEPS = [Launch(grid=1, block=32, args=()), Copy(types.SimpleNamespace(nbytes=4096), None)]


def test_a_run_becomes_spans_on_the_ops_streams_and_on_the_host() -> None:
    cupti = FakeCupti(late=3)
    clock = iter(range(1, 10))

    def submit() -> None:
        cupti.waited = 0
        cupti.made = a_run(10**9 * next(clock))

    found = recorded(Recorder(cupti), submit, lambda: None, STEPS, {0: 0xA, 4: 0xB}, {"_Z3fma": "fma<4>"})  # type: ignore[arg-type]
    assert found.clock == "cupti"
    seen = [(s.kind, s.name, s.lane, round(s.start_s * 1e9), round(s.end_s * 1e9), s.correlation) for s in found.spans]
    assert seen == [
        ("call", "cudaLaunchKernel", "host", 0, 50, 1),
        ("call", "cuLaunchKernel", "host", 10, 40, 1),
        ("call", "cudaMemcpyAsync", "host", 60, 80, 2),
        ("call", "cudaStreamSynchronize", "host", 90, 2000, 3),
        ("wait", "waits for a stream", "host", 100, 1990, 3),
        ("kernel", "fma<4>", "stream 0", 200, 1200, 1),
        ("copy", "copy d2h", "stream 4", 300, 900, 2),
    ]  # fmt: skip
    copy = found.spans[-1]
    assert (copy.nbytes, copy.memory) == (4096, "d2h")
    assert not cupti.enabled


def test_of_several_runs_the_median_is_kept_and_the_first_is_none_of_them() -> None:
    cupti = FakeCupti()
    lengths = iter([90000, 3000, 1000, 2000])

    def submit() -> None:
        cupti.made = a_run(10**9, next(lengths))

    found = recorded(Recorder(cupti), submit, lambda: None, STEPS, {0: 0xA}, {})  # type: ignore[arg-type]
    kernel = next(s for s in found.spans if s.kind == "kernel")
    assert kernel.end_s - kernel.start_s == pytest.approx(2000e-9)
    assert next(s for s in found.spans if s.kind == "copy").lane == "stream #17", "a stream that is none of the Op's"
    assert next(lengths, None) is None


@pytest.mark.parametrize("what", ["dropped", "missing"])
def test_a_timeline_that_is_not_complete_is_none(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.0)
    cupti = FakeCupti()
    runs = iter(range(9))

    def submit() -> None:
        cupti.made = a_run(10**9)
        if next(runs) == 2:
            cupti.lost = 7 if what == "dropped" else 0
            cupti.made = cupti.made if what == "dropped" else cupti.made[:-1]

    with pytest.raises(ClockError, match="dropped 7" if what == "dropped" else "1 records of 2"):
        recorded(Recorder(cupti), submit, lambda: None, STEPS, {0: 0xA, 1: 0xB}, {})  # type: ignore[arg-type]
    assert not cupti.enabled, "switched off after an error too"


def test_work_without_stamps_is_an_error_and_a_call_without_them_is_left_out() -> None:
    kernel, call = Raw("kernel", "k", 13, 0, 0, 1), Raw("call", "c", 5, 0, 0, 1)
    with pytest.raises(ClockError, match="no time stamps for 1 of 2"):
        spans_of([kernel, call], {})
    assert spans_of([call], {}) == ()
    assert spans_of([], {}) == ()


def test_further_threads_have_lanes_of_their_own_and_pageable_copies_say_so() -> None:
    records = [
        Raw("call", "a", 70, 100, 110, 1), Raw("call", "b", 50, 105, 120, 2), Raw("call", "c", 70, 130, 140, 3),
        Raw("copy", "copy h2d", 13, 130, 150, 3, 8, "h2d", True),
    ]  # fmt: skip
    found = spans_of(records, {13: 2})
    assert [s.lane for s in found] == ["host", "host thread 2", "stream 2", "host"]
    assert (found[2].name, found[2].memory, found[2].nbytes) == ("copy h2d, pageable", "h2d", 8)
