"""The measured ceilings of one device, picked from its roofs and from those that its rows carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kbench.experiment.result import Roof
from kbench.machine.device import DeviceInfo
from kbench.reading.problem import Problem


@dataclass(frozen=True)
class Ceilings:
    """memory: what the dram ceiling is called. dram, l2: bytes/s, None where not measured. flops: (name, flop/s),
    lowest first."""

    memory: str

    dram: float | None
    l2: float | None
    flops: tuple[tuple[str, float], ...]


def ceilings(device: DeviceInfo, problems: Sequence[Problem], roofs: Sequence[Roof]) -> Ceilings:
    """dram: the highest copy roof of a working set beyond L2 (of all where the L2 is unknown); l2: the highest copy of
    what stays in it. Where no copy was measured, any mix stands for it."""
    carried = [row.result.roof for problem in problems for row in problem.ok if row.result.roof]
    rates = [
        roof for roof in [*roofs, *carried] if roof.unit == "B/s" and "2d" not in roof.kind and "d2" not in roof.kind
    ]
    fast = [roof for roof in rates if roof.kind.startswith("L2")]
    slow = [roof for roof in rates if not roof.kind.startswith("L2") and roof.cache != "warm"]
    flops = {roof.kind: roof.value for roof in roofs if roof.unit == "flop/s"}
    memory = "host memory" if device.kind == "cpu" else "DRAM"
    return Ceilings(memory, _highest(slow), _highest(fast), tuple(sorted(flops.items(), key=lambda f: f[1])))


def _highest(roofs: Sequence[Roof]) -> float | None:
    copies = [roof.value for roof in roofs if roof.kind.endswith("copy")]
    return max(copies or [roof.value for roof in roofs], default=None)
