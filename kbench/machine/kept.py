"""What the steps of an Op may not change: every byte that is neither output nor scratch. The same for every device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kbench.machine.layout import Layout, Operand, Table, Transfers

Differs = Callable[[int, int, int], int | None]
"""(base, start, stop) -> the byte offset in the base of the first byte there that is no longer what it was."""


def changed(found: Layout, differs: Differs) -> str | None:
    """What was changed though it is no output, in words; None where all is as it was."""
    for base, start, stop in _kept(found):
        at = differs(base, start, stop)
        if at is not None:
            return (
                f"{_words(found, base, at)}: changed by the kernel, but it is no output: declare it in outputs "
                "(poison=False if it is updated in place), or in scratch if it holds nothing but intermediate values"
            )
    return None


def _kept(found: Layout) -> Iterator[tuple[int, int, int]]:
    """(base, start, stop) of every run of bytes between outputs and scratch."""
    free: dict[int, list[tuple[int, int]]] = {}
    for operand in (*found.outputs.values(), *found.scratch):
        if operand.nbytes:
            free.setdefault(operand.base, []).append(_extent(operand))
    for index, base in enumerate(found.bases):
        at = 0
        for start, stop in sorted(free.get(index, ())):
            if start > at:
                yield index, at, start
            at = max(at, stop)
        if at < base.nbytes:
            yield index, at, base.nbytes


def _extent(operand: Operand) -> tuple[int, int]:
    """The bytes of the base from the first to the last that the operand reaches; gaps in a view count as its own."""
    steps = [(n - 1) * stride for n, stride in zip(operand.shape, operand.strides, strict=True)]
    low = operand.offset + sum(s for s in steps if s < 0)
    return low, operand.offset + sum(s for s in steps if s > 0) + operand.dtype.itemsize


def _words(found: Layout, base: int, at: int) -> str:
    """The first operand that holds byte `at` of the base, as messages name it."""
    for number, placed in enumerate(found.steps):
        prefix = f"step {number}, " if len(found.steps) > 1 else ""
        if isinstance(placed, Transfers):
            inside = (placed.dst_base == base) & (placed.dst_offset <= at) & (at < placed.dst_offset + placed.nbytes)
            if inside.any():
                return f"{prefix}destination of copy {int(np.flatnonzero(inside)[0])}"
            continue
        for name, operand in _operands(placed):
            low, high = _extent(operand) if operand.nbytes else (0, 0)
            if operand.base == base and low <= at < high:
                return f"{prefix}{name} ({operand.dtype}[{', '.join(map(str, operand.shape))}])"
    return f"byte {at} of an allocation of {found.bases[base].nbytes} that an argument is a part of"


def _operands(placed: tuple[Any, ...]) -> Iterator[tuple[str, Operand]]:
    for index, where in enumerate(placed):
        if isinstance(where, Operand):
            yield f"argument {index}", where
        elif isinstance(where, Table):
            yield from ((f"array {i} behind argument {index}", o) for i, o in enumerate(where.operands))
