"""Which allocations an Op touches, and where in them each operand lies.

Specs hand over arrays that may be views of one another. A device copies each distinct allocation once and rebuilds
every operand at the same byte offset, so whatever aliased before still does. Copy lists may hold tens of thousands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kbench.errors import SpecError
from kbench.intent.op import Call, Copy, CopyBatch, HostArray, Launch, Op, Pointers, as_out
from kbench.machine.arguments import is_array


@dataclass(frozen=True, eq=False)
class Base:
    """One allocation: `nbytes` bytes of initial contents at `address`, kept alive by `owner`. host: a HostArray."""

    owner: Any
    address: int
    nbytes: int
    host: bool = False
    pinned: bool = False


@dataclass(frozen=True)
class Operand:
    """An array as a place in a base: `offset` and `strides` in bytes."""

    base: int
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    strides: tuple[int, ...]
    nbytes: int
    host: bool = False

    @property
    def words(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}], {self.nbytes} bytes"


@dataclass(frozen=True)
class Table:
    """Pointers(…): a table of the addresses of these operands."""

    operands: tuple[Operand, ...]


@dataclass(frozen=True, eq=False)
class Transfers:
    """The copies of one Copy or CopyBatch step, one row each (int64): where from, where to, how many bytes."""

    dst_base: np.ndarray[Any, Any]
    dst_offset: np.ndarray[Any, Any]
    src_base: np.ndarray[Any, Any]
    src_offset: np.ndarray[Any, Any]
    nbytes: np.ndarray[Any, Any]


Placed = tuple[Any, ...] | Transfers


@dataclass(frozen=True, eq=False)
class Layout:
    """bases: the distinct allocations. outputs: name -> Operand. steps: for a Launch or Call its args with each array
    replaced by its Operand and each Pointers by its Table (other values untouched), for copies their Transfers.
    scratch: what steps may change though it is no output."""

    bases: tuple[Base, ...]
    steps: tuple[Placed, ...]
    outputs: dict[str, Operand]
    scratch: tuple[Operand, ...] = ()


def layout(op: Op) -> Layout:
    """The layout of an Op. Raises SpecError for copies of unequal, gappy or overlapping arrays, memory given as both
    host and device memory, and an output or scratch array that no step touches."""
    finder = _Finder()
    for step in op.steps:
        finder.add_all(_arrays(step))
    touched = len(finder.roots)
    arrays = {name: as_out(value).array for name, value in op.outputs.items()}
    finder.add_all([*arrays.values(), *op.scratch])
    bases = tuple(finder.merge())
    steps = tuple(
        finder.transfers(s) if isinstance(s, (Copy, CopyBatch)) else finder.arguments(s.args) for s in op.steps
    )
    outputs = {name: finder.place(array) for name, array in arrays.items()}
    reached = finder.bases_of_first(touched)
    for name, operand in outputs.items():
        if operand.base not in reached:
            raise SpecError(f"output {name!r} is not an argument of any step (a copy of one, perhaps?)")
    scratch = tuple(map(finder.place, op.scratch))
    if any(operand.base not in reached for operand in scratch):
        raise SpecError("scratch names an array that is not an argument of any step (a copy of one, perhaps?)")
    return Layout(bases, steps, outputs, scratch)


def _arrays(step: Any) -> Iterable[Any]:
    if isinstance(step, Copy):
        return (step.dst, step.src)
    if isinstance(step, CopyBatch):
        return (operand for pair in step.pairs for operand in pair)
    assert isinstance(step, (Launch, Call))
    return (a for arg in step.args for a in (arg.arrays if isinstance(arg, Pointers) else (arg,)) if _is_memory(a))


def _is_memory(value: Any) -> bool:
    return isinstance(value, HostArray) or is_array(value)


def _address(array: Any) -> int:
    """Of NumPy arrays through their array interface, of CuPy's through the memory pointer."""
    if isinstance(array, np.ndarray):
        return int(array.__array_interface__["data"][0])
    return int(array.data.ptr)


def _root(array: Any) -> Any:
    kind = np.ndarray if isinstance(array, np.ndarray) else type(array)
    while isinstance(array.base, kind):
        array = array.base
    return array


