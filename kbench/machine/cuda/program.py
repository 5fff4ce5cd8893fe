"""The steps of an Op in submission order, on their streams, with the events that order them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kbench.errors import SpecError
from kbench.intent.op import Call, CopyBatch, Step
from kbench.machine.cuda.steps import Prepared

if TYPE_CHECKING:
    from kbench.machine.cuda.device import CudaDevice

_NO_TIMING = 0x02  # cudaEventDisableTiming


class Program:
    """submit() enqueues the whole Op: work on every stream starts after whatever was on the device's main stream, and
    the main stream goes on when all of it has ended. So an event before and an event after it enclose the Op.

    entries: places in the launch queue that one run takes; unholdable: why it must not run behind a hold, or "";
    uncapturable: why it cannot be put into a graph, or ""; bytes_written: what a run writes to the GPU's memory.
    """

    def __init__(
        self, entries: int, unholdable: str, calls: Sequence[Callable[[], None]], uncapturable: str = "",
        bytes_written: int = 0,
    ) -> None:  # fmt: skip
        self.entries = entries
        self.unholdable = unholdable
        self.uncapturable = uncapturable
        self.bytes_written = bytes_written
        self._calls = tuple(calls)

    def submit(self) -> None:
        for call in self._calls:
            call()


def streams_of(device: CudaDevice, steps: Sequence[Step]) -> list[Any]:
    """A CuPy stream for each step; the lowest stream index in use is the device's main stream."""
    order = sorted({step.stream for step in steps})
    return [device.stream(order.index(step.stream)) for step in steps]


def uncapturable(steps: Sequence[Step], host: bool) -> str:
    """Why an Op of these steps cannot be put into a graph, "" if it can. host: whether it uses host memory."""
    if any(isinstance(step, Call) for step in steps):
        return "a library call may do what a graph cannot hold"
    if any(isinstance(step, CopyBatch) for step in steps):
        return "CUDA captures no cudaMemcpyBatchAsync"
    return "it uses host memory" if host else ""


def program(
    device: CudaDevice, steps: Sequence[Step], prepared: Sequence[Prepared], *, host: bool = False,
    bytes_written: int = 0,
) -> Program:  # fmt: skip
    """Raises SpecError where a step waits for one that does not come before it."""
    streams = streams_of(device, steps)
    main, others = device.stream(0), list({s.ptr: s for s in streams if s is not device.stream(0)}.values())
    calls: list[Callable[[], None]] = []

    def order(first: Any, then: Any) -> None:
        """What is enqueued on `then` from here on waits for what is on `first` up to here."""
        record, wait = _edge(first.ptr, then.ptr)
        calls.extend((record, wait))

    for other in others:
        order(main, other)
    ends = _ends(steps)
    recorded: dict[int, Any] = {}
    for index, (step, ready) in enumerate(zip(steps, prepared, strict=True)):
        for earlier in step.after:
            if not 0 <= earlier < index:
                raise SpecError(f"step {index} is after step {earlier}: only an earlier step can be waited for")
            if streams[earlier] is not streams[index]:
                calls.append(_wait(streams[index].ptr, recorded[earlier]))
        calls.append(ready.submit)
        if index in ends:
            recorded[index] = _event()
            calls.append(_record(recorded[index], streams[index].ptr))
    for other in others:
        order(other, main)
    reasons = [ready.unholdable for ready in prepared if ready.unholdable]
    orderings = len(calls) - len(steps)
    entries = orderings + sum(p.entries for p in prepared)
    return Program(entries, reasons[0] if reasons else "", calls, uncapturable(steps, host), bytes_written)


def _ends(steps: Sequence[Step]) -> set[int]:
    """The steps that some step on another stream waits for."""
    return {e for step in steps for e in step.after if 0 <= e < len(steps) and steps[e].stream != step.stream}


def _edge(first: int, then: int) -> tuple[Callable[[], None], Callable[[], None]]:
    event = _event()
    return _record(event, first), _wait(then, event)


def _event() -> Any:
    """An event without a time stamp. It lives as long as the calls that hold it, and may be recorded again and again: a
    wait means the record that came last before it."""
    import cupy

    return cupy.cuda.Event(disable_timing=True)


def _record(event: Any, stream: int) -> Callable[[], None]:
    from cupy.cuda import runtime

    return lambda: runtime.eventRecord(event.ptr, stream)


def _wait(stream: int, event: Any) -> Callable[[], None]:
    from cupy.cuda import runtime

    return lambda: runtime.streamWaitEvent(stream, event.ptr)
