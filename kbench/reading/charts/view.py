"""A kernel's problems on one device, arranged for drawing: what is the size, a series, a chart of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from kbench.intent.config import Value, format_value
from kbench.machine.device import DeviceInfo
from kbench.reading import units
from kbench.reading.charts.style import COLOURS, Look, look
from kbench.reading.problem import Problem, worded
from kbench.reading.table import flagged, interval
from kbench.record.store import KernelNote, Stored


@dataclass(frozen=True)
class Facet:
    """Problems that differ in size alone. label: what sets them apart from other facets ("dtype float16"), or ""."""

    label: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class View:
    """size: the axis along x, None for useful bytes. facets: most sizes first. stem: begins the names of its charts."""

    kernel: str
    device: DeviceInfo
    size: str | None
    facets: tuple[Facet, ...]
    looks: Mapping[str, Look]
    stem: str

    def x(self, problem: Problem) -> float:
        return float(problem.axes[self.size]) if self.size else float(useful(problem))

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(problem for facet in self.facets for problem in facet.problems)


def views(problems: Sequence[Problem], notes: Mapping[str, KernelNote], prefix: str = "") -> list[View]:
    """One view a kernel and device, of the problems that have a best row."""
    found = []
    for (_, kernel), group in groupby(problems, key=lambda p: (p.device.uid, p.kernel)):
        timed = [problem for problem in group if problem.best]
        if timed:
            found.append(_view(kernel, timed, notes.get(kernel, KernelNote()), prefix + kernel))
    return found


def useful(problem: Problem) -> int:
    """Useful bytes of the best row."""
    return problem.best.result.traffic.useful_bytes if problem.best else 0


def series_name(row: Stored) -> str:
    """The series that a row belongs to: its variant, or all that is chosen where there is none."""
    config = row.result.config
    variant = config.axes.get("variant")
    if variant is not None and "variant" in config.tuning:
        return format_value(variant)
    chosen = [f"{name} {format_value(config.axes[name])}" for name in config.tuning if name in config.axes]
    return " · ".join(chosen) or config.kernel


def fastest(rows: Sequence[Stored]) -> dict[str, Stored]:
    """The fastest row of each series."""
    found: dict[str, Stored] = {}
    for row in rows:
        name = series_name(row)
        if name not in found or (row.result.time_s or 0) < (found[name].result.time_s or 0):
            found[name] = row
    return found


def tip(problem: Problem, row: Stored) -> str:
    """What a point tells, a line each."""
    result = row.result
    lines = [problem.choice(result.config), problem.label]
    lines.append(f"{units.duration(result.time_s)} {interval(result)} · {units.size(result.traffic.useful_bytes)}")
    shares = [f"{units.rate(result.achieved_bytes_per_s)} GB/s"]
    if result.of_roof is not None:
        shares.append(f"{units.percent(result.of_roof)} % of roof" + (" (above it!)" if flagged(result) else ""))
    if result.of_peak is not None:
        shares.append(f"{units.percent(result.of_peak)} % of peak")
    lines.append(" · ".join(shares))
    if result.flops_per_s:
        lines.append(f"{units.rate(result.flops_per_s)} GFLOP/s · {units.digits(result.traffic.intensity)} flop/B")
    return "\n".join(lines)


def where(rows: Sequence[Stored]) -> str:
    """Device and clock of some rows, for a subtitle."""
    labels = dict.fromkeys(row.result.device.label for row in rows)
    measured = [row.result.measurement for row in rows if row.result.measurement]
    clocks = dict.fromkeys(f"clock {m.clock}, {m.cache}" for m in measured)
    return " · ".join([*labels, *clocks])


def _view(kernel: str, problems: list[Problem], note: KernelNote, stem: str) -> View:
    size = _size_axis(problems)
    facets = _facets(problems, size)
    fast: dict[str, float] = {}
    for row in (row for problem in problems for row in problem.ok):
        name = series_name(row)
        fast[name] = max(fast.get(name, 0.0), row.result.achieved_bytes_per_s or 0.0)
    bases = (set(note.baselines) | {series_name(p.baseline) for p in problems if p.baseline}) & set(fast)
    own = [name for name in dict.fromkeys([*note.variants, *sorted(fast)]) if name in fast and name not in bases]
    if len(own) > len(COLOURS):
        own.sort(key=lambda name: -fast[name])  # the fastest, which are drawn, get the plain colours
    looks = {name: look(index) for index, name in enumerate(own)}
    looks |= {name: look(index, baseline=True) for index, name in enumerate(sorted(bases))}
    return View(kernel, problems[0].device, size, facets, looks, stem)


def _size_axis(problems: Sequence[Problem]) -> str | None:
    """The numeric axis with most values that makes a curve somewhere; None (useful bytes) where no axis does."""
    values: dict[str, set[Value]] = {}
    for problem in problems:
        for name, value in problem.axes.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                values.setdefault(name, set()).add(value)
    candidates = sorted(values, key=lambda name: (-len(values[name]), list(values).index(name)))
    for name in candidates:
        if len(values[name]) > 1 and len(_facets(problems, name)[0].problems) > 1:
            return name
    return None


def _facets(problems: Sequence[Problem], size: str | None) -> tuple[Facet, ...]:
    """Apart from the size axis and the axes that merely follow it, equal axes make a facet."""
    names = list(dict.fromkeys(name for problem in problems for name in problem.axes))
    apart = [name for name in names if name != size and not _follows(problems, name, size)]
    groups: dict[str, list[Problem]] = {}
    for problem in problems:
        words = [f"{n} {worded(problem.axes[n])}" for n in apart if n in problem.axes and _varies(problems, n)]
        groups.setdefault(" · ".join(words), []).append(problem)

    def place(problem: Problem) -> float:
        return float(problem.axes.get(size, 0)) if size else float(useful(problem))

    facets = [Facet(label, tuple(sorted(group, key=place))) for label, group in groups.items()]
    return tuple(sorted(facets, key=lambda facet: (-len(facet.problems), -useful(facet.problems[-1]))))


def _varies(problems: Sequence[Problem], name: str) -> bool:
    return len({problem.axes.get(name) for problem in problems}) > 1


def _follows(problems: Sequence[Problem], name: str, size: str | None) -> bool:
    """Whether a numeric axis is fixed by the size (columns of square matrices), or the size is the bytes it makes."""
    if not all(isinstance(problem.axes.get(name), int | float) for problem in problems):
        return False
    if size is None:
        return True
    pairs = {(problem.axes.get(size), problem.axes.get(name)) for problem in problems}
    return len(pairs) == len({pair[0] for pair in pairs})