def _extent(array: Any) -> tuple[int, int]:
    """First byte and one past the last byte that the array can reach (negative strides included)."""
    low = high = _address(array)
    if array.size == 0:
        return low, low
    for n, stride in zip(array.shape, array.strides, strict=True):
        low, high = (low + (n - 1) * stride, high) if stride < 0 else (low, high + (n - 1) * stride)
    return low, high + int(array.dtype.itemsize)


@dataclass
class _Group:
    low: int
    high: int
    members: list[int]


class _Finder:
    """Collects root arrays, then merges those whose memory overlaps (two arrays over one buffer) into bases."""

    def __init__(self) -> None:
        self.roots: dict[int, tuple[Any, bool, bool]] = {}
        self._base: dict[int, tuple[int, int]] = {}  # id of a root -> its base and the base's address

    def add_all(self, arrays: Iterable[Any]) -> None:
        for value in arrays:
            host = isinstance(value, HostArray)
            array = value.array if host else value
            if not is_array(array):
                raise SpecError(f"expected an array, got {type(value).__name__}")
            root = _root(array)
            self.roots.setdefault(id(root), (root, host, host and value.pinned))
            if self.roots[id(root)][1] != host:
                raise SpecError(
                    f"the same memory ({root.dtype}{list(root.shape)}) is given both as HostArray and as a plain array"
                )

    def merge(self) -> Iterable[Base]:
        entries = list(self.roots.items())
        spans = sorted((*_extent(root), order) for order, (_, (root, _, _)) in enumerate(entries))
        groups: list[_Group] = []
        for low, high, order in spans:
            if groups and low < groups[-1].high:
                groups[-1].high = max(groups[-1].high, high)
                groups[-1].members.append(order)
            else:
                groups.append(_Group(low, high, [order]))
        groups.sort(key=lambda g: min(g.members))  # in the order of first use: base 0 is the first argument's
        for index, group in enumerate(groups):
            used = [entries[m][1] for m in sorted(group.members)]
            if len({host for _, host, _ in used}) > 1:
                raise SpecError("the same memory is given both as HostArray and as a plain array")
            self._base.update((entries[m][0], (index, group.low)) for m in group.members)
            size, pinned = group.high - group.low, any(pinned for _, _, pinned in used)
            yield Base([root for root, _, _ in used], group.low, size, used[0][1], pinned)

    def bases_of_first(self, count: int) -> set[int]:
        return {self._base[key][0] for key in list(self.roots)[:count]}

    def place(self, value: Any) -> Operand:
        host = isinstance(value, HostArray)
        array = value.array if host else value
        base, start = self._base[id(_root(array))]
        offset = _address(array) - start if array.size else 0
        dtype = np.dtype(array.dtype)
        return Operand(base, offset, tuple(array.shape), dtype, tuple(array.strides), int(array.nbytes), host)

    def arguments(self, args: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(map(self._argument, args))

    def _argument(self, value: Any) -> Any:
        if isinstance(value, Pointers):
            return Table(tuple(map(self.place, value.arrays)))
        return self.place(value) if _is_memory(value) else value

    def transfers(self, step: Copy | CopyBatch) -> Transfers:
        pairs = ((step.dst, step.src),) if isinstance(step, Copy) else step.pairs
        rows = np.empty((len(pairs), 5), np.int64)
        for i, pair in enumerate(pairs):
            found = []
            for value in pair:
                array = value.array if isinstance(value, HostArray) else value
                if not array.flags.c_contiguous:
                    raise SpecError(f"copy {i}: an array with gaps (shape {array.shape}, strides {array.strides})")
                base, start = self._base[id(_root(array))]
                found += [base, _address(array) - start]
            if pair[0].nbytes != pair[1].nbytes:
                raise SpecError(f"copy {i}: destination has {pair[0].nbytes} bytes, source {pair[1].nbytes}")
            rows[i] = (*found, pair[0].nbytes)
        dst_base, dst_offset, src_base, src_offset, nbytes = np.ascontiguousarray(rows.T)
        overlap = np.flatnonzero((dst_base == src_base) & (abs(dst_offset - src_offset) < nbytes))
        if overlap.size:
            raise SpecError(f"copy {overlap[0]}: destination and source overlap")
        return Transfers(dst_base, dst_offset, src_base, src_offset, nbytes)
