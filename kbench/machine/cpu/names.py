"""What messages call a piece of memory: the argument by which a kernel got it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kbench.machine.layout import Layout, Operand, Table, Transfers


def names_of(found: Layout) -> dict[int, str]:
    """A name for each base of an Op, by the first operand that lies in it."""
    names: dict[int, str] = {}
    for step, placed in enumerate(found.steps):
        prefix = f"step {step}, " if len(found.steps) > 1 else ""
        for base, name in names_in(found, placed).items():
            names.setdefault(base, prefix + name)
    return names


def names_in(found: Layout, placed: Any) -> dict[int, str]:
    """A name for each base that one step reaches, such as "argument 0 (float32[1000], 4000 bytes)"."""
    names: dict[int, str] = {}
    for name, operand in _operands(placed):
        whole = found.bases[operand.base].nbytes
        part = "" if operand.nbytes == whole else f" of an allocation of {whole}"
        names.setdefault(operand.base, f"{name} ({operand.words}{part})")
    if isinstance(placed, Transfers):
        for rows, word in ((placed.dst_base, "destination"), (placed.src_base, "source")):
            for base in np.unique(rows).tolist():
                names.setdefault(base, f"{word} of a copy ({found.bases[base].nbytes} bytes)")
    return names


def _operands(placed: Any) -> Iterator[tuple[str, Operand]]:
    for index, where in enumerate(() if isinstance(placed, Transfers) else placed):
        if isinstance(where, Operand):
            yield f"argument {index}", where
        elif isinstance(where, Table):
            yield from ((f"array {i} behind argument {index}", o) for i, o in enumerate(where.operands))
