"""kbench show: the newest results in the store."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from kbench.cli import console
from kbench.cli.options import json_option
from kbench.cli.results import reads

if TYPE_CHECKING:
    from kbench.record.store import KernelNote, Stored


@click.command("show")
@click.argument("configs", nargs=-1, metavar="[CONFIG|KEY]…")
@reads
@json_option
def command(rows: list[Stored], notes: dict[str, KernelNote], as_json: bool, **_: Any) -> None:
    """The newest result of each configuration on each device: all, or those named by id or key, or those filtered.

    \b
    Example:
      kbench show --kernel copy --dtype float16
      kbench show 3f2a91c0 --json
    """
    if as_json:
        console.json([described(row) for row in rows])
    else:
        print_tables(rows, notes)


def described(row: Stored) -> dict[str, Any]:
    """A row for --json: the flat values of an export, and the whole result under `result`."""
    from kbench.reading.export import flat

    return {**flat(row), "result": row.result}


def print_tables(rows: Sequence[Stored], notes: Mapping[str, KernelNote]) -> None:
    """One table a problem on a terminal; one for all of them in a pipe."""
    from kbench.reading.table import tables
    from kbench.reading.terminal import renderables, tsv

    found = tables(rows, notes)
    if not sys.stdout.isatty():
        console.out(tsv(found).rstrip("\n"))
        return
    from rich.console import Console

    terminal = Console()
    for part in renderables(found, terminal.width):
        terminal.print(part)
