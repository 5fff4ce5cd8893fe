"""Any Python callable, timed by the host's clock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from kbench.errors import UsageError, did_you_mean
from kbench.machine.cpu.clock import flush_buffer
from kbench.machine.device import Batch

_FLOOR_SAMPLES = 50


class CallableBound:
    """The part of kbench.machine.device.Bound that sampling needs. The clock is perf_counter around one call."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function

    def clock(self, asked: str, cache: str = "cold") -> tuple[str, str]:
        if asked not in ("auto", "host"):
            raise UsageError(f"without a GPU there is no clock {asked!r}: only host{did_you_mean(asked, ('host',))}")
        if cache not in ("cold", "warm"):
            raise UsageError(f"a Python callable is timed cold or warm, not {cache!r}")
        return "host", "clock host: a Python callable, its interpreter included"

    def sample(self, count: int, *, clock: str, cache: str) -> Batch:
        name, _ = self.clock(clock, cache)
        elapsed = tuple(self._one(self._function, cache) for _ in range(count))
        return Batch(name, cache, elapsed, (), self._floor, self._note(cache))

    def _one(self, function: Callable[[], Any], cache: str) -> float:
        if cache == "cold":
            self._flush_buffer.sum()  # it only reads: what it evicts later is clean
        begin = time.perf_counter()
        function()
        return time.perf_counter() - begin

    @cached_property
    def _floor(self) -> float:
        return statistics.median(self._one(_nothing, "warm") for _ in range(_FLOOR_SAMPLES))

    @cached_property
    def _flush_buffer(self) -> np.ndarray[Any, Any]:
        return flush_buffer()

    def _note(self, cache: str) -> str:
        if cache != "cold":
            return ""
        return f"cold: a read-only pass over {self._flush_buffer.nbytes >> 20} MiB before each sample"

    def close(self) -> None:
        self.__dict__.pop("_flush_buffer", None)


def _nothing() -> None:
    pass


@contextmanager
def callable_bound(function: Callable[[], Any]) -> Iterator[tuple[CallableBound, str]]:
    """A Bound that calls `function`, and what a reader must know of it ("")."""
    bound = CallableBound(function)
    try:
        yield bound, ""
    finally:
        bound.close()
