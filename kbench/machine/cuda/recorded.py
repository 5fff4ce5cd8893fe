"""A run of an Op as CUPTI records it: kernels, copies and fills on their streams, and the calls of the host."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import metadata
from typing import Any, Literal, NamedTuple

from kbench.errors import ClockError
from kbench.intent.op import Copy, Launch, Step
from kbench.machine.cuda.cupti import Cupti
from kbench.machine.span import WORK, Span, Trace

RUNS = 3
"""Of which the median is kept."""
_TRIES, _PATIENCE_S = 50, 1e-3
_COPIES = {1: "h2d", 2: "d2h", 8: "d2d", 9: "h2h", 10: "p2p"}  # CUpti_ActivityMemcpyKind
_PAGEABLE = 1  # CUPTI_ACTIVITY_MEMORY_KIND_PAGEABLE
_WAITS = {1: "an event", 3: "a stream", 4: "the context"}  # CUpti_ActivitySynchronizationType, those that block

Kind = Literal["kernel", "copy", "fill", "call", "wait"]


class Raw(NamedTuple):
    """One record, as CUPTI has it. start, end: nanoseconds, 0 where it has no stamp. place: of work the stream's id, of
    calls the thread's, of waits nothing. nbytes, memory, pageable: of copies and fills."""

    kind: Kind
    name: str
    place: int
    start: int
    end: int
    correlation: int
    nbytes: int = 0
    memory: str = ""
    pageable: bool = False


class Recorder:
    """Collects everything while it is open. CUPTI serves one at a time: the clock `cupti` is quiet meanwhile."""

    def __init__(self, cupti: Cupti) -> None:
        self._cupti, self._api = cupti, cupti.api
        kind = self._api.ActivityKind
        self._makers: dict[int, Callable[[Any], Raw | None]] = {
            int(kind.CONCURRENT_KERNEL): _kernel, int(kind.MEMCPY): _copy, int(kind.MEMSET): _fill,
            int(kind.SYNCHRONIZATION): _wait, int(kind.RUNTIME): self._runtime, int(kind.DRIVER): self._driver,
        }  # fmt: skip
        self._names: dict[tuple[int, int], str] = {}

    def __call__(self) -> AbstractContextManager[None]:
        """Records are collected inside the block; `run` is for in there. The GPU must be idle."""
        return self._cupti.collecting(self._makers)

    def run(self, submit: Callable[[], None], wait: Callable[[], None], least: int) -> list[Raw]:
        """Everything that one run leaves. least: of pieces of work, which it has without doubt. Raises ClockError where
        records are missing or were dropped."""
        self._cupti.forget()
        self._cupti.dropped()
        submit()
        wait()
        before = len(self._cupti.flushed(forced=False))
        for _ in range(_TRIES):
            time.sleep(_PATIENCE_S)  # buffers may be handed over by a thread of CUPTI's own
            found = self._cupti.flushed()
            made = [raw for raw in map(self._made, found) if raw is not None]
            if len(found) == before and _work(made) >= least:
                break
            before = len(found)
        else:
            raise ClockError(f"CUPTI delivered {_work(made)} records of {least} kernels and copies")
        if dropped := self._cupti.dropped():
            raise ClockError(f"CUPTI dropped {dropped} of its records: the timeline is not complete")
        return made

    def _made(self, activity: Any) -> Raw | None:
        return self._makers[activity.kind](activity)

    def stream_id(self, stream: int) -> int:
        """CUPTI's number of a CUDA stream."""
        return int(self._api.get_stream_id_ex(0, stream, 0))

    def _runtime(self, activity: Any) -> Raw:
        return self._call(activity, self._api.CallbackDomain.RUNTIME_API)

    def _driver(self, activity: Any) -> Raw:
        return self._call(activity, self._api.CallbackDomain.DRIVER_API)

    def _call(self, activity: Any, domain: int) -> Raw:
        key = int(domain), int(activity.cbid)
        if key not in self._names:
            # cudaLaunchKernel_v7000: the version of the call's parameters, which says nothing here
            self._names[key] = re.sub(r"_v\d{4,}$", "", str(self._api.get_callback_name(domain, activity.cbid)))
        return Raw("call", self._names[key], int(activity.thread_id), *_stamps(activity))


