"""Any callable that launches work on the current GPU (CuPy, PyTorch, Triton, …) as something that the clocks can time.

The callable's own arrays are used as they are: nothing is copied, restored or checked.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kbench.errors import DeviceError, UsageError
from kbench.intent.op import Call, Op
from kbench.machine.cuda.bound import CudaBound
from kbench.machine.cuda.device import CudaDevice
from kbench.machine.cuda.instruments import Hold
from kbench.machine.profiler import around

PROBE_LIMIT_S = 0.1
PROBES = ((24, 27), (4, 190))
"""(calls queued behind one hold, entries that each may then take): as many samples share a hold as the queue takes."""
STRAY_S, STRAY_SHARE = 50e-6, 0.1
"""The whole GPU may be busy this long, or for this share of the time, after the current stream has come to its end."""


@contextmanager
def callable_bound(
    function: Callable[[], Any], index: int | None = None, clock: str = "auto", nbytes: int = 0
) -> Iterator[tuple[CudaBound, str]]:
    """A Bound that calls `function`, and what a reader must know of it.

    index: of the GPU; None is the one that is current in this process. clock: the one that is asked for; "host" waits
    for all of the GPU, the others enclose the current stream alone. nbytes: that a call moves, 0 if that is not known;
    it is taken to write. While the Bound is open, kbench's stream is the current one of CuPy and of PyTorch (if that is
    loaded) in this thread; afterwards the caller's own are again. Raises DeviceError without a usable GPU, UsageError
    for work that does not go to the current stream.
    """
    cupy = _cupy()
    number = int(cupy.cuda.runtime.getDevice()) if index is None else index
    function()  # compiles, loads and tunes whatever it does when called for the first time, on the caller's own stream
    cupy.cuda.runtime.deviceSynchronize()
    before = cupy.cuda.get_current_stream()
    device = _opened(number)
    try:
        with _torch_stream(device.stream(0).ptr, number):
            device.stream(0).use()
            step, note = _step(function, device, clock)
            op = Op(steps=(step,), outputs={}, bytes_written=max(nbytes, 1))
            bound = device.bind(op, (None,))
            try:
                yield bound, note
            finally:
                bound.close()
    finally:
        before.use()


def _step(function: Callable[[], Any], device: CudaDevice, clock: str) -> tuple[Call, str]:
    if clock == "host":

        def whole() -> None:
            function()
            device.wait_for_all()

        return Call(whole), ""
    _refuse_strays(function, device)
    entries = _entries(function, device)
    why = "a profiler is at work" if around() else "the callable waits for the GPU itself"
    note = "" if entries else f"{why}: gaps that the host leaves are in its time"
    return Call(function, entries=entries), note


def _cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        raise DeviceError(f"CuPy cannot be imported: {error}\npip install 'kbench[cuda13]' (or cuda12)") from error
    return cupy


@functools.lru_cache(maxsize=1)
def _opened(index: int) -> CudaDevice:
    """Kept open: its buffers and kernels serve every callable of this process."""
    return CudaDevice(index)


@contextmanager
def _torch_stream(stream: int, index: int) -> Iterator[None]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        yield
        return
    if torch.cuda.current_device() != index:
        raise DeviceError(f"PyTorch's current GPU is {torch.cuda.current_device()}, CUDA's is {index}: make them one")
    before = torch.cuda.current_stream()
    torch.cuda.set_stream(torch.cuda.ExternalStream(stream, device=index))
    try:
        yield
    finally:
        torch.cuda.set_stream(before)


def _refuse_strays(function: Callable[[], Any], device: CudaDevice) -> None:
    """Work on other streams would not be in the time: the current stream ends while the GPU goes on."""
    strays = []
    for _ in range(3):
        device.wait_for_all()
        begin = time.perf_counter()
        function()
        device.synchronize()
        ended = time.perf_counter()
        device.wait_for_all()
        strays.append(time.perf_counter() - ended > max(STRAY_S, STRAY_SHARE * (ended - begin)))
    if all(strays):
        raise UsageError(
            "the callable launches work on a stream that is not the current one, which events cannot enclose: launch "
            "it on cupy.cuda.get_current_stream() or torch.cuda.current_stream(), or take clock='host'"
        )


def _entries(function: Callable[[], Any], device: CudaDevice) -> int | None:
    """How many entries of the launch queue a call may be said to take: so few that the calls which share a hold fit.

    None for a callable that waits for the GPU, and under a profiler, which may run launches one by one. The hold is a
    short one: it ends by itself where the callable waits.
    """
    if around() is not None:
        return None
    hold = Hold(device.instruments, device.pinned, device.stream(0).ptr, limit_s=PROBE_LIMIT_S)
    for calls, entries in PROBES:
        with hold():
            for _ in range(calls):
                function()
        device.synchronize()
        if not hold.gave_up:
            return entries
    return None
