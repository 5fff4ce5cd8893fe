"""Overwritten guard bytes in the words of the spec: which argument, and how far from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kbench.intent.op import Call, Copy, CopyBatch, HostArray, Launch, Op, Pointers
from kbench.machine.cuda.memory import Damage
from kbench.machine.layout import Layout, Operand, Table


def describe(damage: Damage, op: Op, layout: Layout, tables: Mapping[int, Operand], nbytes: int) -> str:
    """tables: where the address table of each Pointers lies, by its id; nbytes: of the damaged buffer, whose operand
    that reaches closest to the damaged end is named, and offsets counted from."""
    touching = [(words, o) for words, o in _operands(op, layout, tables) if o.base == damage.buffer]
    if not touching:
        kinds = {type(step).__name__ for step in op.steps if isinstance(step, (Copy, CopyBatch))}
        edge, far = ("before", damage.first) if damage.before else ("past the end of", damage.first)
        return f"memory {edge} an operand of a {' or '.join(sorted(kinds))} was overwritten, byte offset {far:+d}"
    if damage.before:
        words, operand = min(touching, key=lambda each: each[1].offset)
        first, last = damage.first - operand.offset, damage.last - operand.offset
        return f"{words} ({operand.words}): memory before its start was overwritten, byte offsets {first} to {last}"
    words, operand = max(touching, key=lambda each: each[1].offset + each[1].nbytes)
    gap = nbytes - operand.offset - operand.nbytes
    first, last = damage.first + gap, damage.last + gap
    return f"{words} ({operand.words}): memory past its end was overwritten, byte offsets +{first} to +{last} past it"


def _operands(op: Op, layout: Layout, tables: Mapping[int, Operand]) -> Iterator[tuple[str, Operand]]:
    """Every operand of every launch and call, with its name."""
    for number, (step, placed) in enumerate(zip(op.steps, layout.steps, strict=True)):
        if not isinstance(step, (Launch, Call)):
            continue
        assert isinstance(placed, tuple)
        which = f" of step {number}" if len(op.steps) > 1 else ""
        for index, (given, value) in enumerate(zip(step.args, placed, strict=True)):
            name = f"argument {index}{which}"
            if isinstance(value, Operand):
                yield name + (" in host memory" if isinstance(given, HostArray) else ""), value
            elif isinstance(value, Table):
                assert isinstance(given, Pointers)
                yield f"{name}, the table of addresses itself", tables[id(given)]
                for position, operand in enumerate(value.operands):
                    yield f"{name}, array {position} of its Pointers", operand
