"""The rows of the report's table: text for people beside the values that it sorts by."""

from __future__ import annotations

from dataclasses import dataclass

from kbench.intent.config import format_value
from kbench.reading import units
from kbench.reading.problem import Problem
from kbench.reading.table import first_line, flagged, interval, tolerance
from kbench.record.store import Stored


@dataclass(frozen=True)
class Column:
    """title with the unit; hint: what it means; kind: "text" or "number"."""

    title: str
    hint: str = ""
    kind: str = "number"


COLUMNS = (
    Column("kernel", kind="text"),
    Column("problem", "axes that state what is to be done", "text"),
    Column("configuration", "axes that are being chosen", "text"),
    Column("status", kind="text"),
    Column("time", "robust centre of all samples"),
    Column("±95 %", "half width of the interval of the median"),
    Column("GB/s", "useful bytes over time; transfers: one way"),
    Column("% peak", "of the theoretical bandwidth of device memory"),
    Column("% roof", "of what this device was measured to do at this mix and size"),
    Column("GFLOP/s", "declared floating-point operations over time"),
    Column("bytes", "useful bytes of one execution"),
    Column("clock", "clock and cache state", "text"),
    Column("floor", "what the clock reads for an empty kernel; not subtracted"),
    Column("n", "samples"),
    Column("regs", "registers a thread"),
    Column("occ %", "theoretical occupancy"),
    Column("check", "output against its reference, and how exact", "text"),
    Column("device", kind="text"),
    Column("key", "short name of the configuration", "text"),
    Column("message", "why there is no time", "text"),
)


@dataclass(frozen=True)
class Line:
    """One row. config: its id. cells: (text, value to sort by or None), one a column."""

    config: str
    status: str
    kernel: str
    dtype: str
    device: str
    best: bool
    flagged: bool
    cells: tuple[tuple[str, float | None], ...]


def lines(problem: Problem) -> list[Line]:
    """All rows of a problem, the best first."""
    return [_line(problem, row) for row in problem.rows]


def _line(problem: Problem, row: Stored) -> Line:
    result, config = row.result, row.result.config
    return Line(
        config=config.id,
        status=result.status,
        kernel=config.kernel,
        dtype=format_value(config.axes.get("dtype", "")),
        device=result.device.label,
        best=row is problem.best,
        flagged=flagged(result),
        cells=_cells(problem, row),
    )


def _cells(problem: Problem, row: Stored) -> tuple[tuple[str, float | None], ...]:
    result, measured = row.result, row.result.measurement
    summary = measured.summary if measured else None
    registers = result.compiled.registers if result.compiled else None
    checks = result.checks
    mark = f"{'✓' if all(c.ok for c in checks) else '✗'} {tolerance(result)}" if checks else units.NONE
    width = (summary.high_s - summary.low_s) / 2 / summary.center_s if summary else None
    floor = measured.floor_s if measured else None
    return (
        (result.config.kernel, None),
        (problem.label, None),
        (problem.choice(result.config), None),
        (result.status.replace("_", " "), None),
        (units.duration(result.time_s), result.time_s),
        (interval(result), width),
        (units.rate(result.achieved_bytes_per_s), result.achieved_bytes_per_s),
        (units.percent(result.of_peak), result.of_peak),
        (units.percent(result.of_roof) + (" !" if flagged(result) else ""), result.of_roof),
        (units.rate(result.flops_per_s), result.flops_per_s),
        (
            units.size(result.traffic.useful_bytes) if result.traffic.useful_bytes else units.NONE,
            result.traffic.useful_bytes,
        ),
        (f"{measured.clock}, {measured.cache}" if measured else units.NONE, None),
        (units.duration(floor), floor),
        (str(summary.n) if summary else units.NONE, summary.n if summary else None),
        (units.NONE if registers is None else str(registers), registers),
        (units.NONE if result.occupancy is None else f"{result.occupancy * 100:.0f}", result.occupancy),
        (mark, None),
        (result.device.label, None),
        (row.key, None),
        (first_line(result.message) or units.NONE, None),
    )
