"""An Op bound to the cpu device: guarded copies of its memory, its steps ready to run, its outputs checked and read."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kbench.errors import DeviceError, SpecError, UsageError
from kbench.intent.op import Call, HostArray, Launch, Op, dim3
from kbench.machine.arguments import check_arguments
from kbench.machine.binary import Binary
from kbench.machine.cpu.clock import HostClock
from kbench.machine.cpu.launch import Conditions, Library, PreparedLaunch
from kbench.machine.cpu.memory import Region, Watched
from kbench.machine.cpu.names import names_in, names_of
from kbench.machine.cpu.traced import traced
from kbench.machine.device import POISON, Batch
from kbench.machine.kept import changed
from kbench.machine.layout import Layout, Operand, Table, Transfers, layout
from kbench.machine.pool import MemoryPool, Slot
from kbench.machine.span import Trace

Run = Callable[[], int | None]
"""One step: runs and waits; returns the nanoseconds that the native side measured, None where it does not."""


@dataclass(frozen=True, eq=False)
class _AddressTable:
    region: Region
    name: str
    addresses: np.ndarray[Any, Any]

    def fill(self) -> None:
        ctypes.memmove(self.region.address, self.addresses.ctypes.data, self.addresses.nbytes)


class CpuBound:
    """Implements kbench.machine.device.Bound."""

    def __init__(
        self, op: Op, binaries: Sequence[Binary | None], conditions: Conditions, place: str, clock: HostClock,
        shared: MemoryPool[Region] | None = None,
    ) -> None:  # fmt: skip
        if place not in ("end", "start"):
            raise UsageError(f'arrays are placed at the "end" or the "start" of a guarded region, not at {place!r}')
        if len(binaries) != len(op.steps):
            raise SpecError(f"{len(op.steps)} steps but {len(binaries)} binaries")
        self._conditions, self._clock = conditions, clock
        self._op, self._binaries = op, binaries
        self._layout: Layout = layout(op)
        self._pool: MemoryPool[Region] = shared or MemoryPool()
        self._shared, self._taker = shared is not None, self._pool.taker()
        self._owner = object()  # whose contents are in a slot; not self, which would keep itself alive through it
        self._slots = [self._region(base.nbytes, place) for base in self._layout.bases]
        self._regions = [slot.block for slot in self._slots]
        self._names = names_of(self._layout)
        self._tables: dict[int, _AddressTable] = {}
        self._libraries: list[Library] = []
        self._written: set[int] = set()
        self._runs = [
            self._bind(step, placed, binary, place)
            for step, placed, binary in zip(op.steps, self._layout.steps, binaries, strict=True)
        ]

    def _region(self, nbytes: int, place: str) -> Slot[Region]:
        return self._taker.take((nbytes, place), lambda: Region(nbytes, place))

    # ------------------------------------------------------------ steps
    def _bind(self, step: Any, placed: Any, binary: Binary | None, place: str) -> Run:
        if isinstance(placed, Transfers):
            return self._bind_copies(placed)
        if isinstance(step, Call):
            return self._bind_call(step, placed, place)
        if binary is None:
            raise SpecError("a Launch step needs a compiled kernel")
        return self._bind_launch(step, placed, binary, place)

    def _bind_launch(self, step: Launch, placed: tuple[Any, ...], binary: Binary, place: str) -> Run:
        if binary.target.device != "cpu" or binary.target.arch not in ("fast", "check"):
            raise DeviceError(f"the cpu device runs fast and check builds in process, not {binary.target.arch}")
        if step.cluster is not None and dim3(step.cluster) != (1, 1, 1):
            raise UsageError("the cpu device has no thread block clusters")
        values = check_arguments(binary.entry, binary.params, step.args)
        reached: dict[int, bool] = {}  # base -> may be written
        arguments, watched = [], []
        for param, value, where in zip(binary.params, values, placed, strict=True):
            if isinstance(where, Operand):
                reached[where.base] = reached.get(where.base, False) or param.kind != "const"
                arguments.append(np.uint64(self._address(where)))
            elif isinstance(where, Table):
                reached.update((operand.base, True) for operand in where.operands)
                table = self._table(value, where, f"argument {len(arguments)}", place)
                watched.append(Watched(table.region, table.name))
                arguments.append(np.uint64(table.region.address))
            else:
                arguments.append(value)
        self._written |= {base for base, writable in reached.items() if writable}
        watched += [Watched(self._regions[b], name) for b, name in names_in(self._layout, placed).items()]
        self._libraries.append(Library(binary))
        prepared = PreparedLaunch(
            self._libraries[-1], grid=dim3(step.grid), block=dim3(step.block), shared_bytes=step.shared_bytes,
            arguments=[a.tobytes() for a in arguments], conditions=self._conditions, watched=watched,
            read_only=[self._regions[base] for base, writable in reached.items() if not writable],
        )  # fmt: skip
        return prepared.run

    def _bind_copies(self, rows: Transfers) -> Run:
        starts = np.array([region.address for region in self._regions], np.uint64)
        dst = starts[rows.dst_base] + rows.dst_offset.astype(np.uint64)
        src = starts[rows.src_base] + rows.src_offset.astype(np.uint64)
        size = rows.nbytes.astype(np.uint64)
        self._written |= set(rows.dst_base.tolist())
        library = self._clock.empty
        return lambda: int(library.copies(len(dst), dst.ctypes.data, src.ctypes.data, size.ctypes.data))

    def _bind_call(self, step: Call, placed: tuple[Any, ...], place: str) -> Run:
        args: list[Any] = []
        for value, where in zip(step.args, placed, strict=True):
            if isinstance(where, Operand):
                self._written.add(where.base)
                view = self._view(where)
                args.append(HostArray(view, value.pinned) if isinstance(value, HostArray) else view)
            elif isinstance(where, Table):
                self._written |= {operand.base for operand in where.operands}
                table = self._table(value, where, f"argument {len(args)}", place)
                args.append(table.region.view(table.addresses.shape, np.uint64))
            else:
                args.append(value)

        def call() -> None:
            step.function(*args)

        return call

    def _address(self, operand: Operand) -> int:
        return self._regions[operand.base].address + operand.offset

    def _table(self, pointers: Any, table: Table, name: str, place: str) -> _AddressTable:
        """The addresses of Pointers(…) in memory; one table however often they are given."""
        if id(pointers) not in self._tables:
            addresses = np.array([self._address(operand) for operand in table.operands], np.uint64)
            words = f"{name} (Pointers, {len(addresses)} addresses)"
            made = _AddressTable(self._region(addresses.nbytes, place).block, words, addresses)
            made.fill()
            self._tables[id(pointers)] = made
        return self._tables[id(pointers)]

    def _view(self, operand: Operand) -> Any:
        return self._regions[operand.base].view(operand.shape, operand.dtype, operand.offset, operand.strides)

    # ------------------------------------------------------------ Bound
    def trace(self) -> Trace:
        self._regain()
        return traced(self._runs, self._op.steps, self._layout, self._binaries)

    def restore(self, poison: Mapping[str, Any]) -> None:
        for region in self._regions:
            region.renew()
        for slot, base in zip(self._slots, self._layout.bases, strict=True):
            if slot.source != base.address:
                ctypes.memmove(slot.block.address, base.address, base.nbytes)
            slot.restored(self._owner, base.address)
        self._fill_tables()
        for name, what in poison.items():
            operand = self._layout.outputs[name]
            _poison(self._view(operand), what)
            self._slots[operand.base].written(self._owner)

    def run(self) -> None:
        self._regain()
        for run in self._runs:
            run()

    def _regain(self) -> None:
        """Initial contents where another Bound of the pool has had the memory since; the steps will write to some."""
        for index, (slot, base) in enumerate(zip(self._slots, self._layout.bases, strict=True)):
            if not slot.holds(self._owner, base.address):
                ctypes.memmove(slot.block.address, base.address, base.nbytes)
                slot.restored(self._owner, base.address)
            if index in self._written:
                slot.written(self._owner)
        if self._shared:
            self._fill_tables()

    def _fill_tables(self) -> None:
        for table in self._tables.values():
            table.region.renew()
            table.fill()

    def read(self, output: str) -> Any:
        return self._view(self._layout.outputs[output]).copy()

    def damaged(self) -> str | None:
        named = [(region, self._names[index]) for index, region in enumerate(self._regions)]
        for region, name in [*named, *((table.region, table.name) for table in self._tables.values())]:
            offset = region.damage()
            if offset is not None:
                return f"{name}: memory around it was overwritten, at byte offset {offset}"
        return None

    def changed(self) -> str | None:
        return changed(self._layout, self._first_changed)

    def _first_changed(self, base: int, start: int, stop: int) -> int | None:
        if base not in self._written:
            return None  # it was read-only all along
        now = self._regions[base].view((stop - start,), np.uint8, start)
        initial: Any = (ctypes.c_ubyte * (stop - start)).from_address(self._layout.bases[base].address + start)
        bad = np.flatnonzero(now != np.frombuffer(initial, np.uint8))
        return start + int(bad[0]) if bad.size else None

    def sample(self, count: int, *, clock: str, cache: str) -> Batch:
        self.clock(clock, cache)
        self._regain()
        return self._clock.sample(self._runs, count, cache, self._conditions)

    def clock(self, asked: str, cache: str = "cold") -> tuple[str, str]:
        return self._clock.choose(asked, cache)

    def energy_j(self, least_s: float) -> None:
        return None

    def memory_bytes(self) -> int | None:
        return sum(base.nbytes for base in self._layout.bases)

    def occupancy(self) -> float | None:
        return None

    def registers(self) -> int | None:
        return None

    def close(self) -> None:
        self._runs = []
        for library in self._libraries:
            library.close()
        for slot in self._slots:
            slot.forget(self._owner)
        if not self._shared:
            self._pool.close()
        self._libraries, self._slots, self._regions, self._tables = [], [], [], {}


def _poison(view: Any, what: Any) -> None:
    """Fill an array, or its elements of the flat indices `what`, with POISON bytes."""
    if what is False or view.size == 0:
        return
    if what is True and view.flags.c_contiguous:
        ctypes.memset(view.ctypes.data, POISON, view.nbytes)
        return
    if view.itemsize in (1, 2, 4, 8):  # as bits: assigning a bool or a NaN may change them
        view = view.view(f"u{view.itemsize}")
    value = np.frombuffer(bytes([POISON]) * view.itemsize, view.dtype)[0]
    view[... if what is True else np.unravel_index(np.asarray(what), view.shape)] = value
