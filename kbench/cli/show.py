"""kbench show: the newest results in the store."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kbench.cli import console
from kbench.cli.options import columns_option, json_option
from kbench.cli.results import profiles_in, reads_profiles

if TYPE_CHECKING:
    from kbench.reading.profiled import Profiles
    from kbench.record.store import KernelNote, Stored, StoredProfile


@click.command("show")
@click.argument("configs", nargs=-1, metavar="[CONFIG|KEY|KERNEL.KEY]…")
@reads_profiles
@columns_option
@json_option
def command(
    rows: list[Stored],
    alone: list[StoredProfile],
    notes: dict[str, KernelNote],
    db: Path,
    columns: tuple[str, ...],
    as_json: bool,
    **_: Any,
) -> None:
    """The newest result of each configuration on each device: all, or those named by id or key, or those filtered.

    KERNEL.KEY is the name that profilers are shown. Results that are named come with what profilers said of them; a
    configuration that was profiled and never swept has nothing else to show. --columns key tells the keys.

    \b
    Example:
      kbench show --kernel copy --dtype float16
      kbench show 3f2a91c0 --json
      kbench show --columns items_per_s,compile_s,memory_bytes
      kbench show --kernel copy --columns dram_bytes_read,l2_hit_rate,achieved_occupancy
    """
    named = bool(click.get_current_context().params.get("configs"))
    alone = alone if named or not rows else []
    profiles = profiles_in(db) if columns or named else None
    if as_json:
        console.json([*(described(row, profiles if named else None) for row in rows), *map(_undescribed, alone)])
        return
    if rows:
        print_tables(rows, notes, columns, profiles if columns else None)
    if (named and profiles is not None) or alone:
        from kbench.cli.profiled import show_said

        show_said([profiles.of(row) for row in rows] if profiles is not None else [], alone)


def described(row: Stored, profiles: Profiles | None = None) -> dict[str, Any]:
    """A row for --json: the flat values of an export, the whole result under `result`, its profiles if asked for."""
    from kbench.reading.export import flat

    found = {**flat(row), "result": row.result}
    if profiles is not None:
        joined = profiles.of(row)
        found["profiles"] = [
            {"stale": kept in joined.stale, "profile": kept.profile} for kept in (*joined.fresh, *joined.stale)
        ]
    return found


def _undescribed(one: StoredProfile) -> dict[str, Any]:
    """A profile without a row, under the names of `described`."""
    profile = one.profile
    head = {"key": one.key, "config": profile.config.id, "kernel": profile.config.kernel, "status": None}
    return {**head, "device": profile.device.label, "profiles": [{"stale": None, "profile": profile}]}


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
