"""One step of an Op made ready: everything checked, converted and packed, so that running it is a single call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from kbench.errors import SpecError
from kbench.intent.op import Call, Copy, CopyBatch, Dim, HostArray, Launch, Step, dim3
from kbench.machine.arguments import check_arguments
from kbench.machine.binary import Binary
from kbench.machine.cuda import driver
from kbench.machine.cuda.kernel import DEFAULT_SHARED, LoadedKernel, Value
from kbench.machine.cuda.memory import GuardedMemory
from kbench.machine.layout import Operand, Table, Transfers

if TYPE_CHECKING:
    from kbench.machine.cuda.device import CudaDevice

_BLOCK_LIMIT: Dim = (1024, 1024, 64)
_GRID_LIMIT: Dim = (2**31 - 1, 65535, 65535)
_KINDS = {(False, False): 3, (False, True): 1, (True, False): 2, (True, True): 0}
"""cudaMemcpyKind by (destination is on the host, source is on the host)."""


@dataclass(frozen=True)
class Prepared:
    """`submit` enqueues the step. entries: how many places it takes in the launch queue, at most. unholdable: why it
    must not be queued behind a hold ("" if it may). launch: the kernel and block size, for occupancy."""

    submit: Callable[[], None]
    entries: int
    unholdable: str = ""
    launch: tuple[LoadedKernel, int, int] | None = None


class Places(Protocol):
    """Buffer sets with the same layout: `count` places for each operand."""

    @property
    def count(self) -> int: ...

    def each(self, operand: Operand) -> np.ndarray[Any, Any]:
        """The operand's address in each set, as uint64."""

    def view_of(self, operand: Operand, number: int) -> Any:
        """The operand in one set, as an array."""


