"""Tables for a terminal (rich) and for a pipe (tab-separated). Nothing is printed here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kbench.reading import sectors, units
from kbench.reading.export import columns, flat
from kbench.reading.table import CLOCKS, MEANING, OVER, ProblemTable, Row, Tables

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

# What is the same for every row of a table is said once beneath it.
_FOLDED = {"clock": "clock", "floor": "floor", "samples": "samples", "tolerance": "tolerance"}
_WRAPPED = {"tolerance", "interval", "of_roof_sectors"}

_PIPED = (
    "status", "time_s", "low_s", "high_s", "achieved_bytes_per_s", "of_peak", "of_roof", "of_roof_sectors",
    "flops_per_s", "submit_s", "clock", "cache", "floor_s", "samples", "registers", "occupancy", "checked", "tolerance",
    "key", "message",
)  # fmt: skip


def renderables(found: Tables) -> list[RenderableType]:
    """What a rich Console prints, in order: title, table, notes and headline of each problem, then what was skipped."""
    from rich.markup import escape
    from rich.text import Text

    parts: list[RenderableType] = []
    for table in found.tables:
        parts.append(Text(table.title, style="bold"))
        if any(row.status == "ok" for row in table.rows):
            parts.append(_rich(table))
        parts += [Text.from_markup(note) for note in _notes(table)]
        parts.append(Text.from_markup(f"[bold green]→[/] {escape(table.headline)}\n"))
    if any(_timed(table) for table in found.tables):
        parts.append(Text(MEANING, style="dim"))
    for kernel, n, why in found.skipped:
        parts.append(Text.from_markup(f"[dim]{escape(kernel)}: {n} more skipped: {escape(why)}[/]"))
    return parts


def tsv(found: Tables) -> str:
    """One header, then a row a configuration in the order of the tables; SI values under the names of an export."""
    rows = [flat(row.stored) for table in found.tables for row in table.rows]
    rows += [flat(row) for table in found.tables for row in table.problem.skipped]
    axes = [name for name in columns(rows) if name.startswith("axis.")]
    names = ("device", "kernel", *axes, *_PIPED)
    lines = ["\t".join(name.removeprefix("axis.") for name in names)]
    lines += ["\t".join(_plain(row.get(name)) for name in names) for row in rows]
    if found.skipped:
        lines += [f"# {kernel}: {n} more skipped: {_plain(why)}" for kernel, n, why in found.skipped]
    return "\n".join(lines) + "\n"


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.7g}"
    return " ".join(str(value).split())


def _timed(table: ProblemTable) -> list[Row]:
    return [row for row in table.rows if row.status == "ok"]


def _shown(table: ProblemTable) -> tuple[list[int], dict[str, str]]:
    """Indices of the columns to draw (those that say something), and what is the same throughout."""
    indices, same = [], {}
    for index, column in enumerate(table.columns):
        values = {row.cells[index] for row in _timed(table)}
        if values == {units.NONE}:
            continue
        if column.name in _FOLDED and len(values) == 1:
            same[column.name] = values.pop()
        else:
            indices.append(index)
    return indices, same


def _rich(table: ProblemTable) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    indices, _ = _shown(table)
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for index in indices:
        column = table.columns[index]
        drawn.add_column(column.title, justify="right" if column.right else "left", no_wrap=column.name not in _WRAPPED)
    for row in _timed(table):
        style = "bold green" if row.best else "green" if row.tied else ""
        cells = [
            Text(row.cells[i], style="bold yellow" if row.flagged and "!" in row.cells[i] else style) for i in indices
        ]
        drawn.add_row(*cells)
    return drawn


def _notes(table: ProblemTable) -> Iterable[str]:
    """Lines of rich markup under a table."""
    from rich.markup import escape

    _, same = _shown(table)
    if same and _timed(table):
        yield "[dim]" + escape(" · ".join(f"{_FOLDED[name]} {value}" for name, value in same.items())) + "[/]"
    if any(row.flagged for row in table.rows):
        yield f"[yellow]! {OVER}[/]"
    if any(sectors.of_roof(row.stored.result) is not None for row in _timed(table)):
        yield f"[dim]{escape(sectors.EXPLAINED)}[/]"
    if table.problem.clocks > 1:
        yield f"[yellow]† {CLOCKS}[/]"
    for row in table.rows:
        if row.status != "ok":
            choice = table.problem.choice(row.stored.result.config)
            yield f"[red]✗ {escape(choice)}: {row.status.replace('_', ' ')}[/] {escape(row.message)}"
    for n, why in table.skipped:
        yield f"[dim]{n} skipped: {escape(why)}[/]"
