"""kbench occupancy: how many blocks of a kernel fit on a multiprocessor, of any architecture and without a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kbench.cli import console
from kbench.cli.chosen import Chosen
from kbench.cli.options import db_option, json_option, selects, words_of_list
from kbench.errors import KbenchError, UsageError
from kbench.reading import units

if TYPE_CHECKING:
    from kbench.machine.fits import Fit
    from kbench.profiling.profile import Profile


@click.command("occupancy")
@selects
@click.option("--arch", "archs", callback=words_of_list, metavar="ARCH,…",
              help="For what: sm_80, sm_90, sm_120, … [default: this machine's GPU, else sm_90]")  # fmt: skip
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), metavar="PNG",
              help="Draw occupancy over block size, registers and shared memory.")  # fmt: skip
@db_option
@json_option
def command(chosen: Chosen, archs: tuple[str, ...], output: Path | None, db: Path, as_json: bool) -> int:
    """Theoretical occupancy of each kernel and block size, what limits it and what would lift it; needs no GPU.

    Beside it stands the achieved occupancy, where the store has a profile of it on that architecture.

    \b
    Example:
      kbench occupancy --kernel transpose --block-size 128,256,512 --arch sm_80,sm_90
      kbench occupancy --kernel fma --axis max_registers=0,24,32 --output occupancy.png
    """
    from kbench.machine.cuda.visible import arch_here
    from kbench.machine.fits import fits
    from kbench.reading.occupancy import described

    plan, _ = chosen.plan("cuda")
    answers = list(fits(plan.configs, archs or (arch_here(),)))
    failed = [answer for answer in answers if isinstance(answer, KbenchError)]
    found = [answer for answer in answers if not isinstance(answer, KbenchError)]
    counted = _profiles(db)
    rows = [described(fit, counted) for fit in found]
    if as_json:
        console.json(rows)
    elif rows:
        cells = [tuple(_cell(row, column.name) for column in _COLUMNS) for row in rows]
        console.table(_COLUMNS, cells, named="{} on {} in blocks of {}")
    broken = [p.message for p in plan.configs if p.status == "spec_failed"]
    for message in dict.fromkeys([*map(str, failed), *broken]):
        console.say(f"kbench: {message}")
    if not found and not failed and not broken:
        raise UsageError("nothing of this selection launches a kernel")
    if output is not None and found:
        _draw(found, output)
    return 3 if failed or broken else 0


def _profiles(db: Path) -> dict[tuple[str, str], Profile]:
    """Those that counted it, by configuration id and architecture; none without a store."""
    from kbench.record.store import Store

    if not db.is_file():
        return {}
    with Store.open(db, readonly=True) as store:
        kept = [one.profile for one in store.profiles()]
    return {(p.config.id, p.device.arch): p for p in kept if p.value("achieved_occupancy") is not None}


def _draw(found: list[Fit], output: Path) -> None:
    from kbench.reading.charts.occupancy import picture

    try:
        output.write_bytes(picture(found))
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error
    console.say(f"drawn in {output}")


def _cell(row: dict[str, Any], name: str) -> Any:
    if name == "lifts":
        return "; ".join(row[name]) or None
    if name == "spill_bytes":
        return row[name] or None
    return row[name] if row[name] != "" else None


_COLUMNS = (
    console.Column("entry"),
    console.Column("arch"),
    console.Column("threads", number=True),
    console.Column("registers", "regs", number=True),
    console.Column("spill_bytes", "spills", units.size, number=True),
    console.Column("shared_bytes", "shared", units.size, number=True),
    console.Column("blocks", "blocks/SM", number=True),
    console.Column("occupancy", "occ %", units.percent, number=True),
    console.Column("achieved_occupancy", "achieved %", units.percent, number=True),
    console.Column("limiter", "limited by"),
    console.Column("lifts", below=True),
)
