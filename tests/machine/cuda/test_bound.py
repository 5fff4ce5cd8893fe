"""A Bound on the simulated GPU, whose kernels are Python and whose memory is the host's: from an Op to its samples."""

from __future__ import annotations

import ctypes
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from simulated_gpu import SimulatedCupti, SimulatedGpu

from kbench.errors import UsageError
from kbench.intent.op import Launch, Op, Out, Pointers
from kbench.machine.binary import Binary, Param, Target
from kbench.machine.cuda.bound import CudaBound
from kbench.machine.cuda.kernel import Packed
from kbench.machine.cuda.memory import CudaPool
from kbench.machine.cuda.rotation import Arena

N = 1024
MIB = 2**20


class Memory:
    """CuPy's memory pointer, over NumPy's memory."""

    def __init__(self, storage: np.ndarray, offset: int = 0) -> None:
        self.storage, self.offset = storage, offset

    @property
    def ptr(self) -> int:
        return int(self.storage.ctypes.data) + self.offset

    def __add__(self, more: int) -> Memory:
        return Memory(self.storage, self.offset + more)


class Array:
    """As much of cupy.ndarray as binding needs."""

    def __init__(self, shape: Any, dtype: Any, memptr: Memory | None = None, strides: Any = None) -> None:
        dtype = np.dtype(dtype)
        nbytes = int(np.prod(shape)) * dtype.itemsize
        self.data = memptr or aligned(nbytes)
        whole = self.data.storage
        self.host = np.ndarray(shape, dtype, whole, self.data.ptr - whole.ctypes.data, strides)
        self.base = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)


def aligned(nbytes: int) -> Memory:
    storage = np.full(nbytes + 512, 0xEE, np.uint8)
    return Memory(storage, -storage.ctypes.data % 512)


def read(address: int, count: int) -> np.ndarray:
    return np.ctypeslib.as_array((ctypes.c_int32 * count).from_address(address))


class Kernel:
    """y[i] += the sum of x[i] over all arrays of a table, on memory that the packed parameters name."""

    max_threads, static_shared, registers = 1024, 0, 16
    params = (Param("pointer", "int", 8), Param("const", "int*", 8), Param("value", "int", 4))

    def __init__(self, gpu: SimulatedGpu) -> None:
        self._gpu = gpu
        self.entry = "accumulate"

    def prepare(self, grid: Any, block: Any, values: Any, stream: int, shared: int, cluster: Any, count: int) -> Any:
        packed = Packed(values, count)

        def call(where: int) -> Callable[[], None]:
            def launch() -> None:
                y, table, n = (ctypes.c_uint64 * 3).from_address(where)
                rows = (ctypes.c_uint64 * 2).from_address(ctypes.c_uint64.from_address(table).value)
                captured = self._gpu.captured is not None
                self._gpu.enqueue("accumulate", 8e-6)
                if not captured:
                    count = ctypes.c_int32.from_address(n).value
                    read(ctypes.c_uint64.from_address(y).value, count)[:] += sum(read(row, count) for row in rows)

            launch.packed = packed  # type: ignore[attr-defined]
            return launch

        return [call(where) for where in packed.addresses]

    def blocks_per_multiprocessor(self, threads: int, shared: int) -> int:
        return 8


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimulatedGpu:
    made: Any = SimulatedGpu(monkeypatch)
    import cupy  # the simulated one

    cupy.ndarray = Array
    cupy.cuda.alloc = aligned
    runtime = cupy.cuda.runtime
    runtime.memcpyDefault, runtime.memcpyDeviceToDevice, runtime.memcpyHostToDevice = 4, 3, 1
    runtime.memcpyAsync = lambda dst, src, nbytes, kind, stream: ctypes.memmove(dst, src, nbytes)
    runtime.memcpy2DAsync = lambda dst, pitch, src, width, _, height, kind, stream: [
        ctypes.memmove(dst + row * pitch, src + row * width, width) for row in range(height)
    ]
    runtime.memsetAsync = lambda dst, value, nbytes, stream: ctypes.memset(dst, value, nbytes)
    runtime.streamSynchronize = lambda stream: None
    cupy.cuda.driver = types.SimpleNamespace(CUDADriverError=ZeroDivisionError)
    runtime.CUDARuntimeError = ZeroDivisionError
    intact = types.SimpleNamespace(fill=lambda: None, overwritten=dict)
    monkeypatch.setattr(CudaPool, "guards", lambda self, bands: intact)
    made.info = types.SimpleNamespace(memory_bytes=2**37, max_threads_per_sm=2048)
    made.l2_bytes, made.arena, made.has_clusters = 64 * 1024, Arena(), True
    made.pinned, made.reads_pageable, made.shared_bytes_per_block = None, False, 2**16
    made.pool = lambda: CudaPool(None, made.instruments, 7)  # type: ignore[arg-type]
    made.kernel = lambda binary: Kernel(made)
    made.wait_for_all = lambda: None
    made.clocks.__dict__["cupti"] = SimulatedCupti(made)
    return made


