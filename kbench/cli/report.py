"""kbench report: HTML and PNG from the store alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kbench.cli import console
from kbench.cli.results import reads

if TYPE_CHECKING:
    from kbench.experiment.result import Roof
    from kbench.record.store import KernelNote, Stored


@click.command("report")
@reads
@click.option("--output", "-o", type=click.Path(path_type=Path, file_okay=False), default=Path("reports/latest"),
              show_default=True, metavar="DIR", help="The folder to write into.")  # fmt: skip
def command(rows: list[Stored], notes: dict[str, KernelNote], db: Path, output: Path, **_: Any) -> None:
    """Write one offline HTML page with charts and a table, and each chart as PNG.

    \b
    Example:
      kbench report --output out
      kbench report --kernel transpose --device cuda --output out
    """
    from kbench.reading.report import write_report
    from kbench.record.store import Store

    with Store.open(db, readonly=True) as store:
        runs, profiles = store.runs(), store.profiles()
    index = write_report(rows, output, roofs=_roofs(rows), runs=runs, notes=notes, profiles=profiles)
    console.out(str(index))


def _roofs(rows: list[Stored]) -> dict[str, tuple[Roof, ...]]:
    """What this machine has measured of the rows' devices; a store from elsewhere has the roofs of its rows."""
    from kbench.experiment.roofs import Roofs

    devices = {row.result.device.uid: row.result.device for row in rows}
    return {uid: Roofs.load(info).all for uid, info in devices.items()}
