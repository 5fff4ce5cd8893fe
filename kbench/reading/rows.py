"""The rows of the report's table, as text and packed for its script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kbench.intent.config import format_value
from kbench.reading import sectors, units
from kbench.reading.problem import Problem
from kbench.reading.table import FLOOR, NOISY, clock, first_line, flagged, interval, submitted, time, tolerance
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
    Column("time (Hodges-Lehmann)", f"the Hodges-Lehmann centre of all samples, until all is done. ‡ {FLOOR}"),
    Column("±95 %", f"half the width of that centre's 95 % interval, over the centre. ~ {NOISY}"),
    Column("submit", "median time until the host had submitted it all; the time runs on until all is done"),
    Column("GB/s", "useful bytes over time; transfers: one way"),
    Column("% peak", "of the theoretical bandwidth of device memory"),
    Column("% roof", "of what this device was measured to do at this mix and size"),
    Column("% roof, sectors", sectors.EXPLAINED),
    Column("roof", "the measured ceiling that the row is held against, GB/s", "text"),
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
    """One row. problem, chosen: the two halves of its configuration's id, "dtype=float16,n=4" and "variant=uint4".
    marks: "best", "flagged". cells: text, one a column. anchor: where the page tells what profilers said, or ""."""

    status: str
    kernel: str
    dtype: str
    device: str
    problem: str
    chosen: str
    marks: str
    cells: tuple[str, ...]
    anchor: str = ""


def lines(problem: Problem, anchors: Mapping[int, str] | None = None) -> list[Line]:
    """All rows of a problem, the best first. anchors: of profiled rows, by their ids in the store."""
    return [_line(problem, row, (anchors or {}).get(row.id, "")) for row in problem.rows]


def _line(problem: Problem, row: Stored, anchor: str) -> Line:
    result, config = row.result, row.result.config
    marks = {"best": row is problem.best, "flagged": flagged(result)}
    chosen = {name: value for name, value in config.axes.items() if name in config.tuning}
    return Line(
        status=result.status,
        kernel=config.kernel,
        dtype=format_value(config.axes.get("dtype", "")),
        device=result.device.label,
        problem=config.problem.removeprefix(config.kernel)[1:-1],
        chosen=",".join(f"{name}={format_value(value)}" for name, value in chosen.items()),
        marks=" ".join(mark for mark, there in marks.items() if there),
        cells=_cells(problem, row),
        anchor=anchor,
    )


def _cells(problem: Problem, row: Stored) -> tuple[str, ...]:
    result, measured = row.result, row.result.measurement
    checks, moved, roof = result.checks, result.traffic.useful_bytes, result.roof
    mark = f"{'✓' if all(c.ok for c in checks) else '✗'} {tolerance(result)}" if checks else units.NONE
    return (
        result.config.kernel,
        problem.label,
        problem.choice(result.config),
        result.status.replace("_", " "),
        time(result),
        interval(result),
        units.duration(submitted(result)),
        units.rate(result.achieved_bytes_per_s),
        units.percent(result.of_peak),
        units.percent(result.of_roof) + (" !" if flagged(result) else ""),
        units.percent(sectors.of_roof(result)),
        f"{roof.kind} {units.rate(roof.value)}" if roof and roof.unit == "B/s" else units.NONE,
        units.rate(result.flops_per_s),
        units.size(moved) if moved else units.NONE,
        clock(result, problem),
        units.duration(measured.floor_s if measured else None),
        _whole(measured.summary.n if measured else None),
        _whole(result.compiled.registers if result.compiled else None),
        _whole(None if result.occupancy is None else round(result.occupancy * 100)),
        mark,
        result.device.label,
        row.key,
        first_line(result.message) or units.NONE,
    )


def _whole(value: int | None) -> str:
    return units.NONE if value is None else str(value)


def packed(found: Sequence[Line], shown: Sequence[int]) -> dict[str, Any]:
    """Rows as columns for the page's script, each text written once: it draws the table and sorts it by what it shows.

    columns: {title, hint, number, values, at}; row i of a column is values[at[i]]. status, kernel, dtype, device,
    problem, chosen, marks, anchor: the same without a title.
    """
    columns = [
        {"title": COLUMNS[i].title, "hint": COLUMNS[i].hint, "number": COLUMNS[i].kind == "number"}
        | _once([line.cells[i] for line in found])
        for i in shown
    ]
    hidden = ("status", "kernel", "dtype", "device", "problem", "chosen", "marks", "anchor")
    return {"columns": columns} | {name: _once([getattr(line, name) for line in found]) for name in hidden}


def _once(texts: Sequence[str]) -> dict[str, Any]:
    place = {text: index for index, text in enumerate(dict.fromkeys(texts))}
    return {"values": list(place), "at": [place[text] for text in texts]}
