"""Buffer sets for back-to-back runs: copies of an Op's memory, so many that no run finds in L2 what it reads.

Set 0 is the Op's guarded memory, whose outputs are checked; the others lie side by side in an arena that all Ops of a
device use in turn. Host memory is not rotated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kbench.errors import ClockError
from kbench.machine.cuda.faults import faults
from kbench.machine.cuda.memory import GuardedMemory
from kbench.machine.layout import Operand

if TYPE_CHECKING:
    from kbench.machine.cuda.program import Program

MOST_SETS = 2048
L2S = 3
"""How many times the size of L2 a rotation is to cover."""
SHARE_OF_MEMORY = 8
"""An arena takes at most one 8th of the device's memory."""
_MOST_PITCH = 2**31 - 1  # what cudaMemcpy2D takes
_ALIGNMENT = 512  # as the blocks of guarded memory are aligned, so that every set has the same alignment


class Arena:
    """Device memory for buffer sets, allocated once it is needed and again when more is. `generation` changes with the
    address; `owner` is whose sets lie in it."""

    def __init__(self) -> None:
        self.generation = 0
        self.owner: Any = None
        self.memory: Any = None  # as CuPy memory
        self.nbytes = 0

    def reserve(self, nbytes: int) -> Any:
        """At least `nbytes`. Raises MemoryError."""
        import cupy

        if self.nbytes < nbytes:
            self.release()
            with faults(f"allocating {nbytes} bytes for buffer sets"):
                self.memory = cupy.cuda.alloc(nbytes)
            self.nbytes = nbytes
            self.generation += 1
        return self.memory

    def release(self) -> None:
        self.memory = self.owner = None
        self.nbytes = 0


@dataclass(frozen=True)
class Shape:
    """Where things lie in a rotation. offsets: of each device buffer in a set, by its number; touched: distinct bytes
    that one run touches, as far as is known; count: sets, set 0 included; stride: bytes from one set to the next."""

    offsets: dict[int, int]
    touched: int
    count: int
    stride: int

    @property
    def arena_bytes(self) -> int:
        return (self.count - 1) * self.stride


