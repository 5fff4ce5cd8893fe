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
    from kbench.experiment.roofs import Point, Roofs
    from kbench.machine.device import DeviceInfo


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
    from kbench.experiment.engine import Engine
    from kbench.experiment.result import Roof
    from kbench.experiment.roofs import Roofs, measure
    from kbench.machine.choose import choose

    choice = choose(device)
    console.say(f"device {choice.name}: {choice.why}")
    with Engine(choice.name) as engine:
        known = Roofs(engine.info) if fresh else Roofs.load(engine.info)
        points = _missing(known, engine.info, max_bytes)
        with Progress("roof", len(points)) as progress:
            for found in measure(engine, points, known):
                progress.advance(found.kind if isinstance(found, Roof) else "")
                if isinstance(found, str):
                    progress.note(found)
        for latency in engine.latencies():
            known.add("auto", latency)
        known.save()
        label = engine.info.label
    roofs = sorted(known.all, key=lambda r: (r.unit != "B/s", r.unit, r.kind, r.cache, r.nbytes))
    if as_json:
        console.json(roofs)
    else:
        console.table(_COLUMNS, [_row(roof) for roof in roofs], title=f"Roofs of {label}")
    return 0


def _missing(known: Roofs, info: DeviceInfo, max_bytes: int | None) -> list[Point]:
    from kbench.experiment.roofs import everything

    have = {(roof.kind, roof.nbytes, roof.cache) for roof in known.all}
    return [p for p in everything(info, max_bytes=max_bytes) if (p.kind, p.nbytes, p.cache) not in have]


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