def _stamps(activity: Any) -> tuple[int, int, int]:
    return int(activity.start), int(activity.end), int(activity.correlation_id)


def _kernel(activity: Any) -> Raw:
    return Raw("kernel", str(activity.name), int(activity.stream_id), *_stamps(activity))


def _copy(activity: Any) -> Raw:
    memory = _COPIES.get(int(activity.copy_kind), "")
    pageable = _PAGEABLE in (int(activity.src_kind), int(activity.dst_kind))
    stamps, nbytes = _stamps(activity), int(activity.bytes)
    return Raw("copy", f"copy {memory}".strip(), int(activity.stream_id), *stamps, nbytes, memory, pageable)


def _fill(activity: Any) -> Raw:
    return Raw("fill", "fill", int(activity.stream_id), *_stamps(activity), int(activity.bytes))


def _wait(activity: Any) -> Raw | None:
    what = _WAITS.get(int(activity.type))
    return Raw("wait", f"waits for {what}", 0, *_stamps(activity)) if what else None


def _work(records: Sequence[Raw]) -> int:
    return sum(record.kind in WORK for record in records)


def spans_of(records: Sequence[Raw], streams: Mapping[int, int]) -> tuple[Span, ...]:
    """Spans from the first record on, in order of their starts. streams: the Op's number of each of CUPTI's streams; a
    stream that is none of the Op's keeps CUPTI's number, with a #. Calls of the thread that calls first, and waits, are
    the lane "host". Raises ClockError where work has no time stamps."""
    blank = [r for r in records if r.kind in WORK and (r.start <= 0 or r.end < r.start)]
    if blank:
        raise ClockError(f"CUPTI has no time stamps for {len(blank)} of {len(records)} records ({blank[0].name})")
    stamped = sorted((r for r in records if r.start > 0 and r.end >= r.start), key=lambda r: (r.start, -r.end))
    threads = list(dict.fromkeys(r.place for r in stamped if r.kind == "call"))
    begin = stamped[0].start if stamped else 0

    def lane(record: Raw) -> str:
        if record.kind == "wait":
            return "host"
        if record.kind == "call":
            number = threads.index(record.place)
            return f"host thread {number + 1}" if number else "host"
        return f"stream {streams[record.place]}" if record.place in streams else f"stream #{record.place}"

    return tuple(
        Span(
            r.kind, f"{r.name}, pageable" if r.pageable else r.name, lane(r), (r.start - begin) * 1e-9,
            (r.end - begin) * 1e-9, r.nbytes, r.memory, r.correlation,
        )
        for r in stamped
    )  # fmt: skip


def recorded(
    recorder: Recorder, submit: Callable[[], None], wait: Callable[[], None], steps: Sequence[Step],
    streams: Mapping[int, int], names: Mapping[str, str],
) -> Trace:  # fmt: skip
    """Of a few runs on an idle GPU, the one whose work took the median time. streams: the CUDA stream of each of the
    Op's stream numbers; names: what to call kernels, by their symbols. Raises ClockError."""
    numbers = {recorder.stream_id(pointer): number for number, pointer in streams.items()}
    least = sum(isinstance(s, Launch) or (isinstance(s, Copy) and s.dst.nbytes > 0) for s in steps)
    with recorder():
        submit()  # the first run that is traced makes CUPTI allocate memory, and is slow
        wait()
        runs = [recorder.run(submit, wait, least) for _ in range(RUNS)]
    median = sorted(runs, key=_duration)[RUNS // 2]
    note = f"the median of {RUNS} runs, each on an idle GPU"
    named = [record._replace(name=names.get(record.name, record.name)) for record in median]
    return Trace("cupti", spans_of(named, numbers), _version(), note)


def _version() -> str:
    """Of the package; "" where it was not installed as one."""
    try:
        return metadata.version("cupti-python")
    except metadata.PackageNotFoundError:
        return ""


def _duration(records: Sequence[Raw]) -> int:
    work = [record for record in records if record.kind in WORK]
    return max((r.end for r in work), default=0) - min((r.start for r in work), default=0)
