"""Axes that every kernel has without its spec saying so, when asked for: a cap on registers, and shared memory that
only takes up room."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from kbench.errors import UsageError
from kbench.intent.axes import parse_values
from kbench.intent.config import Config, Value
from kbench.intent.op import Launch, Op

UNIVERSAL = ("max_registers", "shared_bytes")
"""max_registers: of a thread, 0 for as many as the compiler likes. shared_bytes: dynamic shared memory of each block of
every launch, beside what the kernel itself asks for: so fewer blocks are resident. Both are tuning axes."""

MEANINGLESS = {
    "max_registers": "it has no registers that could be capped",
    "shared_bytes": "it keeps no blocks resident whose number shared memory could limit",
}
"""Why the cpu device has no such axis."""


def values_of(name: str, given: Any) -> tuple[Value, ...]:
    """Raises UsageError for what is no whole number from 0 on."""
    values = parse_values(name, given)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
            raise UsageError(f"axis {name} takes whole numbers from 0 on, got {value!r}")
    return values


def capped(options: tuple[str, ...], axes: Mapping[str, Value]) -> tuple[str, ...]:
    """The compiler's options, with a cap on registers where there is one. A kernel with __launch_bounds__ would not
    heed it: what the source says stands above the option unless the assembler is told otherwise."""
    cap = axes.get("max_registers", 0)
    return (*options, f"--maxrregcount={cap}", "--ptxas-options=--override-directive-values") if cap else options


def padded(op: Op, axes: Mapping[str, Value]) -> Op:
    """The Op, each launch with so much more shared memory."""
    more = int(axes.get("shared_bytes", 0))
    if not more:
        return op
    steps = [
        dataclasses.replace(step, shared_bytes=step.shared_bytes + more) if isinstance(step, Launch) else step
        for step in op.steps
    ]
    return dataclasses.replace(op, steps=steps)


def unsuited(config: Config, own: Mapping[str, Any], device: str) -> str:
    """Why a device cannot do what these axes ask for; "" where it can. own: the axes of the kernel itself."""
    asked = [name for name in UNIVERSAL if name not in own and config.axes.get(name)]
    if not asked or device != "cpu":
        return ""
    return f"{asked[0]} is for GPUs: the cpu device would take no notice, {MEANINGLESS[asked[0]]}"
