"""One table a problem, without a word on how it is drawn: columns, rows of text, a headline and notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kbench.experiment.result import Result, Summary
from kbench.experiment.stats import LEAST_KNOWN
from kbench.intent.config import format_value
from kbench.reading import sectors, units
from kbench.reading.problem import Problem, problems
from kbench.reading.standings import gap
from kbench.record.store import KernelNote, Stored

CLOCKS = (
    "Two clocks: a time of the host's contains launching and waiting for the GPU, one of its events does not. "
    "Compare across them with care."
)
OVER = "clearly above its measured roof: this did not all come from DRAM"
OVER_BY = 0.02  # two measurements of one roof differ by as much
NOISY_FROM = 0.05
NOISY = "noisy: the interval is wider than ±5 %, or centre and median differ by more than half of it"
FLOOR = "below or near its clock's floor: two thirds of it or more are what the clock reads for an empty kernel"
UNEVEN = "Not all rows declare the same bytes: rows are sorted by time; compare times, not GB/s"
MEANING = (
    "time (HL): the Hodges-Lehmann centre of all samples, less the clock's correction if it has one; ±95 %: half the "
    "width of that centre's own 95 % interval, in percent; none below 6 samples"
)


@dataclass(frozen=True)
class Column:
    """name: for programs; title: for people, with the unit."""

    name: str
    title: str
    right: bool = True


@dataclass(frozen=True)
class Row:
    """cells: text, one a column. flagged: above its measured roof. message: why there is no time, first line only."""

    stored: Stored
    cells: tuple[str, ...]
    best: bool = False
    tied: bool = False
    flagged: bool = False

    @property
    def status(self) -> str:
        return self.stored.result.status

    @property
    def message(self) -> str:
        return first_line(self.stored.result.message)


@dataclass(frozen=True)
class ProblemTable:
    """rows: timed and failed ones. skipped: (how many, why) of the others. headline: the answer in a sentence."""

    problem: Problem
    title: str
    headline: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    skipped: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Tables:
    """tables: problems with at least one timed or failed row. skipped: (kernel, how many, why) of the others."""

    tables: tuple[ProblemTable, ...]
    skipped: tuple[tuple[str, int, str], ...]


def tables(rows: Sequence[Stored], notes: Mapping[str, KernelNote] | None = None) -> Tables:
    """All problems of the rows, devices apart. notes: each kernel's naive variant and baselines (Store.notes())."""
    shown: list[ProblemTable] = []
    left_out: Counter[tuple[str, str]] = Counter()
    for problem in problems(rows, notes):
        if len(problem.skipped) < len(problem.rows):
            shown.append(_table(problem))
        else:
            left_out.update((problem.kernel, first_line(row.result.message)) for row in problem.rows)
    return Tables(tuple(shown), tuple((kernel, n, why) for (kernel, why), n in left_out.items()))


def headline(problem: Problem) -> str:
    """The best configuration, its bandwidth and share of the roof, and its gains."""
    best = problem.best
    if best is None:
        return f"none of {len(problem.rows)} configurations gave a time"
    result = best.result
    parts = [f"{units.rate(result.achieved_bytes_per_s)} GB/s"]
    if result.of_roof is not None:
        parts.append(f"{units.percent(result.of_roof)} % of its roof")
    if problem.gain is not None:
        parts.append(f"{units.factor(problem.gain)} {problem.naive_name}")
    if problem.baseline is not None:
        name = format_value(problem.baseline.result.config.axes.get("variant", "baseline"))
        parts.append(f"{units.factor(problem.baseline_gain)} the baseline {name}")
    text = f"best: {problem.choice(result.config)} ({', '.join(parts)})" + _doubt(problem, best)
    if not problem.ties:
        return text
    tied = problem.ties[0].result
    first = " ".join(filter(None, [problem.choice(tied.config), gap(tied, result)]))
    others = f" and {len(problem.ties) - 1} more" if len(problem.ties) > 1 else ""
    return f"{text}; tied with {first}{others}"


def _doubt(problem: Problem, best: Stored) -> str:
    """Where the best row is noisy: by how much, and how many others it cannot be told from; and where others have
    overtaken it."""
    measured = best.result.measurement
    if measured is None:
        return ""
    others = [r.result for r in problem.ok if r is not best]
    parts = []
    overtaken = sum(_overtook(other, measured.summary) for other in others)
    if noisy(best.result):
        slower = [r.measurement for r in others if r.measurement and (r.time_s or 0.0) >= (best.result.time_s or 0.0)]
        within = 0 if overtaken else sum(m.summary.low_s <= measured.summary.high_s for m in slower)
        may_be = f": {within} other{'s' * (within > 1)} may be as fast" if within else ""
        parts.append(f"; noisy ({interval(best.result).removesuffix(' ~')}){may_be}")
    if overtaken:
        parts.append(
            f"; the device slowed down while it was measured ({overtaken} that had stopped before have better times): "
            "measure again with --fresh"
        )
    return "".join(parts)


def _overtook(other: Result, best: Summary) -> bool:
    """Whether it was slower than the best in the rounds that they shared, and has better times all the same: the device
    has slowed down afterwards."""
    lost = other.standing is not None and other.standing.place in ("stopped", "behind")
    return lost and other.measurement is not None and other.measurement.summary.high_s * (1 + OVER_BY) < best.low_s


def first_line(message: str) -> str:
    return message.strip().splitlines()[0].strip() if message.strip() else ""


