"""One NVIDIA GPU, driven through CuPy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from kbench.errors import DeviceError, UsageError
from kbench.intent.op import Op
from kbench.machine.binary import Binary, Target
from kbench.machine.cuda import driver, visible
from kbench.machine.cuda.blocks import PinnedPool
from kbench.machine.cuda.bound import CudaBound
from kbench.machine.cuda.clocks import Clocks
from kbench.machine.cuda.faults import faults
from kbench.machine.cuda.info import gpu_info
from kbench.machine.cuda.instruments import Flush, Hold, Instruments
from kbench.machine.cuda.kernel import LoadedKernel
from kbench.machine.cuda.memory import CudaPool
from kbench.machine.cuda.program import Program
from kbench.machine.cuda.rotation import Arena
from kbench.machine.cuda.telemetry import Sensors
from kbench.machine.device import DeviceInfo, Telemetry
from kbench.machine.install import install

_DEFAULT_L2 = 64 * 2**20  # to flush where the driver does not tell the size of L2
_FLUSHED = {"sm_90": 1.25}
"""What a flush reads, in sizes of L2: twice, or what a GPU of that architecture was seen to need, with a margin. On an
H200 (2026-11-20) cold copies of 64 KiB to 32 MiB took the same time after flushes of 1.0 to 2 times L2, and those of
64 KiB 4 % less after one of 0.75."""


class CudaDevice:
    """GPU `index` of those that CUDA_VISIBLE_DEVICES leaves, in PCI order. See kbench.machine.device.Device.

    Opening it makes the process's CUDA context, and makes a non-blocking stream of its own CuPy's current stream in
    this thread: inputs, restores and kernels are ordered by it, and nothing waits for the legacy default stream.
    Raises DeviceError where there is no such GPU or CuPy cannot use it.
    """

    def __init__(self, index: int = 0) -> None:
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as nvidia-smi and NVML count
        self.xp = _cupy()
        self._index = index
        from cupy.cuda import runtime

        try:
            count = runtime.getDeviceCount()
            if not 0 <= index < count:
                raise DeviceError(f"there is no GPU {index}: CUDA sees {count} (CUDA_VISIBLE_DEVICES hides others)")
            runtime.setDevice(index)
            self._streams = [self.xp.cuda.Stream(non_blocking=True)]
            self.info: DeviceInfo = gpu_info(index)
            capability = int(self.info.arch.removeprefix("sm_"))
            if capability >= 80:  # older ones keep nothing in L2 for persisting accesses
                driver.reset_persisting_l2()
        except (runtime.CUDARuntimeError, driver.DriverCallError) as error:
            found, why_none = visible.gpus()
            what = f"GPU {index} cannot be opened" if found else f"no NVIDIA GPU here: {why_none}"
            raise DeviceError(f"{what}: {error} (kbench doctor says more)") from error
        self._streams[0].use()
        self.shared_bytes_per_block: int = runtime.deviceGetAttribute(
            runtime.cudaDevAttrMaxSharedMemoryPerBlockOptin, index
        )
        self.reads_pageable = bool(runtime.deviceGetAttribute(runtime.cudaDevAttrPageableMemoryAccess, index))
        self.has_clusters = capability >= 90 and driver.has_clusters()
        self.l2_bytes = self.info.l2_bytes or _DEFAULT_L2
        self.pinned = PinnedPool()
        self.arena = Arena()
        self.clocks = Clocks(self)
        self._kernels: dict[tuple[str, str], LoadedKernel] = {}

    def target(self, mode: str = "fast") -> Target:
        return Target("cuda", self.info.arch)

    def bind(self, op: Op, binaries: Sequence[Binary | None], **options: Any) -> CudaBound:
        shared = options.pop("shared", None)
        if options:
            raise UsageError(f"a GPU takes no option {', '.join(sorted(options))}: those are for the cpu device")
        return CudaBound(self, op, binaries, shared)

    def pool(self) -> CudaPool:
        return CudaPool(self.pinned, self.instruments, self._streams[0].ptr)

    def telemetry(self) -> Telemetry | None:
        return self._sensors.read()

    def energy_j(self) -> float | None:
        """What this GPU has used since its driver was loaded; only differences mean something."""
        return self._sensors.energy_j()

    @cached_property
    def _sensors(self) -> Sensors:
        from cupy.cuda import runtime

        return Sensors(str(runtime.deviceGetPCIBusId(self._index)), self.info.uid if self.info.mig else "")

    def kernel(self, binary: Binary) -> LoadedKernel:
        """Loaded once, however many configurations use it. Raises BuildError where CuPy has to compile it and fails."""
        key = (binary.path, binary.symbol or binary.entry)
        if key not in self._kernels:
            with faults(f"loading {binary.entry}"):
                self._kernels[key] = LoadedKernel(binary)
        return self._kernels[key]

    def stream(self, number: int) -> Any:
        """CuPy stream `number`; 0 is the main stream."""
        while len(self._streams) <= number:
            self._streams.append(self.xp.cuda.Stream(non_blocking=True))
        return self._streams[number]

    def synchronize(self) -> None:
        """Wait for the main stream, which every Program makes wait for all others."""
        from cupy.cuda import runtime

        runtime.streamSynchronize(self._streams[0].ptr)

    def wait_for_all(self) -> None:
        """Wait for every stream of this GPU, whoever made it."""
        from cupy.cuda import runtime

        runtime.deviceSynchronize()

    @cached_property
    def instruments(self) -> Instruments:
        with faults("loading kbench's own kernels"):
            return Instruments(self.target())

    @cached_property
    def hold(self) -> Hold:
        return Hold(self.instruments, self.pinned, self._streams[0].ptr)

    @cached_property
    def flush(self) -> Flush:
        nbytes = int(_FLUSHED.get(self.info.arch, 2) * self.l2_bytes)
        return Flush(self.instruments, nbytes, self.info.multiprocessors or 1, self._streams[0].ptr)

    @cached_property
    def nothing(self) -> Program:
        """An empty kernel as a Program: what a clock reads for it is the clock's floor."""
        return self._empty(self.instruments.nothing)

    @cached_property
    def mark(self) -> Program:
        """An empty kernel that no floor is measured with."""
        return self._empty(self.instruments.mark)

    def _empty(self, kernel: LoadedKernel) -> Program:
        (launch,) = kernel.prepare((1, 1, 1), (1, 1, 1), (), self._streams[0].ptr)
        launch()  # never for the first time behind a hold
        return Program(1, "", (launch,))

    def close(self) -> None:
        """Give CuPy its legacy stream back. The context ends with the process; a lost one cannot be cleaned up."""
        if "_sensors" in self.__dict__:
            self._sensors.close()
        self.xp.cuda.Stream.null.use()


def _cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        found, why_none = visible.gpus()
        if not found:
            raise DeviceError(f"no NVIDIA GPU here: {why_none}") from error
        _, remedy = visible.cupy_problem(found)
        raise DeviceError(f"CuPy cannot be imported: {error}\n{remedy or install('cuda13')}") from error
    return cupy
