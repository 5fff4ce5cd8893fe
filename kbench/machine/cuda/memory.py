"""Memory of an Op on a GPU: every distinct allocation copied into a guarded block of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kbench.errors import SpecError
from kbench.machine.cuda.blocks import GUARD, DeviceBlock, HostBlock, PinnedPool
from kbench.machine.layout import Base, Operand
from kbench.machine.pool import MemoryPool, Slot

if TYPE_CHECKING:
    from kbench.machine.cuda.instruments import Instruments

Block = DeviceBlock | HostBlock


@dataclass(frozen=True)
class Damage:
    """Guard bytes of a buffer that were overwritten: `first` and `last` are byte offsets from the array's start if they
    lie `before` it (negative), else from its end."""

    buffer: int
    before: bool
    first: int
    last: int


class CudaPool(MemoryPool[Block]):
    """Blocks for the Ops of one problem, and what checks the guard bands of those that belong together."""

    def __init__(self, pinned: PinnedPool, instruments: Instruments, stream: int) -> None:
        super().__init__()
        self.pinned, self.stream = pinned, stream
        self._instruments = instruments
        self._guards: dict[tuple[tuple[int, tuple[int, int]], ...], DeviceGuards] = {}

    def guards(self, bands: tuple[tuple[int, tuple[int, int]], ...]) -> DeviceGuards:
        if bands not in self._guards:
            self._guards[bands] = DeviceGuards(bands, self._instruments, self.stream)
        return self._guards[bands]

    def close(self) -> None:
        self._guards = {}
        super().close()


class GuardedMemory:
    """The blocks of one Op: one for each base of its layout, then one for each table of addresses. They come from
    `pool`, which is closed with this memory unless it is `shared` with other Ops."""

    def __init__(self, bases: Sequence[Base], pool: CudaPool, *, shared: bool) -> None:
        self.buffers: list[Block] = []
        self.tables: dict[int, tuple[Operand, ...]] = {}  # what the addresses in a buffer are those of
        self._pool, self._shared, self._taker = pool, shared, pool.taker()
        self._slots: list[Slot[Block]] = []
        self._owner = object()  # whose contents are in a slot; not self, which would keep itself alive through it
        self._sources: list[tuple[int, Any]] = []  # address of the initial contents, and what keeps them alive
        self._written: set[int] = set()
        self._overwritten: set[int] = set()
        try:
            for base in bases:
                self._add(base)
        except BaseException:
            self.close()
            raise

    def _add(self, base: Base) -> None:
        if not base.host and any(isinstance(root, np.ndarray) for root in base.owner):
            shape, dtype = base.owner[0].shape, base.owner[0].dtype
            raise SpecError(f"{dtype}{list(shape)} is a NumPy array: make it with xp, or with kbench.host")
        pinned = self._pool.pinned if base.pinned else None

        def make() -> Block:
            return HostBlock(base.nbytes, pinned) if base.host else DeviceBlock(base.nbytes)

        self._take(("host" if base.host else "device", base.pinned, base.nbytes), make, base.address, base.owner)

    def _take(self, kind: tuple[Any, ...], make: Any, source: int, owner: Any) -> None:
        slot = self._taker.take(kind, make)
        self._slots.append(slot)
        self._sources.append((source, owner))
        self.buffers.append(slot.block)

    def address(self, operand: Operand) -> int:
        return self.buffers[operand.base].address + operand.offset

    @property
    def count(self) -> int:
        """One buffer set. `count`, `each` and `view_of` are kbench.machine.cuda.steps.Places."""
        return 1

    def each(self, operand: Operand) -> np.ndarray[Any, Any]:
        return np.array([self.address(operand)], np.uint64)

    def view_of(self, operand: Operand, number: int) -> Any:
        return self.view(operand)

    def view(self, operand: Operand) -> Any:
        return self.buffers[operand.base].view(operand)

    def sources(self) -> list[int]:
        """Where the initial contents of each buffer lie."""
        return [source for source, _ in self._sources]

    def table(self, operands: Sequence[Operand]) -> Operand:
        """A guarded device array with the addresses of these operands."""
        entries = np.array([self.address(operand) for operand in operands], np.uint64)
        kind = ("table", False, entries.nbytes)
        self._take(kind, lambda: DeviceBlock(entries.nbytes), int(entries.ctypes.data), entries)
        last = len(self.buffers) - 1
        self.tables[last] = tuple(operands)
        return Operand(last, 0, entries.shape, entries.dtype, entries.strides, entries.nbytes)

    def will_write(self, buffers: set[int], overwritten: Collection[int] = ()) -> None:
        """What the steps may write to; all else still holds its initial contents after a run. overwritten: buffers
        whose contents before a run are of no consequence."""
        self._written |= buffers
        self._overwritten |= set(overwritten)

    def restore(self, but: Collection[int] = ()) -> None:
        """All contents and all guard bands as they were in the beginning; `but` are buffers to leave as they are."""
        for index, (slot, (source, _)) in enumerate(zip(self._slots, self._sources, strict=True)):
            if index in but:
                slot.written(self._owner)
                continue
            slot.block.fill(source, self._pool.stream)
            slot.restored(self._owner, source)
        self._device_guards().fill()

    def regain(self) -> None:
        """Before a run, after which it has been written to: put back what another Op of the pool has changed since."""
        for index, (slot, (source, _)) in enumerate(zip(self._slots, self._sources, strict=True)):
            if index not in self._overwritten and not slot.holds(self._owner, source):
                slot.block.fill(source, self._pool.stream)
                slot.restored(self._owner, source)
        for index in self._written:
            self._slots[index].written(self._owner)

    def wrote(self, buffer: int) -> None:
        """A poisoned buffer no longer holds what another Op could take for its own initial contents."""
        self._slots[buffer].written(self._owner)

    def damage(self) -> Damage | None:
        """The first buffer, in the order of use, with damaged guard bytes."""
        on_device = self._device_guards().overwritten()
        for index, buffer in enumerate(self.buffers):
            found = buffer.overwritten() if isinstance(buffer, HostBlock) else on_device.get(index)
            if found is not None:
                before, low, high = found
                shift = GUARD if before else 0
                return Damage(index, before, low - shift, high - shift)
        return None

    def close(self) -> None:
        for slot in self._slots:
            slot.forget(self._owner)
        if not self._shared:
            self._pool.close()
        self._slots, self._sources = [], []
        self.buffers.clear()

    def _device_guards(self) -> DeviceGuards:
        bands = tuple((i, band) for i, b in enumerate(self.buffers) if not b.host for band in b.bands())
        return self._pool.guards(bands)


class DeviceGuards:
    """The guard bands of all device buffers, filled and checked by one small kernel each."""

    def __init__(self, bands: Sequence[tuple[int, tuple[int, int]]], instruments: Instruments, stream: int) -> None:
        import cupy

        self._owners = [index for index, _ in bands]
        self._stream = stream
        if not bands:
            return
        self._bands = cupy.asarray(np.array([band for _, band in bands], np.uint64))
        self._intact = cupy.asarray(np.array([(2**64 - 1, 0)] * len(bands), np.uint64))
        self._damage = cupy.empty_like(self._intact)
        grid, table, damage = (len(bands), 1, 1), int(self._bands.data.ptr), int(self._damage.data.ptr)
        self._fill = instruments.fill_bands.prepare(grid, (256, 1, 1), [table], stream)[0]
        self._check = instruments.check_bands.prepare(grid, (256, 1, 1), [table, damage], stream)[0]

    def fill(self) -> None:
        if self._owners:
            self._fill()

    def overwritten(self) -> dict[int, tuple[bool, int, int]]:
        """Of each damaged buffer: (before, lowest, highest index in the band)."""
        if not self._owners:
            return {}
        self._damage.data.copy_from_device_async(self._intact.data, self._intact.nbytes)
        self._check()
        found: dict[int, tuple[bool, int, int]] = {}
        for band, (low, high) in enumerate(self._damage.get().tolist()):
            if low <= high:
                found.setdefault(self._owners[band], (band % 2 == 0, low, high))
        return found
