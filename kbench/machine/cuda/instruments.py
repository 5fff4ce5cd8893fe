"""What a clock needs on a GPU: a hold that keeps a stream waiting, a clean flush of L2, an empty kernel."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kbench.machine.binary import Target
from kbench.machine.build import BuildRequest, build
from kbench.machine.cuda.blocks import PinnedPool
from kbench.machine.cuda.faults import faults
from kbench.machine.cuda.kernel import LoadedKernel, Value

SOURCE = Path(__file__).with_name("instruments.cu")
_ONE = (1, 1, 1)


class Instruments:
    """kbench's own kernels, built for `target` and loaded. Raises BuildError where they cannot be compiled."""

    def __init__(self, target: Target) -> None:
        def load(entry: str) -> LoadedKernel:
            return LoadedKernel(build(BuildRequest(str(SOURCE), entry, target)))

        self.nothing, self.hold, self.flush = (load(f"kbench_{name}") for name in ("nothing", "hold", "flush"))
        self.mark, self.store = load("kbench_mark"), load("kbench_store")
        self.fill_bands, self.check_bands = load("fill_bands"), load("check_bands")


class Hold:
    """Keeps `stream` waiting until it is released, so that everything queued behind it starts with no host in between.

    It gives up by itself after `limit_s`: whatever goes wrong on the host, and even where the launch queue is full and
    the host itself waits, the GPU comes free again.
    """

    def __init__(self, instruments: Instruments, pinned: PinnedPool, stream: int, limit_s: float = 2.0) -> None:
        block = pinned.take(4096)
        self._words = np.ctypeslib.as_array((ctypes.c_uint32 * 2).from_address(block))  # go, gave up
        limit_ns, limit_turns = np.uint64(int(limit_s * 1e9)), np.uint32(int(limit_s * 2e6))
        self._arm = instruments.hold.prepare(_ONE, _ONE, [block, block + 4, limit_ns, limit_turns], stream)[0]

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """The stream stands still inside the block, and goes on when it is left, by an error too. Not to be entered
        again before the stream has been waited for."""
        self._words[:] = 0
        self._arm()
        try:
            yield
        finally:
            self._words[0] = 1

    @property
    def gave_up(self) -> bool:
        """Whether the last hold ended by itself; true only after the stream has been waited for."""
        return bool(self._words[1])


class Flush:
    """Reads `nbytes` (more than L2 holds) of memory that nothing writes, so that afterwards L2 holds only clean lines
    of that memory: no line of the Op is left in it, and no line that the Op evicts has to be written back first."""

    def __init__(self, instruments: Instruments, nbytes: int, multiprocessors: int, stream: int) -> None:
        import cupy
        from cupy.cuda import runtime

        self.nbytes = -(-nbytes // 4096) * 4096
        with faults(f"allocating {self.nbytes} bytes for the L2 flush"):
            self._memory = cupy.cuda.alloc(self.nbytes + 512)
            runtime.memsetAsync(self._memory.ptr, 0, self.nbytes + 512, stream)
        buffer, never = int(self._memory.ptr), int(self._memory.ptr) + self.nbytes
        values: list[Value] = [buffer, np.uint64(self.nbytes // 16), never]
        self._read = instruments.flush.prepare((4 * multiprocessors, 1, 1), (512, 1, 1), values, stream)[0]
        self._read()  # writes back what the memset left in L2, and never runs for the first time behind a hold

    def __call__(self) -> None:
        self._read()
