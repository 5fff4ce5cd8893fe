"""The arrays of an Op, and how many bytes they have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kbench.intent.op import Call, Copy, CopyBatch, HostArray, Launch, Op, Pointers, as_out


def operands(op: Op) -> Iterable[Any]:
    """Every array that an Op touches, outputs included; values that are not arrays are left out."""
    for step in op.steps:
        if isinstance(step, Launch | Call):
            for arg in step.args:
                yield from (a for a in (arg.arrays if isinstance(arg, Pointers) else (arg,)) if is_array(a))
        elif isinstance(step, Copy):
            yield from (step.dst, step.src)
        elif isinstance(step, CopyBatch):
            for pair in step.pairs:
                yield from pair
    yield from (as_out(out).array for out in op.outputs.values())


def is_array(value: Any) -> bool:
    """Whether it is an array with a shape (no scalar), or a HostArray."""
    return isinstance(value, HostArray) or (hasattr(value, "nbytes") and bool(getattr(value, "shape", ())))


def nbytes_of(arrays: Iterable[Any]) -> int:
    """Bytes of the distinct arrays behind these; views of one array count once, and as the whole of it."""
    largest: dict[int, int] = {}
    for operand in arrays:
        array = operand.array if isinstance(operand, HostArray) else operand
        if is_array(array):
            key, nbytes = allocation(array)
            largest[key] = max(largest.get(key, 0), nbytes)
    return sum(largest.values())


def allocation(array: Any) -> tuple[int, int]:
    """What tells the allocation that an array is a view of from others, and its bytes."""
    nbytes = int(array.nbytes)
    while getattr(array, "base", None) is not None and hasattr(array.base, "nbytes"):
        array = array.base
        nbytes = max(nbytes, int(array.nbytes))
    return id(array), nbytes
