"""A process that owns one device and runs jobs on it: python -m kbench.experiment.worker --device NAME --fds IN OUT.

Messages go over two inherited pipes, because kernels may print. It ends with the pipe, and with its parent.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import os
import signal
import sys
from typing import Any

import msgspec

from kbench.errors import DeviceError, KbenchError
from kbench.experiment.job import Bench
from kbench.experiment.protocol import (
    MODES,
    AskLatencies,
    Frames,
    Job,
    Latencies,
    Ready,
    Request,
    Unusable,
    write_frame,
)
from kbench.experiment.result import Roof
from kbench.machine.device import Device
from kbench.machine.profiler import around

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when its parent dies, even in mid-kernel. Elsewhere the pipe's end must do; and
    where a profiler stands between the two, which is no sign that the parent has died."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent and around() is None:
        sys.exit(1)


def open_device(name: str) -> Device:
    """The device of a name: "cuda", "cuda:N", "cpu", or "module:factory" from elsewhere. Raises DeviceError."""
    if name == "cpu":
        from kbench.machine.cpu.device import CpuDevice

        return CpuDevice()
    if name == "cuda" or name.startswith("cuda:"):
        from kbench.machine.cuda.device import CudaDevice
        from kbench.machine.cuda.visible import index_of

        return CudaDevice(index_of(name))
    module, _, factory = name.partition(":")
    try:
        device: Device = getattr(importlib.import_module(module), factory)()
    except (ImportError, AttributeError) as error:
        raise DeviceError(f"no device {name!r}: {error}") from error
    return device


def latencies(device: Device) -> tuple[Roof, ...]:
    """What the smallest things cost on a GPU; nothing where the device is none."""
    if device.info.kind != "cuda":
        return ()
    from kbench.machine.cuda.device import CudaDevice
    from kbench.machine.cuda.latency import latencies as measured

    assert isinstance(device, CudaDevice)
    return tuple(Roof(kind, seconds, "s", 0, "host", "warm", how) for kind, seconds, how in measured(device))


def serve(device: Device, inbox: int, outbox: int) -> None:
    """Answer requests until the pipe ends, or until the device cannot be trusted any more."""
    frames = Frames(inbox)
    bench = Bench(device, lambda reply: write_frame(outbox, reply))
    while not bench.lost:
        body = frames.take()
        if body is None:
            if not frames.feed():
                return
            continue
        request = msgspec.msgpack.decode(body, type=Request)
        if isinstance(request, AskLatencies):
            write_frame(outbox, Latencies(latencies(device)))
            continue
        assert isinstance(request, Job)
        bench.run(request)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="kbench.experiment.worker")
    parser.add_argument("--device", required=True)
    parser.add_argument("--fds", type=int, nargs=2, required=True, metavar=("IN", "OUT"))
    parser.add_argument("--parent", type=int, required=True)
    given: Any = parser.parse_args(argv)
    die_with_parent(given.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    inbox, outbox = given.fds
    try:
        device = open_device(given.device)
        write_frame(outbox, Ready(device.info, {mode: device.target(mode) for mode in MODES.values()}))
        serve(device, inbox, outbox)
        device.close()
    except KbenchError as error:
        write_frame(outbox, Unusable(str(error)))
    except BrokenPipeError:
        return  # the parent is gone; there is nobody left to tell


if __name__ == "__main__":
    main()
