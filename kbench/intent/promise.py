"""What an Op promises, held against itself and its arrays: types, signs, and byte counts that cannot be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kbench.errors import SpecError
from kbench.intent.memory import allocation, is_array, nbytes_of, operands
from kbench.intent.op import HostArray, Launch, Op, Out, Pointers, as_out, dim3, whole

BYTES = ("bytes_read", "bytes_written", "bytes_h2d", "bytes_d2h")
NEGLIGIBLE = 0.01
"""Of the useful bytes: what may be written without being counted, such as a block's sums."""
COUNTS = (*BYTES, "sectors_read", "sectors_written", "flops")


def check_op(op: Op) -> None:
    """Raises SpecError for what no device could run, check or count. Useful bytes count each distinct byte once, so
    that there are never more of them than the arrays have; and every byte of a wholly poisoned output is written."""
    for step in op.steps:
        if isinstance(step, Launch):
            _check_launch(step)
    outs = {name: as_out(value) for name, value in op.outputs.items()}
    for name, out in outs.items():
        _check_out(name, out)
    _check_counts(op)
    _check_bytes(op, list(outs.values()))


def _check_launch(step: Launch) -> None:
    for dim in (step.grid, step.block, *([] if step.cluster is None else [step.cluster])):
        dim3(dim)
    whole("shared_bytes", step.shared_bytes)


def _check_out(name: str, out: Out) -> None:
    array = out.array.array if isinstance(out.array, HostArray) else out.array
    if not hasattr(array, "dtype") or not hasattr(array, "shape"):
        raise SpecError(f"output {name!r} is no array, got {type(array).__name__}")
    if array.size == 0:
        raise SpecError(f"output {name!r} has no elements (shape {list(array.shape)}): nothing would be checked")
    for what, value in (("rtol", out.rtol), ("atol", out.atol)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise SpecError(f"output {name!r}: {what} is a finite number from 0 on, got {value!r}")
    if not isinstance(out.poison, bool):
        _check_indices(name, out.poison, int(array.size))


def _check_indices(name: str, where: Any, size: int) -> None:
    from kbench.intent.shapes import ShapeArray

    if getattr(getattr(where, "dtype", None), "kind", "") not in ("i", "u"):
        raise SpecError(f"output {name!r}: poison is True, False or an array of flat indices, got {where!r}")
    if isinstance(where, ShapeArray) or not where.size:
        return  # while planning, it has no contents
    low, high = int(where.min()), int(where.max())
    if low < 0 or high >= size:
        raise SpecError(f"output {name!r}: poison has index {low if low < 0 else high}, the array has {size} elements")


def _check_counts(op: Op) -> None:
    for name in COUNTS:
        value = getattr(op, name)
        if value is not None:
            whole(name, value)
    if not isinstance(op.formula, str):
        raise SpecError(f"formula is a text, got {op.formula!r}")
    if not isinstance(op.items, Mapping) or not all(isinstance(name, str) for name in op.items):
        raise SpecError(f"items is a mapping from names to counts, got {op.items!r}")
    for name, count in op.items.items():
        whole(f"items[{name!r}]", count)


def _check_bytes(op: Op, outs: list[Out]) -> None:
    read, written, h2d, d2h = (whole(name, getattr(op, name)) for name in BYTES)
    if not read + written + h2d + d2h:
        raise SpecError("an Op needs bytes_read and bytes_written (or bytes_h2d, bytes_d2h)")
    everything = list(operands(op))
    tables = (arg for step in op.steps if isinstance(step, Launch) for arg in step.args if isinstance(arg, Pointers))
    host = nbytes_of(a for a in everything if isinstance(a, HostArray))
    may_change = nbytes_of([*(out.array for out in outs), *op.scratch])
    total = nbytes_of(everything) + sum(8 * len(table.arrays) for table in tables)
    for name, count, most, what in (
        ("bytes_read", read, total, "all arrays together have"),
        ("bytes_written", written, may_change, "outputs and scratch have"),
        ("bytes_h2d", h2d, host, "the host arrays have"),
        ("bytes_d2h", d2h, host, "the host arrays have"),
    ):
        if count > most:
            raise SpecError(f"{name} is {count}, but {what} {most} bytes: useful bytes count each distinct byte once")
    least = _surely_written(outs)
    if not h2d + d2h and least - written > NEGLIGIBLE * (read + written):
        raise SpecError(
            f"bytes_written is {written}, but {least} bytes of outputs are written (poison=False, or indices, tells of "
            "an output that is written in part)"
        )


def _surely_written(outs: list[Out]) -> int:
    """Bytes of the wholly poisoned outputs on the device; of several in one allocation, the largest."""
    found: dict[int, int] = {}
    for out in outs:
        if out.poison is True and is_array(out.array) and not isinstance(out.array, HostArray):
            key, _ = allocation(out.array)
            found[key] = max(found.get(key, 0), int(out.array.nbytes))
    return sum(found.values())
