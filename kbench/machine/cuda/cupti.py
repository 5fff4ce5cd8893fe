"""CUPTI in this process, through cupti-python: when each kernel, copy and fill started and ended on the GPU.

Records are collected from the first `start` until `stop`; between two batches collection goes on, because switching it
costs more than it disturbs, and what comes in between is thrown away. It never works beside another profiler: CUPTI
takes one subscriber at a time.
"""

from __future__ import annotations

import atexit
import ctypes
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from kbench.machine.cuda.activity import Record, in_order
from kbench.machine.cuda.buffers import Buffers, Layout, loaded
from kbench.machine.profiler import around

_FORCED = 1  # CUPTI_ACTIVITY_FLAG_FLUSH_FORCED
_TRIES, _PATIENCE_S = 20, 1e-3
_STAMPS = ("correlation_id", "start", "end")
_FIELDS = {
    "CONCURRENT_KERNEL": ("activity_kernel10_dtype", (*_STAMPS, "stream_id", "name")),
    "MEMCPY": ("activity_memcpy6_dtype", (*_STAMPS, "stream_id", "bytes", "copy_kind", "src_kind", "dst_kind")),
    "MEMSET": ("activity_memset4_dtype", (*_STAMPS, "stream_id", "bytes")),
    "RUNTIME": ("activity_api_dtype", (*_STAMPS, "thread_id", "cbid")),
    "DRIVER": ("activity_api_dtype", (*_STAMPS, "thread_id", "cbid")),
    "SYNCHRONIZATION": ("activity_synchronization2_dtype", (*_STAMPS, "type")),
}
"""What is read of each kind of record, by cupti-python's names of kind, layout and fields."""


class Cupti:
    """missing: why it cannot be used here, "" if it can. api: the module cupti.cupti, where it can."""

    def __init__(self) -> None:
        self.api: Any = None
        self._buffers: Any = None
        self.on = False
        self._since = 0
        self.missing = self._load()

    def _load(self) -> str:
        profiler = around()
        if profiler is not None:
            return f"another profiler is at work ({profiler.why})"
        try:
            from cupti import cupti
        except ImportError as error:
            return f"cupti-python cannot be imported: {error} (pip install 'kbench[cupti]')"
        self.api = cupti
        try:
            self._buffers = self._delivered_to()
            self.start()
            self.stop()
            atexit.register(self._leave)
        except Exception as error:  # its errors have no common base; whatever it is, it is the reason
            return f"CUPTI refuses: {error}"
        return ""

    def _delivered_to(self) -> Buffers:
        """Raises OSError where CUPTI delivers nothing there."""
        self.api.get_timestamp()  # cupti-python loads the library when it is first called
        layouts = {
            int(getattr(self.api.ActivityKind, kind)): Layout(getattr(self.api, dtype), fields)
            for kind, (dtype, fields) in _FIELDS.items()
        }
        buffers = Buffers(loaded(function=self._function("cuptiActivityRegisterCallbacks")), layouts)
        buffers.register()
        return buffers

    @staticmethod
    def _function(name: str) -> int | None:
        """The address at which cupti-python calls a function of CUPTI; None where it does not tell."""
        try:
            from cupti._internal.cupti import _inspect_function_pointers as pointers
        except ImportError:
            return None
        address = pointers().get(f"__{name}")
        return address if isinstance(address, int) else None

    @property
    def _kinds(self) -> tuple[int, ...]:
        kind = self.api.ActivityKind
        return kind.CONCURRENT_KERNEL, kind.MEMCPY, kind.MEMSET

    def start(self) -> None:
        """Collect from here on, and forget what was collected before. The GPU must be idle. What CUPTI has not
        delivered yet is told by its time: having it delivered would take longer than a short batch."""
        if not self.on:
            for kind in self._kinds:
                self.api.activity_enable(kind)
            self.on = True
        self._buffers.forget()
        self._since = self.api.get_timestamp()

    def stop(self) -> None:
        """Collect nothing, and cost nothing."""
        if self.on:
            self.on = False
            for kind in self._kinds:
                self.api.activity_disable(kind)
            self.api.activity_flush_all(0)
        self._buffers.forget()

    def _leave(self) -> None:
        """Before the interpreter ends: CUPTI must not call back into it afterwards, so it gives back what it has."""
        try:
            self.stop()
            self.forget()
        except Exception as error:  # a context that was lost; whatever is still collected is of no use
            warnings.warn(f"CUPTI: {error}", stacklevel=1)

    def records(self, enough: Callable[[int], bool]) -> list[Record]:
        """Everything since `start`, in launch order; the GPU must be idle. enough: whether so many records can be all.
        Raises ClockError where some were dropped or have no time stamps."""
        self.api.activity_flush_all(0)
        fresh = self._fresh()
        for _ in range(_TRIES):
            if enough(len(fresh)):
                break
            self.api.activity_flush_all(_FORCED)
            time.sleep(_PATIENCE_S)  # buffers may be handed over by a thread of CUPTI's own
            fresh = self._fresh()
        kernels, copies, _ = self._kinds
        records = [
            Record(
                a.correlation_id,
                a.name if a.kind == kernels else f"{'copy' if a.kind == copies else 'fill'} of {a.bytes} bytes",
                a.start,
                a.end,
            )
            for a in fresh
        ]
        return in_order(records, self.dropped())

    def _fresh(self) -> list[Any]:
        """Since `start`, and whatever has no time stamp."""
        return [a for a in self._buffers.activities() if not 0 < a.start < self._since]

    @contextmanager
    def collecting(self, kinds: Iterable[int]) -> Iterator[None]:
        """Other kinds of record than the clock's are collected inside the block; `flushed` gives them. The GPU must be
        idle."""
        self.stop()
        wanted = tuple(kinds)
        try:
            for kind in wanted:
                self.api.activity_enable(kind)
            yield
        finally:
            for kind in wanted:
                self.api.activity_disable(kind)
            self.forget()

    def flushed(self, forced: bool = True) -> list[Any]:
        """All activities since the last `forget`, as buffers.Layout makes them, with the fields of _FIELDS."""
        self.api.activity_flush_all(_FORCED if forced else 0)
        return list(self._buffers.activities())

    def forget(self) -> None:
        """Whatever was collected so far, delivered or not."""
        self.api.activity_flush_all(_FORCED)
        self._buffers.forget()

    def dropped(self) -> int:
        """Records that CUPTI had no room for since it was last asked."""
        count = ctypes.c_size_t()
        self.api.activity_get_num_dropped_records(0, 0, ctypes.addressof(count))
        return count.value
