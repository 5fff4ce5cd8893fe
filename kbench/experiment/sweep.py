"""A sweep: what is missing of a plan, problem by problem in random order, each row held against its measured roof."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Sequence

from kbench.experiment.engine import Engine
from kbench.experiment.group import Watch
from kbench.experiment.protocol import Mode
from kbench.experiment.result import Result, Roof
from kbench.experiment.roofs import Roofs
from kbench.experiment.source import Sources
from kbench.experiment.survey import measure
from kbench.intent.config import keys
from kbench.intent.method import Method
from kbench.intent.plan import Plan, Planned
from kbench.machine.device import DeviceInfo

Done = Callable[[DeviceInfo], Collection[tuple[str, str]]]
"""The (configuration id, source hash) pairs that a store already holds for a device."""


class Sweep:
    """Iterate over it once for the Results, each yielded as soon as it is there.

    device: "cuda", "cuda:N", "cpu". done: what need not run again. note: told what a reader must know (roofs that are
    being measured). seed: of the order within a problem. Raises DeviceError where the device cannot be opened. From the
    first result on `info` is the device, `roofs` its measured roofs, `resumed` how many configurations were done.
    """

    def __init__(
        self, plan: Plan, device: str, *, done: Done | None = None, note: Callable[[str], None] | None = None,
        watch: Watch | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        self.plan = plan
        self.device = device
        self.info: DeviceInfo | None = None
        self.roofs: tuple[Roof, ...] = ()
        self.resumed = 0
        self._done = done or (lambda info: ())
        self._note = note or (lambda text: None)
        self._watch = watch
        self._seed = seed

    def __iter__(self) -> Iterator[Result]:
        with Engine(self.device, watch=self._watch) as engine:
            self.info = engine.info
            todo = shuffled(self._missing(engine.info), self._seed)
            measured = Roofs.load(engine.info)
            points = measured.missing((p for p in todo if p.status == "ok"), self.plan.method.max_bytes)
            if points:
                self._note(f"{engine.info.label} lacks {len(points)} roof points")
                for found in measure(engine, points, measured):
                    if isinstance(found, str):
                        self._note(found)
            self.roofs = measured.all
            shown = keys(p.config for p in self.plan.configs)
            for result in engine.run(todo, self.plan.method, keys=shown):
                yield measured.put_on(result)

    def _missing(self, info: DeviceInfo) -> list[Planned]:
        finished, sources = set(self._done(info)), Sources()
        missing = [p for p in self.plan.configs if (p.config.id, sources.of(p)) not in finished]
        self.resumed = len(self.plan.configs) - len(missing)
        return missing


def shuffled(configs: Sequence[Planned], seed: int) -> list[Planned]:
    """Problems in their order, the configurations of each in random order, so that no drift favours the same ones."""
    problems: dict[str, list[Planned]] = {}
    for planned in configs:
        problems.setdefault(planned.config.problem, []).append(planned)
    generator = random.Random(seed)
    for group in problems.values():
        generator.shuffle(group)
    return [planned for group in problems.values() for planned in group]


def verify(
    plan: Plan, device: str, *, mode: Mode = "verify", watch: Watch | None = None, method: Method | None = None
) -> Iterator[Result]:
    """Correctness only. mode: "verify", or on the cpu "races" (ThreadSanitizer) or "asan"; `method` is theirs.

    A sanitizer sees neither wrong thread orders nor all that guard pages see, and tells little of a wild address: so it
    comes after a plain check, and runs what passed that. Failures of the plain check come first, all else in the plan's
    order.
    """
    with Engine(device, watch=watch) as engine:
        if mode == "verify":
            yield from engine.run(plan.configs, method or plan.method, mode)
            return
        passed = []
        for planned, result in zip(plan.configs, engine.run(plan.configs, plan.method, "verify"), strict=True):
            if result.status == "ok":
                passed.append(planned)
            else:
                yield result
        yield from engine.run(passed, method or plan.method, mode)
