"""Tables for a terminal (rich) and for a pipe (tab-separated). Nothing is printed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kbench.reading import sectors, units
from kbench.reading.export import columns, flat
from kbench.reading.profiled import Profiles
from kbench.reading.table import (
    CLOCKS,
    FLOOR,
    MEANING,
    NOISY,
    OVER,
    UNEVEN,
    ProblemTable,
    Row,
    Tables,
    near_floor,
    noisy,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

# What is the same for every row of a table is said once beneath it.
_FOLDED = {"clock": "clock", "floor": "floor", "samples": "samples", "tolerance": "tolerance"}
_WRAPPED = {"tolerance", "of_roof_sectors"}
# What goes first where a table is wider than the terminal; the rest is what a row is about.
_SPARED = ("tolerance", "occupancy", "registers", "samples", "check", "clock", "floor", "of_roof_sectors", "gflops",
           "of_peak", "submit", "interval", "of_roof")  # fmt: skip
_GAP = 3

_PIPED = (
    "status", "time_s", "low_s", "high_s", "noisy", "near_floor", "achieved_bytes_per_s", "of_peak", "of_roof",
    "of_roof_sectors", "above_roof", "flops_per_s", "submit_s", "clock", "cache", "floor_s", "samples", "registers",
    "occupancy", "checked", "tolerance", "key", "message",
)  # fmt: skip


_ALWAYS = ("device", "kernel", "status", "time_s")


def renderables(found: Tables, width: int = 120) -> list[RenderableType]:
    """What a rich Console of so many characters prints, in order: title, table, notes and headline of each problem,
    then what was skipped."""
    from rich.markup import escape
    from rich.text import Text

    parts: list[RenderableType] = []
    for table in found.tables:
        parts.append(Text(table.title, style="bold"))
        if any(row.status == "ok" for row in table.rows):
            parts.append(_rich(table, width))
        parts += [Text.from_markup(note) for note in _notes(table, width)]
        parts.append(Text.from_markup(f"[bold green]→[/] {escape(table.headline)}\n"))
    if any(_timed(table) for table in found.tables):
        parts.append(Text(MEANING, style="dim"))
    for kernel, n, why in found.skipped:
        parts.append(Text.from_markup(f"[dim]{escape(kernel)}: {n} more skipped: {escape(why)}[/]"))
    return parts


def tsv(found: Tables, asked: Sequence[str] = (), profiles: Profiles | None = None) -> str:
    """One header, then a row a configuration in the order of the tables; SI values under the names of an export.
    Columns that no row has a value for are left out, beside those of _ALWAYS and those asked for. profiles: where
    metrics that were asked for come from."""
    rows = [flat(row.stored, profiles) for table in found.tables for row in table.rows]
    rows += [flat(row, profiles) for table in found.tables for row in table.problem.skipped]
    axes = [name for name in columns(rows) if name.startswith("axis.")]
    every = dict.fromkeys(("device", "kernel", *axes, *_PIPED, *asked))
    always = {*_ALWAYS, *asked}
    names = [n for n in every if n in always or any(row.get(n) not in (None, "") for row in rows)]
    lines = ["\t".join(_head(name, names) for name in names)]
    lines += ["\t".join(_plain(row.get(name)) for name in names) for row in rows]
    if found.skipped:
        lines += [f"# {kernel}: {n} more skipped: {_plain(why)}" for kernel, n, why in found.skipped]
    return "\n".join(lines) + "\n"


def _head(name: str, names: Sequence[str]) -> str:
    """Without the kind of name in front, unless another column has the rest of it."""
    bare = name.removeprefix("axis.").removeprefix("metric.")
    return name if name.startswith("metric.") and bare in names else bare


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


def _fitting(table: ProblemTable, width: int) -> tuple[list[int], list[str]]:
    """The columns to draw in so many characters, and the titles of those that are spared for lack of room."""
    indices, _ = _shown(table)
    spared = []
    for name in _SPARED:
        if _width(table, indices) <= width:
            break
        index = next((i for i in indices if table.columns[i].name == name), None)
        if index is not None:
            indices.remove(index)
            spared.append(table.columns[index].title)
    return indices, spared


def _width(table: ProblemTable, indices: list[int]) -> int:
    from rich.cells import cell_len

    total = _GAP * (len(indices) - 1)
    for index in indices:
        column = table.columns[index]
        title = column.title.split() if column.name in _WRAPPED else [column.title]
        cells = [row.cells[index] for row in _timed(table)]
        total += max(map(cell_len, [*title, *cells]))
    return total


def _rich(table: ProblemTable, width: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    indices, _ = _fitting(table, width)
    fits = _width(table, indices) <= width
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for index in indices:
        column = table.columns[index]
        # Where even that is too wide, cells are folded: nothing is cut.
        whole = fits and column.name not in _WRAPPED
        drawn.add_column(column.title, justify="right" if column.right else "left", no_wrap=whole, overflow="fold")
    for row in _timed(table):
        style = "bold green" if row.best else "green" if row.tied else ""
        cells = [
            Text(row.cells[i], style="bold yellow" if row.flagged and "!" in row.cells[i] else style) for i in indices
        ]
        drawn.add_row(*cells)
    return drawn


def _notes(table: ProblemTable, width: int) -> Iterable[str]:
    """Lines of rich markup under a table."""
    from rich.markup import escape

    _, same = _shown(table)
    if same and _timed(table):
        yield "[dim]" + escape(" · ".join(f"{_FOLDED[name]} {value}" for name, value in same.items())) + "[/]"
    spared = _fitting(table, width)[1] if _timed(table) else []
    if spared:
        yield f"[dim]no room for: {escape(', '.join(spared))}; `kbench export` has everything[/]"
    if any(noisy(row.stored.result) for row in _timed(table)):
        yield f"[yellow]~ {NOISY}[/]"
    if any(near_floor(row.stored.result) for row in _timed(table)):
        yield f"[yellow]‡ {FLOOR}[/]"
    if table.problem.uneven:
        yield f"[yellow]{UNEVEN}[/]"
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
