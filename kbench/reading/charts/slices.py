"""Which problems are worth a chart: those that compare most variants over most sizes and configurations come first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log2

from kbench.intent.config import Value, format_value
from kbench.reading.problem import Problem, worded
from kbench.record.store import Stored

_NEARLY = 2 / 3  # of the most variants and configurations: as good a comparison as the best one

Points = dict[str, list[tuple[Problem, Stored]]]


@dataclass(frozen=True)
class Facet:
    """Problems that differ in size alone. size: the axis along x, None for useful bytes. label: what sets them apart
    from the kernel's other problems ("dtype float16"), or ""."""

    size: str | None
    label: str
    problems: tuple[Problem, ...]

    def x(self, problem: Problem) -> float:
        return float(problem.axes[self.size]) if self.size else float(useful(problem))

    @property
    def sizes(self) -> int:
        return len({self.x(problem) for problem in self.problems})

    @property
    def points(self) -> Points:
        """For each series its fastest row at each size, by rising size."""
        found: dict[str, dict[float, tuple[Problem, Stored]]] = {}
        for problem in self.problems:
            for label, row in fastest(problem.ok).items():
                at, x = found.setdefault(label, {}), self.x(problem)
                if x not in at or _rate(row) > _rate(at[x][1]):
                    at[x] = problem, row
        return {label: [at[x] for x in sorted(at)] for label, at in found.items()}


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


def curves(problems: Sequence[Problem]) -> tuple[Facet, ...]:
    """The slices along a numeric axis with two sizes or more, the most telling first.

    A slice tells more with more series of two points or more, then with more points, then with more configurations.
    The best slice along each axis leads, with those beside it that differ in a name alone (the other direction, the
    other data type). Slices of two sizes are left away where others have more; where no axis makes a curve, the useful
    bytes are the size.
    """
    numeric = [name for name in _names(problems) if _numeric(problems, name) and _varies(problems, name)]
    every = _once([facet for name in numeric for facet in _slices(problems, name) if facet.sizes > 1])
    every = every or [facet for facet in _slices(problems, None) if facet.sizes > 1]
    every.sort(key=_told, reverse=True)
    leading = [facet for facet in every if facet.sizes > 2] or every
    first: list[Facet] = []
    for axis in dict.fromkeys(facet.size for facet in leading):
        best = next(facet for facet in leading if facet.size == axis)
        equals = [f for f in every if f.size == axis and _told(f)[:3] == _told(best)[:3] and _beside(f, best)]
        first += [best, *equals]
    rest = [facet for facet in leading if facet not in first]
    return tuple(first + sorted(rest, key=lambda facet: not any(_beside(facet, other) for other in first)))


def comparisons(problems: Sequence[Problem]) -> list[Problem]:
    """The problems in which two series or more meet, those with most of them and most configurations first; of the
    nearly equal ones the largest, each followed by those that differ from it in a name alone; then what differs from
    one of them in a name alone."""
    met = [problem for problem in problems if len(fastest(problem.ok)) > 1]
    series = max((len(fastest(problem.ok)) for problem in met), default=0)
    configurations = max((len(problem.ok) for problem in met), default=0)

    def order(problem: Problem) -> tuple[float, ...]:
        own, count = len(fastest(problem.ok)), len(problem.ok)
        leads = own >= _NEARLY * series and count >= _NEARLY * configurations
        return leads, *((0, 0) if leads else (own, _magnitude(count))), useful(problem), _spread(problem)

    ranked = sorted(((order(problem), problem) for problem in met), key=lambda pair: pair[0], reverse=True)
    leaders: list[Problem] = []
    others: list[tuple[bool, Problem]] = []
    while ranked:
        rank, best = ranked.pop(0)
        alike = [pair for pair in ranked if pair[0][:3] == rank[:3] and _names_apart(pair[1], best)]
        ranked = [pair for pair in ranked if pair not in alike]
        group = [best, *(problem for _, problem in alike)]
        if rank[0]:
            leaders += group
        else:
            others += [(not any(_names_apart(problem, leader) for leader in leaders), problem) for problem in group]
    return leaders + [problem for _, problem in sorted(others, key=lambda pair: pair[0])]


def _told(facet: Facet) -> tuple[float, ...]:
    """What a slice shows. Counts by their power of two: a point more does not make a better chart."""
    lines = [points for points in facet.points.values() if len(points) > 1]
    points = sum(map(len, lines))
    rows = sum(len(problem.ok) for problem in facet.problems)
    return len(lines), _magnitude(points), _magnitude(rows), useful(facet.problems[-1])


def _magnitude(count: int) -> int:
    return round(log2(count)) if count else 0


def _spread(problem: Problem) -> float:
    times = [row.result.time_s or 0.0 for row in fastest(problem.ok).values()]
    return max(times) / min(times)


def _beside(facet: Facet, other: Facet) -> bool:
    """Whether two slices differ in axes with names alone."""
    same = facet is not other and facet.size == other.size
    return same and _names_apart(facet.problems[0], other.problems[0], facet.size)


def _names_apart(one: Problem, other: Problem, but: str | None = None) -> bool:
    """Whether two problems differ in axes with names (a data type, a direction) alone."""
    names = (one.axes.keys() | other.axes.keys()) - {but}
    return all(one.axes.get(n) == other.axes.get(n) or isinstance(one.axes.get(n), str) for n in names)


def _slices(problems: Sequence[Problem], size: str | None) -> list[Facet]:
    """Apart from the size axis and the axes that merely follow it, equal axes make a slice."""
    apart = [name for name in _names(problems) if name != size and not _follows(problems, name, size)]
    groups: dict[str, list[Problem]] = {}
    for problem in problems:
        if size is None or size in problem.axes:
            words = [f"{n} {worded(problem.axes[n], n)}" for n in apart if n in problem.axes and _varies(problems, n)]
            groups.setdefault(" · ".join(words), []).append(problem)
    facets = [Facet(size, label, tuple(group)) for label, group in groups.items()]
    return [Facet(size, facet.label, tuple(sorted(facet.problems, key=facet.x))) for facet in facets]


def _once(facets: Sequence[Facet]) -> list[Facet]:
    """Without slices of the same problems along an axis that follows another one."""
    return list({tuple(sorted(p.name for p in facet.problems)): facet for facet in reversed(facets)}.values())[::-1]


def _names(problems: Sequence[Problem]) -> list[str]:
    return list(dict.fromkeys(name for problem in problems for name in problem.axes))


def _numeric(problems: Sequence[Problem], name: str) -> bool:
    values = [problem.axes[name] for problem in problems if name in problem.axes]
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _varies(problems: Sequence[Problem], name: str) -> bool:
    return len({problem.axes.get(name) for problem in problems}) > 1


def _follows(problems: Sequence[Problem], name: str, size: str | None) -> bool:
    """Whether a numeric axis grows with the size (columns of square matrices), or the size is the bytes it makes."""
    if not _numeric(problems, name):
        return False
    if size is None:
        return True
    pairs: set[tuple[Value, Value]] = {
        (problem.axes[size], problem.axes[name])
        for problem in problems
        if size in problem.axes and name in problem.axes
    }
    ordered = sorted(pairs, key=lambda pair: float(pair[0]))
    return all(float(a[0]) < float(b[0]) and float(a[1]) < float(b[1]) for a, b in pairwise(ordered))


def _rate(row: Stored) -> float:
    return row.result.achieved_bytes_per_s or 0.0