def shape(sizes: dict[int, int], traffic: int, l2_bytes: int, memory_bytes: int | None) -> Shape:
    """sizes: bytes of each device buffer; traffic: bytes that a run reads and writes (0: not known).

    A run touches no more than its buffers, and no more than its traffic: of a cache of a gigabyte perhaps a few blocks.
    Sets that are so small that even the most of them do not cover what they should are spread over as much memory.
    """
    offsets, end = {}, 0
    for buffer, nbytes in sizes.items():
        offsets[buffer] = end
        end += -(-nbytes // _ALIGNMENT) * _ALIGNMENT
    touched = max(1, min(sum(sizes.values()), traffic or sum(sizes.values())))
    wanted = L2S * l2_bytes
    stride = max(end, _ALIGNMENT)
    room = (memory_bytes or math.inf) / SHARE_OF_MEMORY
    count = max(1, min(MOST_SETS, -(-wanted // touched), 1 + int(min(room, 2**62)) // stride))
    if count == MOST_SETS and count * stride < wanted:
        stride = (
            wanted // count // _ALIGNMENT * _ALIGNMENT | _ALIGNMENT
        )  # odd multiples, so that all L2 slices take part
    return Shape(offsets, touched, count, stride)


def order(count: int, sets: int, at_least: int) -> list[int]:
    """The sets of consecutive runs: downwards, so that the last of them is set 0. As many as `count`, and `at_least`
    that many where there are more sets: a set must not come round before the others have driven it out of L2."""
    total = max(count, min(sets, at_least))
    return [number % sets for number in range(total - 1, -1, -1)]


class ArenaSets:
    """Sets 1, 2, … of one Op in the arena; implements kbench.machine.cuda.steps.Places for them."""

    def __init__(self, memory: GuardedMemory, form: Shape, arena: Arena) -> None:
        self._memory, self._form, self._arena = memory, form, arena
        self._first = int(arena.reserve(form.arena_bytes).ptr)
        self.generation = arena.generation
        self.count = form.count - 1

    def each(self, operand: Operand) -> np.ndarray[Any, Any]:
        offset = self._form.offsets.get(operand.base)
        if offset is None:  # host memory: the same for all sets
            return np.full(self.count, self._memory.address(operand), np.uint64)
        return np.uint64(self._first + offset + operand.offset) + np.arange(self.count, dtype=np.uint64) * np.uint64(
            self._form.stride
        )

    def view_of(self, operand: Operand, number: int) -> Any:
        import cupy

        offset = self._form.offsets.get(operand.base)
        if offset is None:
            return self._memory.view(operand)
        pointer = self._arena.memory + (number * self._form.stride + offset + operand.offset)
        return cupy.ndarray(operand.shape, dtype=operand.dtype, memptr=pointer, strides=operand.strides)

    def fill(self, stream: int) -> None:
        """Initial contents into every set, in stream order: into one, and from there twice as many each time."""
        from cupy.cuda import runtime

        first, stride, sources = self._first, self._form.stride, self._memory.sources()
        for buffer, offset in self._form.offsets.items():
            nbytes = self._memory.buffers[buffer].nbytes
            if nbytes:
                runtime.memcpyAsync(first + offset, sources[buffer], nbytes, runtime.memcpyDefault, stream)
        done = 1
        while done < self.count:
            more = min(done, self.count - done)
            runtime.memcpyAsync(first + done * stride, first, more * stride, runtime.memcpyDeviceToDevice, stream)
            done += more
        for buffer, operands in self._memory.tables.items():
            self._fill_table(buffer, operands, stream)
        self._arena.owner = self

    def _fill_table(self, buffer: int, operands: Sequence[Operand], stream: int) -> None:
        """The addresses of each set's own arrays. The source is kept until the copies have ended."""
        from cupy.cuda import runtime

        if not operands:
            return
        self._rows = np.ascontiguousarray(np.stack([self.each(operand) for operand in operands], axis=1))
        width = self._rows.shape[1] * 8
        if self._form.stride > _MOST_PITCH:
            for number, row in enumerate(self._rows):
                to = self._first + number * self._form.stride + self._form.offsets[buffer]
                runtime.memcpyAsync(to, row.ctypes.data, width, runtime.memcpyHostToDevice, stream)
            runtime.streamSynchronize(stream)
            return
        runtime.memcpy2DAsync(
            self._first + self._form.offsets[buffer], self._form.stride, self._rows.ctypes.data, width, width,
            self.count, runtime.memcpyHostToDevice, stream,
        )  # fmt: skip
        runtime.streamSynchronize(stream)

    @property
    def current(self) -> bool:
        """Whether the arena still is where these sets were made for, and still theirs."""
        return self._arena.generation == self.generation and self._arena.owner is self


class Rotation:
    """The programs of an Op on its buffer sets; `programs[0]` is the one that is checked."""

    def __init__(self, programs: Sequence[Program], form: Shape, sets: ArenaSets | None, stream: int) -> None:
        assert len(programs) == form.count
        self.programs, self.form, self._sets, self._stream = programs, form, sets, stream
        self._launched: set[int] = set()

    @property
    def usable(self) -> bool:
        return self._sets is None or self._sets.generation == self._sets._arena.generation

    def begin(self) -> None:
        """Before a batch: initial contents, where other sets were in the arena meanwhile. Nothing was launched yet."""
        self._launched = set()
        if self._sets is not None and not self._sets.current:
            self._sets.fill(self._stream)

    def submit(self, number: int) -> None:
        self.programs[number].submit()
        self._launched.add(number)

    def covered(self, expected: int) -> int:
        """Bytes of the sets that were launched on since `begin`. Raises ClockError unless they are `expected` sets: a
        rotation that stands still would measure L2."""
        if len(self._launched) != expected:
            raise ClockError(f"a rotation over {expected} buffer sets ran on {len(self._launched)} of them")
        return expected * self.form.touched
