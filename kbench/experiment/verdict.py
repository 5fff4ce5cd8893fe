"""A checked launch: memory restored, outputs poisoned, and everything held against what it must be afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kbench.experiment.check import Reference, compare, reference_of
from kbench.experiment.result import Check
from kbench.intent.numbers import Rng
from kbench.intent.op import HostArray, Out
from kbench.machine.device import Bound


class Problem:
    """What the configurations of one problem share: inputs and references, made once."""

    def __init__(self, name: str, xp: Any) -> None:
        self.name = name
        self.xp = xp
        self.rng = Rng(xp, name)
        self._references: dict[str, Reference] = {}

    def reference(self, name: str, out: Out) -> Reference:
        """Raises SpecError. A shape or dtype that differs between configurations of a problem is evaluated anew."""
        array = out.array.array if isinstance(out.array, HostArray) else out.array
        key = f"{name} {array.dtype}{list(array.shape)}"
        if key not in self._references:
            self._references[key] = reference_of(name, out, self.xp)
        return self._references[key]


@dataclass(frozen=True)
class Verdict:
    """What a checked launch left behind. damage: guard bytes that it overwrote, in words."""

    checks: tuple[Check, ...]
    damage: str | None = None

    @property
    def ok(self) -> bool:
        return self.damage is None and all(c.ok for c in self.checks)

    @property
    def message(self) -> str:
        wrong = [f"{c.output}: {c.message}" for c in self.checks if not c.ok]
        return "\n".join(filter(None, [self.damage, *wrong]))


def checked(bound: Bound, outs: Mapping[str, Out], problem: Problem, launch: Callable[[], Any]) -> Verdict:
    """Restore all memory, poison the outputs, launch, and hold guard bytes and outputs against what they must be."""
    references = {name: problem.reference(name, out) for name, out in outs.items()}
    bound.restore({name: out.poison for name, out in outs.items() if out.poison is not False})
    launch()
    damage = bound.damaged()
    return Verdict(tuple(compare(n, out, bound.read(n), references[n], problem.xp) for n, out in outs.items()), damage)