def interval(result: Result) -> str:
    """Half of the width of the centre's 95 % interval, in percent of the centre; marked where the row is noisy."""
    half = _half_width(result)
    return units.NONE if half is None else f"±{half * 100:.2f} %" + (" ~" if noisy(result) else "")


def _half_width(result: Result) -> float | None:
    """As a share of the centre; None below 6 samples, from which no 95 % interval can be had."""
    if result.measurement is None or not result.time_s or result.measurement.summary.n < LEAST_KNOWN:
        return None
    summary = result.measurement.summary
    return (summary.high_s - summary.low_s) / 2 / summary.center_s if summary.precision is None else summary.precision


def noisy(result: Result) -> bool:
    """A wide interval, or samples so lopsided (two modes, many outliers) that centre and median disagree."""
    half = _half_width(result)
    if half is None or result.measurement is None:
        return False
    summary = result.measurement.summary
    apart = abs(summary.center_s - summary.median_s) - result.measurement.tick_s / 2  # a median lies on a tick
    return half > NOISY_FROM or apart > half * summary.center_s


def near_floor(result: Result) -> bool:
    """Below its clock's floor, or so near to it that the time says little."""
    return result.measurement is not None and result.measurement.near_floor


def time(result: Result) -> str:
    return units.duration(result.time_s) + (" ‡" if near_floor(result) else "")


def submitted(result: Result) -> float | None:
    """The median of the time until the host had submitted it all; the row's own time runs until all was done."""
    submits = sorted(result.measurement.submit_s) if result.measurement else []
    return submits[len(submits) // 2] if submits else None


def clock(result: Result, problem: Problem) -> str:
    """Clock and cache state, marked where the best row of the problem was timed by another clock."""
    measured = result.measurement
    if measured is None:
        return units.NONE
    return f"{measured.clock}, {measured.cache}" + (" †" if measured.clock != problem.clock and problem.clock else "")


def _roof(result: Result) -> str:
    return units.percent(result.of_roof) + (" !" if flagged(result) else "")


def flagged(result: Result) -> bool:
    """Above its measured roof by more than roofs repeat."""
    return result.of_roof is not None and result.of_roof > 1 + OVER_BY


def _check(result: Result) -> str:
    if not result.checks:
        return units.NONE
    return "✓" if all(check.ok for check in result.checks) else "✗"


def tolerance(result: Result) -> str:
    """The tolerance of all outputs, or that of each where they differ."""
    if len({check.tolerance for check in result.checks}) > 1:
        return "; ".join(f"{check.output}: {check.tolerance}" for check in result.checks)
    return result.checks[0].tolerance if result.checks else units.NONE


def _number(value: float | None) -> str:
    return units.NONE if value is None else f"{value:g}"


_COLUMNS: tuple[tuple[Column, Callable[[Result], str]], ...] = (
    (Column("time", "time (HL)"), time),
    (Column("interval", "±95 %"), interval),
    (Column("submit", "submit"), lambda r: units.duration(submitted(r))),
    (Column("gbps", "GB/s"), lambda r: units.rate(r.achieved_bytes_per_s)),
    (Column("gflops", "GFLOP/s"), lambda r: units.rate(r.flops_per_s)),
    (Column("of_peak", "% peak"), lambda r: units.percent(r.of_peak)),
    (Column("of_roof", "% roof"), _roof),
    (Column("of_roof_sectors", "% roof, sectors"), lambda r: units.percent(sectors.of_roof(r))),
    (Column("clock", "clock", right=False), lambda r: units.NONE),  # the problem knows, see _table
    (Column("floor", "floor"), lambda r: units.duration(r.measurement.floor_s if r.measurement else None)),
    (Column("samples", "n"), lambda r: _number(r.measurement.summary.n if r.measurement else None)),
    (Column("registers", "regs"), lambda r: _number(r.compiled.registers if r.compiled else None)),
    (Column("occupancy", "occ %"), lambda r: _number(None if r.occupancy is None else round(r.occupancy * 100))),
    (Column("check", "ok", right=False), _check),
    (Column("tolerance", "tolerance", right=False), tolerance),
)


def _titled(column: Column, problem: Problem) -> Column:
    """Where the host's submitting was timed too, a time is that until completion."""
    apart = column.name == "time" and all(submitted(row.result) is not None for row in problem.ok) and problem.ok
    return Column(column.name, "completion (HL)") if apart else column


def _table(problem: Problem) -> ProblemTable:
    axes = tuple(Column(name, name, right=False) for name in problem.tuning)
    rows = []
    for stored in problem.rows:
        result = stored.result
        if result.status == "skipped":
            continue
        values = result.config.axes
        named = tuple(format_value(values[c.name]) if c.name in values else units.NONE for c in axes)
        told = tuple(clock(result, problem) if c.name == "clock" else cell(result) for c, cell in _COLUMNS)
        cells = named + told
        rows.append(Row(stored, cells, stored is problem.best, stored in problem.ties, flagged(result)))
    reasons = Counter(first_line(row.result.message) for row in problem.skipped)
    return ProblemTable(
        problem=problem,
        title=f"{problem.name} on {problem.device.label}",
        headline=headline(problem),
        columns=axes + tuple(_titled(column, problem) for column, _ in _COLUMNS),
        rows=tuple(rows),
        skipped=tuple((n, why) for why, n in reasons.most_common()),
    )
