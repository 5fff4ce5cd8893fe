"""kbench export: the newest results as CSV or JSON, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kbench.cli import console
from kbench.cli.results import reads
from kbench.errors import UsageError

if TYPE_CHECKING:
    from kbench.record.store import Stored


@click.command("export")
@reads
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "json"]), default="csv", show_default=True)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write here instead of to standard output.")  # fmt: skip
def command(rows: list[Stored], form: str, output: Path | None, **_: Any) -> None:
    """One flat row a configuration: SI values, the unit in each name, an axis as axis.NAME.

    \b
    Example:
      kbench export --kernel transpose --format csv --output transpose.csv
    """
    from kbench.reading.export import export

    text = export(rows, form)
    if output is None:
        console.out(text.rstrip("\n"))
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error
    console.say(f"{len(rows)} results written to {output}")
