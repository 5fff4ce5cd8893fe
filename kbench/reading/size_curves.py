"""The size curve of every series that was measured at four sizes or more: in words, in a table, in the size chart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

from kbench.intent.config import format_value
from kbench.reading import units
from kbench.reading.curve import LEAST_SIZES, Curve, fit
from kbench.reading.problem import Problem, worded
from kbench.record.store import Stored

if TYPE_CHECKING:
    from rich.console import RenderableType

Point = tuple[Problem, Stored]


@dataclass(frozen=True)
class SizeCurve:
    """axis: the size; label: what the other axes are; series: a variant. per_byte: what `unit` (tokens, or the axis)
    counts for a useful byte, 0 where that is no fixed ratio."""

    device: str
    kernel: str
    axis: str
    label: str
    series: str
    curve: Curve
    unit: str = ""
    per_byte: float = 0.0

    @property
    def bound(self) -> str:
        """launch-bound below 1024 tokens (2 MiB)."""
        half = self.curve.half_bytes
        if half < self.curve.low:
            return "not launch-bound at any of these sizes"
        if half > self.curve.high:
            return "launch-bound at all of these sizes"
        counted = f"{units.count(float(f'{half * self.per_byte:.3g}'))} {self.unit}" if self.per_byte else ""
        return f"launch-bound below {f'{counted} ({units.size(half)})' if counted else units.size(half)}"


def size_curves(problems: Sequence[Problem]) -> list[SizeCurve]:
    """All curves that are good, by device, kernel and slice; baselines included."""
    found: dict[tuple[str, frozenset[str]], SizeCurve] = {}
    for (_, kernel), group in groupby(problems, key=lambda p: (p.device.uid, p.kernel)):
        timed = [problem for problem in group if problem.ok]
        for axis in _size_axes(timed):
            for label, sizes in _slices(timed, axis).items():
                for series, points in _series(sizes, axis).items():
                    curve = _curve(points)
                    if curve is None or not curve.good:
                        continue
                    unit, per_byte = _unit(points, axis)
                    device = timed[0].device.label
                    one = SizeCurve(device, kernel, axis, label, series, curve, unit, per_byte)
                    found.setdefault((series, frozenset(problem.name for problem, _ in points)), one)
    return list(found.values())


def table(curves: Sequence[SizeCurve]) -> list[RenderableType]:
    """What a rich Console prints beneath the tables of problems; nothing without curves."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = []
    for title, group in groupby(curves, key=_title):
        parts.append(Text(title, style="bold"))
        drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
        for name, justify in (("series", "left"), ("latency a", "right"), ("bandwidth b", "right"), ("", "left"),
                              ("error", "right"), ("sizes", "right")):  # fmt: skip
            drawn.add_column(name, justify="right" if justify == "right" else "left")
        for each in group:
            drawn.add_row(each.series, *_numbers(each.curve), each.bound, *_errors(each.curve))
        parts += [drawn, Text("")]
    return parts


def lines(curves: Iterable[SizeCurve]) -> list[str]:
    """The same for a pipe, a line each."""
    return [f"# {_title(each)}: {each.series}: a {a}, b {b}, {each.bound}, error {error}, {n} sizes"
            for each in curves for (a, b), (error, n) in [(_numbers(each.curve), _errors(each.curve))]]  # fmt: skip


def draw(drawing: Any, points: Mapping[str, Sequence[Point]], at: Mapping[str, float]) -> str:
    """Draw the curve of the series that is fastest at its largest size into a size chart; returns what to say beneath
    the chart, "" where that series has no good curve. at: where the problem of a name lies along the chart's axis."""
    from kbench.reading.charts.style import MUTED

    many = {name: each for name, each in points.items() if len(each) >= LEAST_SIZES}
    if not many:
        return ""
    name = max(many, key=lambda name: many[name][-1][1].result.achieved_bytes_per_s or 0.0)
    curve = _curve(many[name])
    if curve is None or not curve.good:
        return ""
    places = [(at[problem.name], row.result.traffic.useful_bytes) for problem, row in many[name] if problem.name in at]
    rates = [curve.rate(nbytes) / 1e9 for _, nbytes in places]
    drawing.ax.plot([x for x, _ in places], rates, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), zorder=2.4)
    unit, per_byte = _unit(many[name], "")
    bound = SizeCurve("", "", "", "", name, curve, unit, per_byte).bound
    (a, b), (error, _) = _numbers(curve), _errors(curve)
    return f"Dotted: {name} as {a} + bytes / {b} (error {error}): {bound}."


