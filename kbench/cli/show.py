"""kbench show: the newest results in the store."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kbench.cli import console
from kbench.cli.options import columns_option, json_option
from kbench.cli.results import profiles_in, reads

if TYPE_CHECKING:
    from kbench.reading.profiled import Profiles
    from kbench.record.store import KernelNote, Stored


@click.command("show")
@click.argument("configs", nargs=-1, metavar="[CONFIG|KEY]…")
@reads
@columns_option
@json_option
def command(
    rows: list[Stored], notes: dict[str, KernelNote], db: Path, columns: tuple[str, ...], as_json: bool, **_: Any
) -> None:
    """The newest result of each configuration on each device: all, or those named by id or key, or those filtered.

    \b
    Example:
      kbench show --kernel copy --dtype float16
      kbench show 3f2a91c0 --json
      kbench show --columns items_per_s,compile_s,memory_bytes
      kbench show --kernel copy --columns dram_bytes_read,l2_hit_rate,achieved_occupancy
    """
    if as_json:
        console.json([described(row) for row in rows])
    else:
        print_tables(rows, notes, columns, profiles_in(db) if columns else None)


def described(row: Stored) -> dict[str, Any]:
    """A row for --json: the flat values of an export, and the whole result under `result`."""
    from kbench.reading.export import flat

    return {**flat(row), "result": row.result}


def print_tables(
    rows: Sequence[Stored],
    notes: Mapping[str, KernelNote],
    columns: Sequence[str] = (),
    profiles: Profiles | None = None,
) -> None:
    """One table a problem on a terminal, then the size curves; one for all of them in a pipe. columns: further ones, by
    the names of an export or of what profilers count. Raises UsageError for one that does not exist."""
    from kbench.reading import asked, size_curves
    from kbench.reading.table import tables
    from kbench.reading.terminal import renderables, tsv

    names = asked.checked(columns, asked.of_rows(rows))
    found = asked.with_columns(tables(rows, notes), names, profiles)
    curves = size_curves.size_curves([table.problem for table in found.tables])
    if not sys.stdout.isatty():
        console.out("\n".join([tsv(found, names, profiles).rstrip("\n"), *size_curves.lines(curves)]))
        return
    from rich.console import Console

    terminal = Console()
    for part in [*renderables(found, terminal.width), *size_curves.table(curves)]:
        terminal.print(part)