def bound_on(gpu: Any, shared: CudaPool | None = None, n: int = N, poison: bool = False) -> tuple[CudaBound, Array]:
    y, a, b = (Array((n,), np.int32) for _ in range(3))
    y.host[:], a.host[:], b.host[:] = 0, 1, 2
    step = Launch(grid=1, block=128, args=(y, Pointers([a, b]), n))
    op = Op(steps=(step,), outputs={"y": Out(y, y, poison=poison)}, bytes_read=8 * n, bytes_written=4 * n)
    binary = Binary("accumulate", "accumulate", "", Target("cuda", "sm_90"), "", Kernel.params, "", 0, 0.0)
    return CudaBound(gpu, op, [binary], shared), y


def output(bound: CudaBound) -> np.ndarray:
    return bound._memory.view(bound._layout.outputs["y"]).host


def sets_of(bound: CudaBound) -> list[np.ndarray]:
    turning = bound._rotation
    assert turning is not None
    assert turning._sets is not None
    operand = bound._layout.outputs["y"]
    return [turning._sets.view_of(operand, number).host for number in range(turning.form.count - 1)]


@pytest.mark.parametrize(
    ("clock", "cache"),
    [("cupti", "cold"), ("cupti", "warm"), ("cupti", "sustained"), ("events", "cold"), ("events", "warm"),
     ("graph", "warm"), ("graph", "sustained"), ("host", "cold"), ("host", "warm")],
)  # fmt: skip
def test_an_op_from_its_arrays_to_samples_by_every_clock(gpu: Any, clock: str, cache: str) -> None:
    bound, _ = bound_on(gpu)
    bound.restore({"y": True})
    assert (output(bound).view(np.uint8) == 0xFB).all()
    bound.restore({})
    bound.run()
    assert (output(bound) == 3).all()
    batch = bound.sample(6, clock=clock, cache=cache)
    assert (batch.clock, batch.cache, len(batch.elapsed_s)) == (clock, cache, 6)
    if clock in ("cupti", "events"):
        assert batch.elapsed_s[0] - batch.correction_s == pytest.approx(8e-6, abs=6e-8)
    if cache == "cold":
        assert (output(bound) == 3 * 7).all()
    assert bound.occupancy() == 0.5
    bound.close()


def test_every_set_of_a_rotation_is_a_working_copy(gpu: Any) -> None:
    bound, _ = bound_on(gpu)
    batch = bound.sample(40, clock="cupti", cache="sustained")
    assert batch.sets == -(-3 * gpu.l2_bytes // (12 * N)) == 16
    assert batch.covered_bytes == 16 * 12 * N
    ran = [int(y[0]) // 3 for y in sets_of(bound)]
    assert all((y == y[0]).all() for y in sets_of(bound))
    assert set(ran) <= {2, 3}
    assert int(output(bound)[0]) // 3 + sum(ran) >= 41
    bound.sample(5, clock="graph", cache="sustained")


def test_ops_that_take_turns_in_the_arena_each_find_their_own(gpu: Any) -> None:
    (one, _), (two, _) = bound_on(gpu, n=12 * N), bound_on(gpu)
    for _ in range(2):
        for bound in (one, two):
            bound.sample(20, clock="cupti", cache="sustained")
            assert all((y == y[0]).all() and y[0] % 3 == 0 and y[0] > 0 for y in sets_of(bound))
    assert gpu.arena.generation == 2  # it grew for the second, and the sets of the first were made anew


def test_ops_that_share_memory_each_find_their_own(gpu: Any) -> None:
    pool = gpu.pool()
    (one, _), (two, _) = bound_on(gpu, pool), bound_on(gpu, pool)
    assert one._memory.buffers[0].address == two._memory.buffers[0].address
    one.run()
    one.sample(1, clock="events", cache="cold")
    assert (output(one) == 6).all()
    two.sample(3, clock="cupti", cache="cold")
    assert (output(two) == 3 * 4).all()  # one run to load the code, three samples, on contents of its own
    one.sample(1, clock="cupti", cache="cold")
    assert (output(one) == 3).all()
    assert one.memory_bytes() == 12 * N
    one.close()
    two.close()
    pool.close()


def test_what_a_kernel_overwrites_is_not_put_back_for_it(gpu: Any) -> None:
    pool = gpu.pool()
    (one, _), (two, _) = (bound_on(gpu, pool, poison=True) for _ in range(2))
    one.run()
    two.restore({})
    two.run()
    assert (output(two) == 3).all()
    one.run()
    assert (output(one) == 6).all(), "it adds to what another one left, which its declaration says it does not look at"
    one.restore({})
    assert (output(one) == 0).all()
    pool.close()


def test_a_bound_that_nobody_closes_keeps_no_memory_of_the_pool_alive(gpu: Any) -> None:
    pool = gpu.pool()
    bound, _ = bound_on(gpu, pool)
    bound.run()
    slots = list(bound._memory._slots)
    assert not any(slot.owner is bound or slot.owner is bound._memory for slot in slots)
    assert slots[0].owner is not None


def test_clocks_by_name_and_by_themselves(gpu: Any) -> None:
    bound, _ = bound_on(gpu)
    assert bound.clock("auto")[0] == "cupti"
    gpu.clocks.cupti.missing = "not there"
    assert bound.clock("auto", "warm") == ("events", "clock events: not there")
    assert bound.clock("auto", "sustained") == ("graph", "clock graph: not there")
    with pytest.raises(UsageError, match="not there"):
        bound.sample(1, clock="cupti", cache="cold")
