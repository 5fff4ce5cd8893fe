"""What one configuration does: steps, the arrays they touch, what they must produce and the bytes they owe.

A spec returns one of these. Arrays in steps are *initial values*: a device copies them into memory of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import index
from typing import Any

from kbench.errors import SpecError

Dim = tuple[int, int, int]


class Skip(Exception):
    """Raised by a spec: this configuration makes no sense, and the reason why."""


def dim3(value: int | Sequence[int]) -> Dim:
    """(x, y, z) of a grid or block given as an int or a sequence of one to three ints, each at least 1."""
    try:
        values = tuple(index(v) for v in value) if isinstance(value, Sequence) else (index(value),)
    except TypeError:
        values = ()
    if not 1 <= len(values) <= 3 or min(values) < 1:
        raise SpecError(f"grid and block are one to three positive integers, got {value!r}")
    x, y, z = (*values, 1, 1)[:3]
    return x, y, z


def whole(name: str, value: Any) -> int:
    """A count as an int. Raises SpecError for what is no whole number from 0 on, or too large to be stored."""
    try:
        number = int(value) if isinstance(value, float) and value.is_integer() else index(value)
    except TypeError:
        raise SpecError(f"{name} is a whole number, got {value!r}") from None
    if not 0 <= number < 2**62:
        raise SpecError(f"{name} is {number}: a count goes from 0 to 2^62")
    return number


@dataclass(frozen=True, eq=False)
class Out:
    """An array that an Op must produce.

    reference: the expected array, or a callable of nothing, or of one argument named `before` (a copy of the array's
        contents before the launch, for kernels that work in place). Evaluated once per problem.
    exact: compare bits (NaNs by payload too) instead of values.
    rtol, atol: override the dtype's default tolerance.
    poison: True fills the whole array before a checked launch; False keeps its initial contents (restored before every
        checked launch); an index array (flat, int64) poisons those elements only.
    dtype: the logical type where it is not the array's own ("float8_e4m3fn" for fp8 codes stored as uint8).
    """

    array: Any
    reference: Any
    exact: bool = False
    rtol: float | None = None
    atol: float | None = None
    poison: Any = True
    dtype: str | None = None


@dataclass(frozen=True, eq=False)
class Pointers:
    """A device array of 64-bit addresses, one for each array; rebuilt for every buffer set."""

    arrays: Sequence[Any]


@dataclass(frozen=True, eq=False)
class HostArray:
    """Host memory as a kernel or copy operand; `array` is a NumPy array, page-locked and device-visible if pinned.

    Indexing gives a view of the same memory: HostArray(base.array[i], base.pinned, base.base).
    """

    array: Any
    pinned: bool = True

    def __getitem__(self, index: Any) -> HostArray:
        return HostArray(self.array[index], self.pinned)

    @property
    def nbytes(self) -> int:
        return int(self.array.nbytes)


@dataclass(frozen=True, eq=False, kw_only=True)
class Launch:
    """One kernel launch. `entry` is a C++ name expression (default: the kernel's own).

    grid, block: ints or up to three of them. shared_bytes: dynamic shared memory. cluster: blocks per cluster.
    stream: index of the stream it runs on; after: indices of steps on other streams that must end first.
    outputs, scratch and the byte counts are given here when the launch is the whole Op (see Op).
    """

    grid: int | Sequence[int]
    block: int | Sequence[int]
    args: Sequence[Any]
    entry: str | None = None
    shared_bytes: int = 0
    cluster: int | Sequence[int] | None = None
    stream: int = 0
    after: Sequence[int] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)
    scratch: Sequence[Any] = ()
    bytes_read: int = 0
    bytes_written: int = 0
    sectors_read: int | None = None
    sectors_written: int | None = None
    bytes_h2d: int = 0
    bytes_d2h: int = 0
    flops: int = 0
    formula: str = ""
    items: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Copy:
    """One asynchronous memory copy (cudaMemcpyAsync; memcpy on the cpu) of equally sized contiguous arrays."""

    dst: Any
    src: Any
    stream: int = 0
    after: Sequence[int] = ()


@dataclass(frozen=True, eq=False)
class CopyBatch:
    """Many copies in one call (cudaMemcpyBatchAsync; a loop of memcpy on the cpu): pairs of (dst, src)."""

    pairs: Sequence[tuple[Any, Any]]
    stream: int = 0
    after: Sequence[int] = ()


@dataclass(frozen=True, eq=False)
class Call:
    """A library call as a baseline: function(*args) with kbench's own arrays in place of the initial values.

    entries: how many launches, copies and fills it enqueues at most. With it the call is timed like a kernel, behind a
    hold, and so must never wait for the GPU; without it (None) gaps that the host leaves are in its time.
    """

    function: Callable[..., Any]
    args: Sequence[Any] = ()
    stream: int = 0
    after: Sequence[int] = ()
    entries: int | None = None


Step = Launch | Copy | CopyBatch | Call


@dataclass(frozen=True, eq=False, kw_only=True)
class Op:
    """One or more steps timed as a whole, from the first start to the last end.

    outputs: what it must produce, and all that it may change but for scratch: arrays for intermediate values (a staging
    buffer, a workspace), whose contents nobody checks. Every other array must be as it was after a checked launch.
    bytes_read, bytes_written: useful device bytes, each distinct byte once. sectors_read, sectors_written: bytes in
    whole
    32-byte sectors (default: the useful bytes rounded up). bytes_h2d, bytes_d2h: over the host link, one way each.
    items: what it handles, for rates ({"tokens": 4096}). formula: the byte count in words, evaluated by a test.
    """

    steps: Sequence[Step]
    outputs: Mapping[str, Any]
    scratch: Sequence[Any] = ()
    bytes_read: int = 0
    bytes_written: int = 0
    sectors_read: int | None = None
    sectors_written: int | None = None
    bytes_h2d: int = 0
    bytes_d2h: int = 0
    flops: int = 0
    formula: str = ""
    items: Mapping[str, int] = field(default_factory=dict)


def as_op(value: Any) -> Op:
    """The Op of what a spec returned; a bare Launch is a one-step Op. Raises SpecError for anything else."""
    if isinstance(value, Launch):
        value = Op(
            steps=(value,), outputs=value.outputs, bytes_read=value.bytes_read, bytes_written=value.bytes_written,
            sectors_read=value.sectors_read, sectors_written=value.sectors_written, bytes_h2d=value.bytes_h2d,
            bytes_d2h=value.bytes_d2h, flops=value.flops, formula=value.formula, items=value.items,
            scratch=value.scratch,
        )  # fmt: skip
    if not isinstance(value, Op):
        raise SpecError(f"a spec returns Launch(…) or Op(…), got {type(value).__name__}")
    if not value.steps:
        raise SpecError("an Op needs at least one step")
    if not value.outputs:
        raise SpecError("an Op needs outputs={name: (array, reference)}: kbench times nothing that it cannot check")
    return value


def as_out(value: Any) -> Out:
    """The Out of one value of an `outputs` mapping: an Out, or an (array, reference) pair."""
    if isinstance(value, Out):
        return value
    if isinstance(value, tuple) and len(value) == 2:
        return Out(*value)
    raise SpecError(f"an output is (array, reference) or Out(array, reference, …), got {type(value).__name__}")