class Preparer:
    """Makes the steps of one Op ready: for its guarded memory, or (`places`) for other buffer sets laid out like it.

    tables: where the address table of each Pointers lies, by its id: one table, however often it is passed. written:
    the buffers that the steps may write to.
    """

    def __init__(
        self, device: CudaDevice, memory: GuardedMemory, places: Places | None = None,
        tables: dict[int, Operand] | None = None,
    ) -> None:  # fmt: skip
        self._device = device
        self._memory = memory
        self._places: Places = places or memory
        self.tables: dict[int, Operand] = {} if tables is None else tables
        self.written: set[int] = set()

    def prepare(self, step: Step, placed: Any, binary: Binary | None, stream: Any) -> list[Prepared]:
        """For each set. Raises SpecError where a step does not fit its kernel or this GPU."""
        match step:
            case Launch():
                if binary is None:
                    raise SpecError("a Launch without a compiled kernel")
                return self._launch(step, placed, binary, stream)
            case Copy():
                return self._copy(placed, stream.ptr)
            case CopyBatch():
                return self._batch(placed, stream.ptr)
            case Call():
                return self._call(step, placed, stream)

    def table(self, pointers: Any, table: Table) -> Operand:
        if id(pointers) not in self.tables:
            self.tables[id(pointers)] = self._memory.table(table.operands)
        return self.tables[id(pointers)]

    def _launch(self, step: Launch, placed: Sequence[Any], binary: Binary, stream: Any) -> list[Prepared]:
        kernel = self._device.kernel(binary)
        ready = check_arguments(kernel.entry, kernel.params, step.args)
        values = [self._value(kernel, *each) for each in zip(range(len(ready)), step.args, placed, ready, strict=True)]
        grid, block = dim3(step.grid), dim3(step.block)
        cluster = dim3(step.cluster) if step.cluster is not None else None
        self._check_shape(kernel, grid, block, cluster)
        if step.shared_bytes + kernel.static_shared > DEFAULT_SHARED:
            kernel.allow_shared(step.shared_bytes, self._device.shared_bytes_per_block)
        calls = kernel.prepare(grid, block, values, stream.ptr, step.shared_bytes, cluster, self._places.count)
        launch = (kernel, block[0] * block[1] * block[2], step.shared_bytes)
        return [Prepared(call, 1, launch=launch) for call in calls]

    def _value(self, kernel: LoadedKernel, index: int, given: Any, placed: Any, ready: Any) -> Value:
        where = f"{kernel.entry}: argument {index}"
        if isinstance(placed, Table):
            for operand in placed.operands:
                self._must_be_visible(operand, where)
                self.written.add(operand.base)
            return self._places.each(self.table(given, placed))
        if isinstance(placed, Operand):
            self._must_be_visible(placed, where)
            if kernel.params[index].kind != "const":
                self.written.add(placed.base)
            return self._places.each(placed)
        assert isinstance(ready, np.generic)
        return ready

    def _must_be_visible(self, operand: Operand, where: str) -> None:
        if self._memory.buffers[operand.base].pageable and not self._device.reads_pageable:
            raise SpecError(f"{where} is pageable host memory, which this GPU cannot address: kbench.host(pinned=True)")

    def _check_shape(self, kernel: LoadedKernel, grid: Dim, block: Dim, cluster: Dim | None) -> None:
        threads = block[0] * block[1] * block[2]
        if threads > kernel.max_threads or any(b > limit for b, limit in zip(block, _BLOCK_LIMIT, strict=True)):
            raise SpecError(
                f"{kernel.entry}: a block of {block} has {threads} threads, it can have {kernel.max_threads}"
            )
        if any(g > limit for g, limit in zip(grid, _GRID_LIMIT, strict=True)):
            raise SpecError(f"{kernel.entry}: a grid of {grid} is larger than {_GRID_LIMIT}")
        if cluster is None:
            return
        if not self._device.has_clusters:
            raise SpecError(f"{kernel.entry}: thread-block clusters need compute capability 9.0 and CUDA 12")
        if any(g % c for g, c in zip(grid, cluster, strict=True)):
            raise SpecError(f"{kernel.entry}: a grid of {grid} is no multiple of the cluster {cluster}")
        if cluster[0] * cluster[1] * cluster[2] > 8:
            driver.allow_large_clusters(kernel.function)

    def _copy(self, rows: Transfers, stream: int) -> list[Prepared]:
        from cupy.cuda import runtime

        to, of = (self._memory.buffers[int(base[0])] for base in (rows.dst_base, rows.src_base))
        kind, nbytes, memcpy = _KINDS[to.host, of.host], int(rows.nbytes[0]), runtime.memcpyAsync
        pageable = to.pageable or of.pageable
        self.written.add(int(rows.dst_base[0]))

        def one(dst: int, src: int) -> Prepared:
            def submit() -> None:
                memcpy(dst, src, nbytes, kind, stream)

            return Prepared(submit, 2, "a copy of pageable memory makes the host wait" if pageable else "")

        return [one(int(d[0]), int(s[0])) for d, s in zip(*self._ends(rows), strict=True)]

    def _batch(self, rows: Transfers, stream: int) -> list[Prepared]:
        some = rows.nbytes > 0  # the driver refuses empty copies
        buffers = np.unique(np.concatenate([rows.dst_base, rows.src_base])).tolist()
        pageable = any(self._memory.buffers[base].pageable for base in buffers)
        why = "a copy of pageable memory makes the host wait" if pageable else ""
        self.written |= set(rows.dst_base.tolist())
        found = []
        for dst, src in zip(*self._ends(rows), strict=True):
            submit = driver.batch_copy(dst[some], src[some], rows.nbytes[some], stream)
            if submit is None:
                raise SpecError("CopyBatch needs a driver of CUDA 12.8 (570) or later")
            found.append(Prepared(submit, 2 * int(some.sum()), why))
        return found

    def _ends(self, rows: Transfers) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """(destinations, sources) of all copies, a row for each set."""
        starts = np.stack([self._places.each(_whole(base)) for base in range(len(self._memory.buffers))], axis=1)
        dst: np.ndarray[Any, Any] = starts[:, rows.dst_base] + rows.dst_offset.astype(np.uint64)
        src: np.ndarray[Any, Any] = starts[:, rows.src_base] + rows.src_offset.astype(np.uint64)
        return dst, src

    def _call(self, step: Call, placed: Sequence[Any], stream: Any) -> list[Prepared]:
        self.written |= {o.base for value in placed for o in getattr(value, "operands", (value,)) if _is_operand(o)}
        return [self._call_on(step, placed, stream, number) for number in range(self._places.count)]

    def _call_on(self, step: Call, placed: Sequence[Any], stream: Any, number: int) -> Prepared:
        args = tuple(self._substitute(given, value, number) for given, value in zip(step.args, placed, strict=True))
        function, main = step.function, self._device.stream(0)

        def submit() -> None:
            # Not `with stream`: leaving that makes CuPy's legacy stream current, not the one that use() chose.
            stream.use()
            try:
                function(*args)
            finally:
                main.use()

        if step.entries is not None:
            return Prepared(submit, step.entries)
        return Prepared(submit, 0, "a library call may wait for the GPU itself")

    def _substitute(self, given: Any, placed: Any, number: int) -> Any:
        if isinstance(placed, Table):
            return self._places.view_of(self.table(given, placed), number)
        if isinstance(placed, Operand):
            view = self._places.view_of(placed, number)
            return HostArray(view, given.pinned) if placed.host else view
        return given


def _is_operand(value: Any) -> bool:
    return isinstance(value, Operand)


def _whole(base: int) -> Operand:
    """The start of a base."""
    return Operand(base, 0, (), np.dtype(np.uint8), (), 0)
