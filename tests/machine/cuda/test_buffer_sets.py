"""Buffer sets and shared memory, with host memory in the place of a GPU's: what lies where, and whose it is."""

from __future__ import annotations

import ctypes
import sys
import types
from typing import Any

import numpy as np
import pytest

from kbench.intent.op import HostArray, Launch, Op
from kbench.machine.cuda.blocks import DeviceBlock
from kbench.machine.cuda.memory import CudaPool, GuardedMemory
from kbench.machine.cuda.rotation import Arena, ArenaSets, shape
from kbench.machine.layout import layout
from kbench.machine.pool import MemoryPool

STREAM = 3


class Pointer:
    """What cupy.cuda.alloc returns, over NumPy's memory."""

    def __init__(self, nbytes: int) -> None:
        self.storage = np.full(nbytes + 512, 0xEE, np.uint8)
        self.ptr = -(-self.storage.ctypes.data // 512) * 512


def copy_2d(dst: int, dst_pitch: int, src: int, src_pitch: int, width: int, height: int, *_: int) -> None:
    for row in range(height):
        ctypes.memmove(dst + row * dst_pitch, src + row * src_pitch, width)


@pytest.fixture(autouse=True)
def on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = types.SimpleNamespace(
        memcpyAsync=lambda dst, src, nbytes, kind, stream: ctypes.memmove(dst, src, nbytes),
        memcpy2DAsync=copy_2d, streamSynchronize=lambda stream: None, memcpyDefault=4, memcpyDeviceToDevice=3,
        memcpyHostToDevice=1, CUDARuntimeError=RuntimeError,
    )  # fmt: skip
    cuda: Any = types.ModuleType("cupy.cuda")
    cuda.runtime, cuda.alloc, cuda.driver = runtime, Pointer, types.SimpleNamespace(CUDADriverError=RuntimeError)
    cupy: Any = types.ModuleType("cupy")
    cupy.cuda = cuda
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupy.cuda", cuda)


def at(address: int, like: np.ndarray) -> np.ndarray:
    return np.frombuffer(ctypes.string_at(address, like.nbytes), like.dtype)


def memory_of(*arrays: Any, pool: CudaPool | None = None) -> GuardedMemory:
    given = [a.array if isinstance(a, HostArray) else a for a in arrays]
    op = Op(steps=(Launch(grid=1, block=1, args=arrays),), outputs={"y": (arrays[0], given[0])}, bytes_read=1)
    bases = []
    for base in layout(op).bases:
        fields = {f: getattr(base, f) for f in base.__dataclass_fields__}
        bases.append(type(base)(**(fields | {"owner": [object(), base.owner]})))  # not a NumPy array, as far as is seen
    made = pool or CudaPool(None, None, STREAM)  # type: ignore[arg-type]  # nothing page-locked, no guard kernels
    return GuardedMemory(bases, made, shared=pool is not None)


def test_every_set_holds_the_initial_contents_at_the_same_alignment() -> None:
    y, x = np.arange(700, dtype=np.float32), np.arange(333, dtype=np.int64)
    memory = memory_of(y, x)
    op = Op(steps=(Launch(grid=1, block=1, args=(y, x[5:9])),), outputs={"y": (y, y)}, bytes_read=1)
    _, view = layout(op).steps[0]  # type: ignore[misc]
    table = memory.table([view, view])
    sizes = {n: b.nbytes for n, b in enumerate(memory.buffers)}
    form = shape(sizes, 0, 6000, None)
    assert form.count == 4
    sets = ArenaSets(memory, form, Arena())
    sets.fill(STREAM)
    assert sets.current
    places = sets.each(view)
    assert len(set(places.tolist())) == sets.count == 3
    for number, place in enumerate(places.tolist()):
        assert place % 512 == memory.address(view) % 512
        assert np.array_equal(at(place, x[5:9]), x[5:9])
        addresses = at(int(sets.each(table)[number]), np.zeros(2, np.uint64))
        assert addresses.tolist() == [place, place]


def test_host_memory_is_the_same_for_all_sets() -> None:
    y, x = np.zeros(1024, np.float32), HostArray(np.ones(64), pinned=False)
    memory = memory_of(y, x)
    op = Op(steps=(Launch(grid=1, block=1, args=(y, x)),), outputs={"y": (y, y)}, bytes_read=1)
    _, operand = layout(op).steps[0]  # type: ignore[misc]
    sets = ArenaSets(memory, shape({0: 4096}, 0, 8192, None), Arena())
    assert set(sets.each(operand).tolist()) == {memory.address(operand)}


def test_an_arena_that_grew_is_another_and_its_sets_are_no_longer_in_it() -> None:
    arena, one, two = Arena(), memory_of(np.zeros(1024)), memory_of(np.ones(4096))
    small = ArenaSets(one, shape({0: 8192}, 0, 8192, None), arena)
    small.fill(STREAM)
    same = ArenaSets(one, shape({0: 8192}, 0, 8192, None), arena)
    assert small.generation == same.generation == arena.generation
    same.fill(STREAM)
    assert same.current
    assert not small.current
    ArenaSets(two, shape({0: 32768}, 0, 32768, None), arena)
    assert small.generation != arena.generation


def test_ops_of_a_pool_take_the_same_memory_and_find_their_own_contents() -> None:
    pool: CudaPool = CudaPool(None, None, STREAM)  # type: ignore[arg-type]
    x = np.arange(256, dtype=np.int32)
    one = memory_of(np.zeros(256, np.int32), x, pool=pool)
    two = memory_of(np.ones(256, np.int32), x, pool=pool)
    three = memory_of(np.ones(257, np.int32), x, pool=pool)
    assert [b.address for b in one.buffers] == [b.address for b in two.buffers]
    assert three.buffers[0].address not in [b.address for b in one.buffers]
    for memory in (one, two):
        memory.will_write({0})

    def output() -> np.ndarray:
        return at(one.buffers[0].address, x)

    one.regain()
    assert not output().any()
    ctypes.memset(one.buffers[0].address, 5, 16)  # what it computed
    one.regain()
    assert output()[0] == 0x05050505  # its own: nothing is put back
    two.regain()
    assert (output() == 1).all()
    ctypes.memset(one.buffers[0].address, 6, 16)
    one.regain()
    assert not output().any()  # initial contents: its own are gone
    assert np.array_equal(at(one.buffers[1].address, x), x)


def test_what_a_closed_op_left_is_nobodys_contents() -> None:
    pool: CudaPool = CudaPool(None, None, STREAM)  # type: ignore[arg-type]
    x = np.arange(64, dtype=np.int32)
    one = memory_of(x, pool=pool)
    one.regain()
    address = one.buffers[0].address
    one.close()
    x += 1  # other contents at an address that is known
    two = memory_of(x, pool=pool)
    two.regain()
    assert two.buffers[0].address == address
    assert np.array_equal(at(address, x), x)


def test_a_pool_keeps_its_blocks_and_gives_them_up_when_it_is_closed() -> None:
    closed: list[int] = []

    class Block:
        def __init__(self, number: int) -> None:
            self.number = number

        def close(self) -> None:
            closed.append(self.number)

    pool: MemoryPool[Block] = MemoryPool()
    numbers = iter(range(9))
    first, second = pool.taker(), pool.taker()
    taken = [first.take(kind, lambda: Block(next(numbers))).block.number for kind in ("a", "a", "b")]
    again = [second.take(kind, lambda: Block(next(numbers))).block.number for kind in ("b", "a", "a", "a")]
    assert (taken, again) == ([0, 1, 2], [2, 0, 1, 3])
    pool.close()
    assert sorted(closed) == [0, 1, 2, 3]


def test_device_blocks_are_aligned_behind_their_guards() -> None:
    block = DeviceBlock(1000)
    (before, length), (after, rest) = block.bands()
    assert block.address % 512 == 0
    assert (before + length, after) == (block.address, block.address + 1000)
    assert rest == 24 + length
