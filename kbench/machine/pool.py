"""Guarded memory that the Bounds of one problem share: one block of a size for all of them, not one for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any, Generic, Protocol, TypeVar


class Block(Protocol):
    def close(self) -> None: ...


B = TypeVar("B", bound=Block)


class Slot(Generic[B]):
    """A block and whose contents are in it. `source`: the address of the initial contents that it holds unchanged, None
    once something may have written to it; `owner`: who wrote or restored it last."""

    def __init__(self, block: B) -> None:
        self.block = block
        self.source: int | None = None
        self.owner: Any = None

    def holds(self, owner: Any, source: int) -> bool:
        """Whether `owner` would find here what it left, or contents equal to its own initial ones."""
        return self.owner is owner or (self.source is not None and self.source == source)

    def restored(self, owner: Any, source: int) -> None:
        self.owner, self.source = owner, source

    def written(self, owner: Any) -> None:
        self.owner, self.source = owner, None

    def forget(self, owner: Any) -> None:
        """`owner` is gone, and its initial contents with it: their address may soon be something else's."""
        if self.owner is owner:
            self.owner = self.source = None


class MemoryPool(Generic[B]):
    """Implements kbench.machine.device.Pool: blocks by what they are (a kind and a size, say). The n-th array of a kind
    of one Op gets the same block as the n-th array of that kind of another."""

    def __init__(self) -> None:
        self._slots: dict[Hashable, list[Slot[B]]] = {}

    def taker(self) -> Taker[B]:
        """To be used for the arrays of one Op."""
        return Taker(self)

    def slot(self, kind: Hashable, index: int, make: Callable[[], B]) -> Slot[B]:
        slots = self._slots.setdefault(kind, [])
        if index == len(slots):
            slots.append(Slot(make()))
        return slots[index]

    def close(self) -> None:
        for slots in self._slots.values():
            for slot in slots:
                slot.block.close()
        self._slots = {}


class Taker(Generic[B]):
    def __init__(self, pool: MemoryPool[B]) -> None:
        self._pool = pool
        self._taken: Counter[Hashable] = Counter()

    def take(self, kind: Hashable, make: Callable[[], B]) -> Slot[B]:
        """The next block of a kind that this Op has not got yet; made where the pool has none left."""
        slot = self._pool.slot(kind, self._taken[kind], make)
        self._taken[kind] += 1
        return slot
