"""A checked launch: memory restored, outputs poisoned, and everything held against what it must be afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kbench.errors import SpecError
from kbench.experiment.check import Reference, compare, reference_of
from kbench.experiment.result import Check
from kbench.intent.numbers import Rng
from kbench.intent.op import HostArray, Out
from kbench.machine.device import Bound


class Problem:
    """What the configurations of one problem share: inputs and references, made once.

    asker: on whose behalf references are asked for: a variant while measuring, a configuration while verifying. Each
    asker's own reference is evaluated once and must agree with the first one's: what is right belongs to the problem.
    """

    def __init__(self, name: str, xp: Any) -> None:
        self.name = name
        self.xp = xp
        self.rng = Rng(xp, name)
        self.asker = ""
        self._references: dict[str, Reference] = {}
        self._askers: dict[str, list[str]] = {}

    def reference(self, name: str, out: Out) -> Reference:
        """Raises SpecError, also where the references of two askers differ. A shape or dtype that differs between
        configurations of a problem is evaluated anew."""
        array = out.array.array if isinstance(out.array, HostArray) else out.array
        key = f"{name} {array.dtype}{list(array.shape)}"
        if key not in self._references:
            self._references[key] = reference_of(name, out, self.xp)
            self._askers[key] = [self.asker]
        elif self.asker not in self._askers[key]:
            own = reference_of(name, out, self.xp)
            found = compare(name, out, own.flat, self._references[key], self.xp)
            if not found.ok:
                raise SpecError(
                    f"the reference of output {name!r} depends on more than the problem: {self.asker}'s is not that of "
                    f"{self._askers[key][0]} ({found.message.replace('got', 'not')})"
                )
            self._askers[key].append(self.asker)
        return self._references[key]


@dataclass(frozen=True)
class Verdict:
    """What a checked launch left behind. damage: guard bytes or inputs that it overwrote, in words."""

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
    """Restore all memory, poison the outputs, launch, and hold everything against what it must be: guard bytes,
    outputs, and all else, which must not have changed."""
    references = {name: problem.reference(name, out) for name, out in outs.items()}
    bound.restore({name: out.poison for name, out in outs.items() if out.poison is not False})
    launch()
    damage = bound.damaged() or bound.changed()
    return Verdict(tuple(compare(n, out, bound.read(n), references[n], problem.xp) for n, out in outs.items()), damage)
