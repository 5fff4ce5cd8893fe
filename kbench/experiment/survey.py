"""Measure roofs: the best of a few candidates (roof_kernels/roof.cu, memcpy), swept like any other kernel."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kbench.experiment.engine import Engine
from kbench.experiment.result import Result, Roof
from kbench.experiment.roofs import FLOPS, L2, LINKS, MIXES, Point, Roofs, sizes
from kbench.intent.discover import load
from kbench.intent.method import Method
from kbench.intent.plan import Planned, Selection, make_plan
from kbench.machine.device import DeviceInfo
from kbench.machine.profiler import around

METHOD = Method(samples_max=60, max_time_s=0.02, timeout_s=20.0, max_bytes=2**62, duel=False)
_AXIS = {"read": "read", "mix 2:1": "2to1", "copy": "copy", "mix 1:2": "1to2", "write": "write"}


def everything(info: DeviceInfo, cache: str = "cold", clock: str = "auto", max_bytes: int | None = None) -> list[Point]:
    """All points of a device: every mix and link at every size, and a GPU's arithmetic and L2 (warm, within it)."""
    kinds = ("copy", "h2d", "d2h") if info.kind == "cpu" else (*MIXES, *LINKS)
    points = []
    for kind in kinds:
        nbytes, largest = sizes(info, kind, max_bytes)
        while nbytes <= largest:
            points.append(Point(kind, nbytes, clock, cache))
            nbytes *= 2
    if info.kind != "cpu":
        points += [Point(kind, 0, clock, cache) for kind in FLOPS]
        points += [Point(kind, nbytes, clock, "warm") for kind in L2 for nbytes in _in_l2(info)]
    return list(dict.fromkeys(points))


def _in_l2(info: DeviceInfo) -> list[int]:
    """Working sets that stay in L2: the four largest powers of two within three quarters of it, since a part of it may
    hold other things."""
    if not info.l2_bytes:
        return []
    largest = int(math.log2(info.l2_bytes * 3 // 4))
    return [2**power for power in range(largest - 3, largest + 1)]


def measure(engine: Engine, points: Iterable[Point], known: Roofs) -> Iterator[Roof | str]:
    """Measure points and keep them in `known`, on disk too: yields each roof, and the reason for what has none. Under a
    profiler nothing is measured: it slows kernels down, and a roof that is too low would stay."""
    profiler = around()
    if profiler is not None:
        yield f"no roofs are measured under a profiler ({profiler.why}): kbench roof without it measures them"
        return
    wanted = {planned.config.id: (point, planned) for point in points for planned in _candidates(engine.info, point)}
    rows = engine.run([planned for _, planned in wanted.values()], METHOD)
    kept, told = True, set[str]()
    for point, candidates in itertools.groupby(rows, key=lambda row: wanted[row.config.id][0]):
        found = list(candidates)
        timed = [r for r in found if r.status == "ok"]
        if not timed:
            if found[0].message not in told:  # most often one reason for all: no compiler, no memory
                yield f"no {point.kind} roof at {point.nbytes} bytes: {found[0].message}"
            told.add(found[0].message)
            continue
        roof = _roof(point, max(timed, key=_rate), len(found))
        known.add(point.clock, roof)
        try:
            known.save()
        except OSError as error:
            if kept:
                yield f"the roofs cannot be kept for the next time: {error}"
            kept = False
        yield roof


class Survey:
    """Every roof of a device. Iterate over it once: each Roof as it is there, known ones first, and a message for each
    point that cannot be measured.

    fresh: measure known ones again. From the first one on, `info` is the device and `total` how many are to come.
    Raises DeviceError where the device cannot be opened.
    """

    def __init__(
        self,
        device: str,
        *,
        cache: str = "cold",
        clock: str = "auto",
        max_bytes: int | None = None,
        fresh: bool = False,
    ) -> None:
        self.device = device
        self.info: DeviceInfo | None = None
        self.total = 0
        self._how = (cache, clock, max_bytes)
        self._fresh = fresh

    def __iter__(self) -> Iterator[Roof | str]:
        with Engine(self.device) as engine:
            self.info = engine.info
            known = Roofs(engine.info) if self._fresh else Roofs.load(engine.info)
            points = known.without(everything(engine.info, *self._how))
            self.total = len(known.all) + len(points)
            yield from known.all
            if not any(r.unit == "s" for r in known.all):
                latencies = engine.latencies()
                self.total += len(latencies)
                for roof in latencies:
                    known.add("auto", roof)
                    yield roof
            yield from measure(engine, points, known)


def _candidates(info: DeviceInfo, point: Point) -> Iterator[Planned]:
    kernels = {k.name: k for k in load(Path(__file__).with_name("roof_kernels") / "roof.py")}
    name, axes = _axes(info, point)
    selection = Selection(kernels[name], axes, (point.cache,), (point.clock,))
    plan = make_plan([selection], METHOD, device=info.kind)
    yield from (planned for planned in plan.configs if planned.status != "skipped")


def _axes(info: DeviceInfo, point: Point) -> tuple[str, dict[str, Any]]:
    """Which roof kernel, and which values of its axes, are the candidates for a point."""
    if point.kind in FLOPS:
        return "fma_peak", {"precision": point.kind}
    if point.kind in L2:
        return "l2", {"mix": point.kind.removeprefix("L2 "), "nbytes": point.nbytes}
    if point.kind in LINKS:
        direction, _, memory = point.kind.partition(" ")
        return "link", {"direction": direction, "memory": memory or "pinned", "nbytes": point.nbytes}
    variants = ["memcpy", "memcpy_threads"] if info.kind == "cpu" else ["kernel", "memcpy"]
    return "roof", {"mix": _AXIS[point.kind], "nbytes": point.nbytes, "variant": variants}


def _rate(result: Result) -> float:
    """Flop/s or bytes/s; a kernel that goes over its bytes several times declares them once."""
    passes = result.config.axes.get("passes", 1)
    assert isinstance(passes, int)
    return result.flops_per_s or (result.achieved_bytes_per_s or 0.0) * passes


def _roof(point: Point, best: Result, candidates: int) -> Roof:
    assert best.measurement is not None
    axes = best.config.axes
    words = [str(axes.get("variant", best.config.kernel))]
    words += [f"{axes[n]} {n}" if n == "threads" else f"{n} {axes[n]}" for n in ("threads", "unroll") if n in axes]
    how = ", ".join(words) + (f"; best of {candidates}" if candidates > 1 else "")
    unit = "flop/s" if point.kind in FLOPS else "B/s"
    measurement = best.measurement
    return Roof(point.kind, _rate(best), unit, point.nbytes, measurement.clock, measurement.cache, how)
