"""Columns on request: any name of an export, in a table for people with a readable title and unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from kbench.errors import UsageError, did_you_mean
from kbench.experiment.result import Result
from kbench.intent.config import Config
from kbench.intent.plan import Plan
from kbench.machine.device import DeviceInfo
from kbench.profiling.metrics import KINDS
from kbench.reading import counted, units
from kbench.reading.export import flat
from kbench.reading.profiled import Profiles
from kbench.reading.table import Column, ProblemTable, Row, Tables
from kbench.record.store import Stored

# The ending of a name is its unit: (ending, what a title has instead, how a value is shown). The first that fits holds.
_UNITS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("bytes_per_s", " GB/s", units.rate),
    ("flops_per_s", " GFLOP/s", units.rate),
    ("joules_per_gb", "J/GB", units.digits),
    ("_per_s", " 1e6/s", lambda value: units.digits(value / 1e6)),
    ("_per_byte", "/B", units.digits),
    ("_bytes", "", units.size),
    ("nbytes", " size", units.size),
    ("_hz", " MHz", lambda value: f"{value / 1e6:.0f}"),
    ("_c", " °C", lambda value: f"{value:.0f}"),
    ("_w", " W", lambda value: f"{value:.0f}"),
    ("_j", " J", units.digits),
    ("_s", "", units.duration),
    ("of_peak", "% peak", units.percent),
    ("of_roof", "% roof", units.percent),
    ("gap", "gap %", lambda value: f"{value * 100:+.2f}"),
    ("spread", "spread %", lambda value: f"{value * 100:.2f}"),
)


def of_plan(plan: Plan) -> set[str]:
    """The names that the rows of a plan will have: their axes and rates of items, besides those of all rows."""
    axes = {f"axis.{name}" for planned in plan.configs for name in planned.config.axes}
    return axes | {f"{name}_per_s" for planned in plan.configs for name in planned.traffic.items}


def of_rows(rows: Iterable[Stored]) -> set[str]:
    """The names of stored rows, and what profilers may have counted of them: `metric.NAME`."""
    return {name for row in rows for name in flat(row)} | {f"metric.{name}" for name in KINDS}


def checked(names: Sequence[str], there: Iterable[str]) -> tuple[str, ...]:
    """The names as an export has them; `axis.` and `metric.` may be left away where no other name is meant then. there:
    names besides those that all rows have. Raises UsageError for one that no row can have."""
    nothing = Result(Config("", {}), "ok", DeviceInfo("", "", "", "", ""))
    every = (*sorted(there, reverse=True), *flat(Stored(0, 0, "", "", nothing)))
    known = {_bare(name): name for name in every} | {name: name for name in every if name.startswith("metric.")}
    wanted = [name.removeprefix("axis.") for name in names]
    for name in wanted:
        if name not in known:
            once = {other for other in known if _bare(other) == other or _bare(other) not in known}
            near = did_you_mean(name, once)
            where = "; kbench export and kbench export --what profiles have their names" if "known:" in near else ""
            raise UsageError(f"no column {name!r}{near}{where}")
    return tuple(dict.fromkeys(known[name] for name in wanted))


def _bare(name: str) -> str:
    return name.removeprefix("axis.").removeprefix("metric.")


def with_columns(found: Tables, names: Sequence[str], profiles: Profiles | None = None) -> Tables:
    """The tables with these columns at the end; those that a table has already are not repeated. profiles: where
    metrics come from."""
    return replace(found, tables=tuple(_widened(table, names, profiles) for table in found.tables))


def _widened(table: ProblemTable, names: Sequence[str], profiles: Profiles | None) -> ProblemTable:
    have = {column.name for column in table.columns}
    new = [name for name in names if name.removeprefix("axis.") not in have]
    values = [flat(row.stored, profiles) for row in table.rows]
    columns = tuple(Column(name, title(name), right=_is_number(name, values)) for name in new)
    rows = tuple(_row(row, [shown(name, value.get(name)) for name in new])
                 for row, value in zip(table.rows, values, strict=True))  # fmt: skip
    return replace(table, columns=table.columns + columns, rows=rows)


def _row(row: Row, cells: list[str]) -> Row:
    return replace(row, cells=row.cells + tuple(cells))


def _is_number(name: str, values: Sequence[dict[str, Any]]) -> bool:
    return all(isinstance(value.get(name), int | float | None) for value in values)


def title(name: str) -> str:
    """compile_s -> compile; tokens_per_s -> tokens/s; joules_per_gb -> J/GB; axis.n -> n; metric.waves -> waves."""
    if name.startswith("metric."):
        return counted.title(name.removeprefix("metric."))
    name = name.removeprefix("axis.")
    for ending, instead, _ in _UNITS:
        if name.endswith(ending):
            return (name.removesuffix(ending).replace("_", " ").strip() + instead).strip()
    return name.replace("_", " ")


def shown(name: str, value: Any) -> str:
    if value is None or value == "":
        return units.NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.startswith("metric."):
        return counted.cell(name.removeprefix("metric."), value)
    if isinstance(value, int | float) and not name.startswith("axis."):
        for ending, _, show in _UNITS:
            if name.endswith(ending):
                return show(value)
        return f"{value:g}"
    return " ".join(str(value).split())
