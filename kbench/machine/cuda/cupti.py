"""CUPTI in this process, through cupti-python: when each kernel, copy and fill started and ended on the GPU.

Records are collected from the first `start` until `stop`; between two batches collection goes on, because switching it
costs more than it disturbs, and what comes in between is thrown away. It never works beside another profiler: CUPTI
takes one subscriber at a time.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import time
import warnings
from collections.abc import Callable
from typing import Any

from kbench.machine.cuda.activity import Record, in_order
from kbench.machine.cuda.buffers import Buffers, Layout, loaded

_FORCED = 1  # CUPTI_ACTIVITY_FLAG_FLUSH_FORCED
_TRIES, _PATIENCE_S = 20, 1e-3
_PROFILERS = ("NSYS_PROFILING_SESSION_ID", "NV_NSIGHT_INJECTION_PORT_BASE", "NV_TPS_LAUNCH_TOKEN",
              "CUDA_INJECTION64_PATH", "NV_COMPUTE_PROFILER_PERFWORKS_DIR")  # fmt: skip
"""Environment variables that NVIDIA's profilers set for the programs they start."""


def outer_profiler() -> str:
    """The trace that a profiler around this process leaves in its environment, "" if there is none."""
    return next((f"{name} is set" for name in _PROFILERS if os.environ.get(name)), "")


class Cupti:
    """missing: why it cannot be used here, "" if it can."""

    def __init__(self) -> None:
        self._api: Any = None
        self._buffers: Any = None
        self.on = False
        self.missing = self._load()

    def _load(self) -> str:
        profiler = outer_profiler()
        if profiler:
            return f"another profiler is at work ({profiler})"
        try:
            from cupti import cupti
        except ImportError as error:
            return f"cupti-python cannot be imported: {error} (pip install 'kbench[cupti]')"
        self._api = cupti
        try:
            self._buffers = self._delivered_to()
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

    def _delivered_to(self) -> Buffers:
        """Raises OSError where CUPTI delivers nothing there."""
        api, (kernels, copies, fills) = self._api, self._kinds
        api.get_timestamp()  # cupti-python loads the library when it is first called
        stamps = ("correlation_id", "start", "end")
        layouts = {
            int(kernels): Layout(api.activity_kernel10_dtype, (*stamps, "name")),
            int(copies): Layout(api.activity_memcpy6_dtype, (*stamps, "bytes")),
            int(fills): Layout(api.activity_memset4_dtype, (*stamps, "bytes")),
        }
        buffers = Buffers(ctypes.CDLL(loaded()), layouts, {int(copies): "copy", int(fills): "fill"})
        buffers.register()
        return buffers

    def start(self) -> None:
        """Collect from here on, and forget what was collected before. The GPU must be idle."""
        if not self.on:
            for kind in self._kinds:
                self._api.activity_enable(kind)
            self.on = True
        else:
            self._api.activity_flush_all(0)
        self._buffers.forget()

    def stop(self) -> None:
        """Collect nothing, and cost nothing."""
        if self.on:
            self.on = False
            for kind in self._kinds:
                self._api.activity_disable(kind)
            self._api.activity_flush_all(0)
        self._buffers.forget()

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
            if enough(len(self._buffers.records())):
                break
            self._api.activity_flush_all(_FORCED)
            time.sleep(_PATIENCE_S)  # buffers may be handed over by a thread of CUPTI's own
        return in_order(self._buffers.records(), self._dropped())

    def _dropped(self) -> int:
        count = ctypes.c_size_t()
        self._api.activity_get_num_dropped_records(0, 0, ctypes.addressof(count))
        return count.value
