"""kbench export: the newest results and what profilers said of them, as CSV or JSON, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kbench.cli import console
from kbench.cli.options import metrics_option
from kbench.cli.results import measured, profiles_in, reads_profiles
from kbench.errors import UsageError

if TYPE_CHECKING:
    from kbench.record.store import Stored, StoredProfile


@click.command("export")
@reads_profiles
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "json"]), default="csv", show_default=True)
@click.option(
    "--what",
    type=click.Choice(["results", "profiles", "findings"]),
    default="results",
    show_default=True,
    help="A row a configuration, a metric of a profiler, or a finding of a sanitizer.",
)
@metrics_option
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write here instead of to standard output.")  # fmt: skip
def command(
    rows: list[Stored],
    alone: list[StoredProfile],
    db: Path,
    form: str,
    what: str,
    columns: tuple[str, ...],
    output: Path | None,
    **_: Any,
) -> None:
    """One flat row a configuration: SI values, the unit in each name, an axis as axis.NAME. With --what profiles one
    row a metric of each configuration that was profiled, whether it was swept or not.

    \b
    Example:
      kbench export --kernel transpose --format csv --output transpose.csv
      kbench export --kernel copy --columns dram_bytes_read,dram_bytes_written
      kbench export --what profiles --format jsonl
    """
    text = _text(rows, alone, db, form, what, columns)
    if output is None:
        console.out(text.rstrip("\n"))
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error
    profiled = f"the {what} of {len(rows)} results" + f" and of {len(alone)} profiles without one" * bool(alone)
    told = f"{len(rows)} results" if what == "results" else profiled
    console.say(f"{told} written to {output}")


def _text(
    rows: list[Stored], alone: list[StoredProfile], db: Path, form: str, what: str, columns: tuple[str, ...]
) -> str:
    from kbench.reading import asked, metric_rows
    from kbench.reading.export import export

    if what == "results":
        measured(rows, db)
        names = asked.checked(columns, asked.of_rows(rows)) if columns else ()
        return export(rows, form, asked=names, profiles=profiles_in(db) if names else None)
    if columns:
        raise UsageError(f"--columns adds to results; with --what {what} the columns are always the same")
    return (metric_rows.metrics if what == "profiles" else metric_rows.findings)(rows, profiles_in(db), form, alone)
