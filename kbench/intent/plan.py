"""From a selection to a list of configurations, each called once with arrays that occupy no memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from kbench.errors import SpecError, UsageError
from kbench.intent.axes import in_bytes
from kbench.intent.config import Config
from kbench.intent.memory import nbytes_of, operands
from kbench.intent.method import Method
from kbench.intent.op import Launch, Op, Skip
from kbench.intent.spec import Kernel
from kbench.intent.suite import Suite
from kbench.intent.traffic import Traffic, traffic_of
from kbench.intent.universal import unsuited


class Instantiation(msgspec.Struct, frozen=True):
    """What one launch needs compiled: a source file, a C++ name expression, compiler options, defines."""

    source: str
    entry: str
    options: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Planned:
    """One configuration, planned. instantiations: one for each step, None for copies and calls.

    footprint: bytes of the distinct arrays it touches. status other than "ok" carries its reason in message.
    """

    config: Config
    kernel: Kernel
    status: Literal["ok", "skipped", "spec_failed"]
    message: str = ""
    traffic: Traffic = Traffic()
    footprint: int = 0
    instantiations: tuple[Instantiation | None, ...] = ()


@dataclass(frozen=True)
class Selection:
    """A kernel with axis values that replace its defaults, and how to measure it."""

    kernel: Kernel
    axes: Mapping[str, Any]
    cache: tuple[str, ...] = ("cold",)
    clock: tuple[str, ...] = ("auto",)


@dataclass(frozen=True)
class Plan:
    """What will run, in order, and how."""

    configs: tuple[Planned, ...]
    method: Method
    title: str = ""


CACHES = ("cold", "warm", "sustained")
CLOCKS = ("auto", "cupti", "events", "graph", "host")


def select(
    kernels: Iterable[Kernel],
    axes: Mapping[str, Any],
    cache: Sequence[str] = ("cold",),
    clock: Sequence[str] = ("auto",),
) -> list[Selection]:
    """Selections of several kernels; an axis override applies to the kernels that have the axis.

    Raises UsageError for an axis that none of them has, and for an unknown cache state or clock.
    """
    chosen = list(kernels)
    for name in axes:
        if not any(k.has(name) for k in chosen):
            if len(chosen) == 1:
                chosen[0].configs({name: axes[name]})
            raise UsageError(f"none of {', '.join(k.name for k in chosen)} has an axis {name!r}")
    for value, known, what in [*((c, CACHES, "cache state") for c in cache), *((c, CLOCKS, "clock") for c in clock)]:
        if value not in known:
            raise UsageError(f"unknown {what} {value!r} (known: {', '.join(known)})")
    return [Selection(k, {n: v for n, v in axes.items() if k.has(n)}, tuple(cache), tuple(clock)) for k in chosen]


def select_suite(
    suite: Suite, pick: Callable[[Iterable[str]], list[Kernel]], axes: Mapping[str, Any]
) -> list[Selection]:
    """Selections of a suite; `pick` finds kernels by name (Catalog.pick); `axes` override the suite's own."""
    found = []
    for run in suite.run:
        (one,) = select(pick([run.kernel]), run.axes, run.cache, run.clock)
        own = {n: v for n, v in axes.items() if one.kernel.has(n)}
        found.append(Selection(one.kernel, {**one.axes, **own}, one.cache, one.clock))
    return found


def make_plan(selections: Iterable[Selection], method: Method, *, device: str, title: str = "") -> Plan:
    """Plan every configuration of the selections; a configuration that several of them name is planned once.

    device: "cuda" or "cpu"; on the cpu configurations above method.max_bytes are skipped. Raises UsageError for an
    unknown axis or value and for a selection without configurations.
    """
    planned: dict[str, Planned] = {}
    for selection in selections:
        for config in selection.kernel.configs(selection.axes, selection.cache, selection.clock):
            if config.id not in planned:
                planned[config.id] = plan_one(selection.kernel, config, method, device)
    if not planned:
        raise UsageError("the selection is empty: no configuration matches")
    return Plan(tuple(_agreeing(planned.values())), method, title)


def _agreeing(configs: Iterable[Planned]) -> Iterator[Planned]:
    """Those of one problem owe the same useful bytes, or their bandwidths could not be compared: who differs from the
    first by more than 1 % fails."""
    first: dict[str, Planned] = {}
    for planned in configs:
        if planned.status == "ok":
            other = first.setdefault(planned.config.problem, planned)
            mine, theirs = planned.traffic.useful_bytes, other.traffic.useful_bytes
            if abs(mine - theirs) > 0.01 * max(mine, theirs):
                why = (
                    f"{planned.kernel.spec_path}: it declares {mine} useful bytes, but {other.config.id} {theirs}: "
                    "useful bytes belong to the problem (sectors_read and sectors_written are for what is really moved)"
                )
                planned = replace(planned, status="spec_failed", message=why)
        yield planned


TOO_LARGE = "too large for the cpu"
"""How the reason begins why a configuration is skipped that another --max-bytes lets run."""


def plan_one(kernel: Kernel, config: Config, method: Method, device: str) -> Planned:
    """One configuration, as `make_plan` does it."""
    from kbench.intent.shapes import ShapeRng, ShapeXp

    try:
        op = kernel.op(ShapeXp(), ShapeRng(), config)
        needed = instantiations(kernel, config, op)
        traffic, footprint = traffic_of(op), nbytes_of(operands(op))
    except Skip as reason:
        return Planned(config, kernel, "skipped", str(reason) or "the spec gives no reason")
    except SpecError as error:
        return Planned(config, kernel, "spec_failed", str(error))
    except MemoryError:
        return Planned(config, kernel, "spec_failed", "the spec allocates real memory while it is being planned")
    if why := unsuited(config, kernel.axes, device):
        return Planned(config, kernel, "skipped", why, traffic, footprint)
    if device == "cpu" and max(traffic.useful_bytes, footprint) > method.max_bytes:
        size = max(traffic.useful_bytes, footprint)
        why = f"{TOO_LARGE}: {in_bytes(size)} (--max-bytes {in_bytes(method.max_bytes)})"
        return Planned(config, kernel, "skipped", why, traffic, footprint)
    return Planned(config, kernel, "ok", "", traffic, footprint, needed)


def instantiations(kernel: Kernel, config: Config, op: Op) -> tuple[Instantiation | None, ...]:
    """What each step of an Op needs compiled. Raises SpecError."""
    if not any(isinstance(step, Launch) for step in op.steps):
        return (None,) * len(op.steps)
    options, defines = kernel.options_of(config), kernel.defines_of(config)
    return tuple(
        Instantiation(str(kernel.source), kernel.entry_of(config, step.entry), options, defines)
        if isinstance(step, Launch)
        else None
        for step in op.steps
    )
