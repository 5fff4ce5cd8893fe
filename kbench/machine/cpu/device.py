"""The cpu device: the same .cu files, run by the host's processor. For checking kernels; its times are no GPU's."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kbench.errors import DeviceError, UsageError
from kbench.intent.op import Op
from kbench.machine.binary import Binary, Target
from kbench.machine.device import DeviceInfo
from kbench.machine.pool import MemoryPool

if TYPE_CHECKING:
    from kbench.machine.cpu.bound import CpuBound
    from kbench.machine.cpu.clock import HostClock
    from kbench.machine.cpu.memory import Region


class CpuDevice:
    """Implements kbench.machine.device.Device; arrays are NumPy's. Raises DeviceError where it cannot work."""

    def __init__(self) -> None:
        if sys.platform == "win32":
            raise DeviceError("the cpu device needs Linux (WSL will do): Windows has neither its signals nor its mmap")
        import ml_dtypes  # noqa: F401  (registers bfloat16 with NumPy)
        import numpy

        self.xp: Any = numpy
        self.info = _info()
        self._clocks: dict[str, HostClock] = {}

    def target(self, mode: str = "fast") -> Target:
        if mode not in ("fast", "check", "asan", "tsan"):
            raise UsageError(f"the cpu device has no build mode {mode!r} (known: fast, check, asan, tsan)")
        return Target("cpu", mode)

    def bind(
        self, op: Op, binaries: Sequence[Binary | None], *, order: str = "forward", seed: int = 1, strict: bool = False,
        place: str = "end", workers: int | None = None, timeout_s: float | None = None,
        shared: MemoryPool[Region] | None = None,
    ) -> CpuBound:  # fmt: skip
        """Copy the Op's arrays into guarded memory and load its kernels; one binary a step (None for copies).

        order: in which threads and blocks start ("forward", "reverse", "random" by `seed`). strict: what a GPU leaves
        undefined is an error. place: arrays end ("end") or begin ("start") at a guard page. workers: threads, one for
        each core by default. timeout_s: of one launch; None waits for ever. shared: see pool. Raises SpecError where
        arguments do not fit a kernel's parameters, UsageError for an unknown option, MemoryError where the arrays do
        not fit.
        """
        from kbench.machine.cpu.bound import CpuBound
        from kbench.machine.cpu.clock import HostClock
        from kbench.machine.cpu.launch import Conditions

        mode = next((b.target.arch for b in binaries if b is not None), "fast")
        if mode not in self._clocks:
            self._clocks[mode] = HostClock(mode)
        conditions = Conditions(order, seed, strict, workers, timeout_s)
        return CpuBound(op, binaries, conditions, place, self._clocks[mode], shared)

    def pool(self) -> MemoryPool[Region]:
        return MemoryPool()

    def telemetry(self) -> None:
        """Nothing here tells of a GPU."""

    def close(self) -> None:
        for clock in self._clocks.values():
            clock.close()
        self._clocks = {}


def open_device(selector: str = "cpu") -> CpuDevice:
    """The cpu device; there is one."""
    if selector not in ("", "cpu"):
        raise UsageError(f"there is one cpu device, named cpu, not {selector!r}")
    return CpuDevice()


def _info() -> DeviceInfo:
    from kbench.machine.cpu.clock import last_level_cache_bytes

    name, cores = _model(), os.cpu_count() or 1
    uid = hashlib.sha256(f"{name}/{cores}".encode()).hexdigest()[:16]
    return DeviceInfo(
        kind="cpu", name=name, label="cpu (emulated)", uid=f"cpu-{uid}",
        arch=platform.machine(), l2_bytes=last_level_cache_bytes(),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
    )  # fmt: skip


def _model() -> str:
    """The processor's name as the kernel tells it, else its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(errors="replace") if cpuinfo.is_file() else ""
    match = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine()
