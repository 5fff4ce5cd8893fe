"""How the kernels of planned configurations fit on a multiprocessor: compiled for any architecture, without a GPU."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from kbench.errors import CannotBuild, KbenchError
from kbench.intent.config import Config
from kbench.intent.op import Launch, dim3
from kbench.intent.plan import Instantiation, Planned
from kbench.intent.shapes import ShapeRng, ShapeXp
from kbench.machine.binary import Binary, Target
from kbench.machine.build import build_all, request_of
from kbench.machine.install import install
from kbench.machine.lift import Lift, lifts
from kbench.machine.occupancy import Footprint, Limits, Occupancy, limits_of, occupancy


@dataclass(frozen=True)
class Fit:
    """A kernel launched in blocks of one size. static_bytes, dynamic_bytes: of shared memory, of a block. max_threads:
    what __launch_bounds__ allows. configs: all that launch it so."""

    arch: str
    entry: str
    footprint: Footprint
    static_bytes: int
    dynamic_bytes: int
    spill_bytes: int
    max_threads: int | None
    configs: tuple[Config, ...]

    @property
    def limits(self) -> Limits:
        return limits_of(self.arch)

    @property
    def occupancy(self) -> Occupancy:
        return occupancy(self.limits, self.footprint)

    @property
    def lifts(self) -> tuple[Lift, ...]:
        return lifts(self.limits, self.footprint)


@dataclass(frozen=True)
class _Block:
    what: Instantiation
    threads: int
    dynamic_bytes: int


def fits(configs: Iterable[Planned], archs: Sequence[str]) -> Iterator[Fit | KbenchError]:
    """Each kernel and block size once for each architecture, or the error of compiling it. Raises UsageError for an
    architecture that nothing is known of, and CannotBuild where no compiler tells registers."""
    for arch in archs:
        limits_of(arch)
    blocks: dict[_Block, list[Config]] = {}
    for planned in configs:
        if planned.status == "ok":
            for block in dict.fromkeys(_blocks(planned)):
                blocks.setdefault(block, []).append(planned.config)
    targets = [Target("cuda", arch) for arch in archs]
    wanted = dict.fromkeys(request_of(block.what, target) for target in targets for block in blocks)
    built = dict(build_all(wanted))
    yield from (made for made in built.values() if isinstance(made, KbenchError))
    found: dict[Fit, list[Config]] = {}
    for target in targets:
        for block, users in blocks.items():
            made = built[request_of(block.what, target)]
            if isinstance(made, Binary):
                found.setdefault(_fit(target.arch, block, made), []).extend(users)
    yield from (replace(fit, configs=tuple(users)) for fit, users in found.items())


def _blocks(planned: Planned) -> Iterator[_Block]:
    """Of each launch of the Op. The spec has been called before: nothing it raises is new."""
    if not any(planned.instantiations):
        return
    op = planned.kernel.op(ShapeXp(), ShapeRng(), planned.config)
    for step, what in zip(op.steps, planned.instantiations, strict=True):
        if isinstance(step, Launch) and what is not None:
            yield _Block(what, math.prod(dim3(step.block)), step.shared_bytes)


def _fit(arch: str, block: _Block, made: Binary) -> Fit:
    if made.registers is None or made.shared_bytes is None:
        raise CannotBuild(f"{made.compiler} does not tell the registers of a kernel: {install('compile')}")
    footprint = Footprint(block.threads, made.registers, made.shared_bytes + block.dynamic_bytes)
    return Fit(
        arch, made.entry, footprint, made.shared_bytes, block.dynamic_bytes, made.spill_bytes or 0, made.max_threads, ()
    )
