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
from collections.abc import Callable
from typing import Any

from kbench.machine.cuda.activity import Record, in_order
from kbench.machine.profiler import around

_BUFFER_BYTES = 2**20  # some 4,000 records; CUPTI asks for more buffers as it needs them
_FORCED = 1  # CUPTI_ACTIVITY_FLAG_FLUSH_FORCED
_TRIES, _PATIENCE_S = 20, 1e-3


class Cupti:
    """missing: why it cannot be used here, "" if it can."""

    def __init__(self) -> None:
        self._api: Any = None
        self._collected: list[Record] = []
        self.diverted: Callable[[Any], None] | None = None  # takes buffers of records in this one's place
        self.on = False
        self.missing = self._load()

    def _load(self) -> str:
        profiler = around()
        if profiler is not None:
            return f"another profiler is at work ({profiler.why})"
        try:
            from cupti import cupti
        except ImportError as error:
            return f"cupti-python cannot be imported: {error} (pip install 'kbench[cupti]')"
        self._api = cupti
        try:
            cupti.activity_register_callbacks(lambda: (_BUFFER_BYTES, 0), self._take)
            self.start()
            self.stop()
            atexit.register(self._leave)
        except Exception as error:  # its errors have no common base; whatever it is, it is the reason
            return f"CUPTI refuses: {error}"
        return ""

    @property
    def _kinds(self) -> tuple[int, ...]:
        kind = self._api.ActivityKind
        return kind.CONCURRENT_KERNEL, kind.MEMCPY, kind.MEMSET

    def start(self) -> None:
        """Collect from here on, and forget what was collected before. The GPU must be idle."""
        if not self.on:
            for kind in self._kinds:
                self._api.activity_enable(kind)
            self.on = True
        else:
            self._api.activity_flush_all(0)
        self._collected.clear()

    def stop(self) -> None:
        """Collect nothing, and cost nothing."""
        if self.on:
            self.on = False
            for kind in self._kinds:
                self._api.activity_disable(kind)
            self._api.activity_flush_all(0)
        self._collected.clear()

    def _leave(self) -> None:
        """Before the interpreter ends: CUPTI must not call back into it afterwards."""
        try:
            self.stop()
        except Exception as error:  # a context that was lost; whatever is still collected is of no use
            warnings.warn(f"CUPTI: {error}", stacklevel=1)

    def records(self, enough: Callable[[int], bool]) -> list[Record]:
        """Everything since `start`, in launch order; the GPU must be idle. enough: whether so many records can be all.
        Raises ClockError where some were dropped or have no time stamps."""
        self._api.activity_flush_all(0)
        for _ in range(_TRIES):
            if enough(len(self._collected)):
                break
            self._api.activity_flush_all(_FORCED)
            time.sleep(_PATIENCE_S)  # buffers may be handed over by a thread of CUPTI's own
        return in_order(self._collected, self._dropped())

    @property
    def api(self) -> Any:
        """The module cupti.cupti; None where it is missing."""
        return self._api

    def dropped(self) -> int:
        """Records that CUPTI had no room for since it was last asked."""
        return self._dropped()

    def _dropped(self) -> int:
        count = ctypes.c_size_t()
        self._api.activity_get_num_dropped_records(0, 0, ctypes.addressof(count))
        return count.value

    def _take(self, activities: Any) -> None:
        """Called by CUPTI with a buffer of records, which are gone when it returns."""
        if self.diverted is not None:
            self.diverted(activities)
            return
        kernels, copies, fills = self._kinds
        for activity in activities:
            kind = activity.kind
            if kind == kernels:
                name = activity.name
            elif kind in (copies, fills):
                name = f"{'copy' if kind == copies else 'fill'} of {activity.bytes} bytes"
            else:
                continue
            self._collected.append(Record(activity.correlation_id, name, activity.start, activity.end))
