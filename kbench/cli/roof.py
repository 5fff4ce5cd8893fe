"""kbench roof: measure what this device can do, as ceilings for what kernels achieve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kbench.cli import console
from kbench.cli.options import device_option, json_option, max_bytes_option
from kbench.cli.progress import Progress
from kbench.reading import units

if TYPE_CHECKING:
    from kbench.experiment.result import Roof


@click.command("roof")
@device_option
@max_bytes_option
@click.option("--fresh", is_flag=True, help="Measure again what is known already.")
@json_option
def command(device: str, max_bytes: int | None, fresh: bool, as_json: bool) -> int:
    """Measure the ceilings of a device, which kernels are held against.

    Bandwidth for each mix of reads and writes and each size, the host link, arithmetic and latencies. They are kept
    for each device and driver; a sweep measures the few that it lacks by itself.

    \b
    Example:
      kbench roof
      kbench roof --device cpu --max-bytes 8MiB
    """
    from kbench.experiment.survey import Survey
    from kbench.intent.method import Method
    from kbench.machine.choose import choose

    choice = choose(device)
    console.say(f"device {choice.name}: {choice.why}")
    known: list[Roof] = []
    survey = Survey(choice.name, max_bytes=max_bytes or Method().max_bytes, fresh=fresh)
    with Progress("roof", 0) as progress:
        for found in survey:
            progress.total = survey.total
            if isinstance(found, str):
                progress.note(found)
            else:
                known.append(found)
                progress.advance(found.kind)
    assert survey.info is not None
    roofs = sorted(known, key=lambda r: (r.unit != "B/s", r.unit, r.kind, r.cache, r.nbytes))
    if as_json:
        console.json(roofs)
    else:
        console.table(_COLUMNS, [_row(roof) for roof in roofs], title=f"Roofs of {survey.info.label}")
    return 0


_COLUMNS = (
    console.Column("kind"),
    console.Column("nbytes", "size", units.size, number=True),
    console.Column("bytes_per_s", "GB/s", units.rate, number=True),
    console.Column("flops_per_s", "GFLOP/s", units.rate, number=True),
    console.Column("time_s", "time", units.duration, number=True),
    console.Column("clock"),
    console.Column("cache"),
    console.Column("how"),
)


def _row(roof: Roof) -> tuple[object, ...]:
    value = [roof.value if roof.unit == unit else None for unit in ("B/s", "flop/s", "s")]
    return (roof.kind, roof.nbytes or None, *value, roof.clock, roof.cache, roof.how)