def _title(each: SizeCurve) -> str:
    over = " · ".join(filter(None, [f"T = a + V/b over {each.axis}", each.label]))
    return f"{each.kernel} on {each.device}: {over}"


def _numbers(curve: Curve) -> tuple[str, str]:
    return units.duration(curve.latency_s), f"{units.rate(curve.bytes_per_s)} GB/s"


def _errors(curve: Curve) -> tuple[str, str]:
    return f"±{curve.error * 100:.1f} %", str(curve.sizes)


def _curve(points: Sequence[Point]) -> Curve | None:
    rows = [row.result for _, row in points if row.result.time_s and row.result.traffic.useful_bytes]
    return fit([r.traffic.useful_bytes for r in rows], [r.time_s or 0.0 for r in rows])


def _unit(points: Sequence[Point], axis: str) -> tuple[str, float]:
    """What to count sizes in besides bytes: the kernel's items, else the axis, where it is in step with the bytes."""
    results = [row.result for _, row in points if row.result.traffic.useful_bytes]
    for name in results[-1].traffic.items:
        ratios = [r.traffic.items.get(name, 0) / r.traffic.useful_bytes for r in results]
        if _same(ratios):
            return name, ratios[-1]
    values = [r.config.axes.get(axis) for r in results]
    if axis and "bytes" not in axis and all(isinstance(v, int | float) for v in values):
        ratios = [float(v) / r.traffic.useful_bytes for v, r in zip(values, results, strict=True)]  # type: ignore[arg-type]
        if _same(ratios):
            return axis, ratios[-1]
    return "", 0.0


def _same(ratios: Sequence[float]) -> bool:
    return min(ratios) > 0 and max(ratios) <= 1.01 * min(ratios)


def _size_axes(problems: Sequence[Problem]) -> list[str]:
    """Numeric axes of the problem with four values or more: those with most values first, then what the kernel counts
    itself in."""
    values: dict[str, set[float]] = {}
    for problem in problems:
        for name, value in problem.axes.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                values.setdefault(name, set()).add(float(value))
    counted = {name for problem in problems for row in problem.ok for name in row.result.traffic.items}
    many = [name for name in values if len(values[name]) >= LEAST_SIZES]
    return sorted(many, key=lambda name: (-len(values[name]), name not in counted))


def _slices(problems: Sequence[Problem], axis: str) -> dict[str, list[Problem]]:
    """Problems that differ in the size alone, and in axes that grow with it; by the words for all others that vary."""
    names = dict.fromkeys(name for problem in problems for name in problem.axes)
    apart = [name for name in names if name != axis and not _grows_with(problems, axis, name)]
    varying = [name for name in apart if len({problem.axes.get(name) for problem in problems}) > 1]
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        if axis in problem.axes:
            words = [f"{name} {worded(problem.axes[name])}" for name in varying if name in problem.axes]
            found.setdefault(" · ".join(words), []).append(problem)
    return found


def _grows_with(problems: Sequence[Problem], axis: str, name: str) -> bool:
    pairs = {(p.axes[axis], p.axes[name]) for p in problems if axis in p.axes and name in p.axes}
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for pair in pairs for v in pair):
        return False
    ordered = sorted((float(one), float(other)) for one, other in pairs)
    return all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(ordered))


def _series(problems: Sequence[Problem], axis: str) -> dict[str, list[Point]]:
    """The fastest row of each variant (or of all that is chosen where there are none) at each size, by rising size."""
    found: dict[str, dict[float, Point]] = {}
    for problem in problems:
        at = float(problem.axes[axis])
        for row in problem.ok:
            config = row.result.config
            name = format_value(config.axes["variant"]) if "variant" in config.tuning else problem.choice(config)
            known = found.setdefault(name, {}).get(at)
            if known is None or (row.result.time_s or 0) < (known[1].result.time_s or 0):
                found[name][at] = problem, row
    return {name: [at[size] for size in sorted(at)] for name, at in found.items()}
