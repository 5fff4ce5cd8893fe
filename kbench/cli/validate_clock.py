"""kbench validate-clock: every clock on the same kernels, and how far each is from the one that is trusted most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kbench.cli import console
from kbench.cli.options import device_option, json_option
from kbench.reading import units

if TYPE_CHECKING:
    from kbench.experiment.validate import Reading


@click.command("validate-clock")
@device_option
@json_option
def command(device: str, as_json: bool) -> int:
    """Hold the clocks of a GPU against each other.

    Five canned kernels from a microsecond to ten milliseconds, every clock in every cache state that it has, and ncu
    where it may run. The bias is against CUPTI, or against graphs where CUPTI does not load.

    \b
    Example:
      kbench validate-clock
      kbench validate-clock --json
    """
    from kbench.experiment.validate import validate
    from kbench.machine.choose import choose

    choice = choose(device)
    console.say(f"device {choice.name}: {choice.why}")
    found = validate(choice.name)
    for clock, why in found.missing.items():
        console.say(f"without {clock}: {why}")
    if as_json:
        console.json(found)
    else:
        console.table(_COLUMNS, [_row(reading) for reading in found.readings], title=f"Clocks of {found.device.label}")
    return 0


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:+.3f} µs"


def _percent(share: float) -> str:
    return f"{share * 100:+.2f}"


_COLUMNS = (
    console.Column("kernel"),
    console.Column("cache"),
    console.Column("clock"),
    console.Column("time_s", "time", units.duration, number=True),
    console.Column("raw_s", "raw", units.duration, number=True),
    console.Column("correction_s", "corrected by", units.duration, number=True),
    console.Column("left_s", "may be left", units.duration, number=True),
    console.Column("bias_s", "bias", _microseconds, number=True),
    console.Column("bias", "%", _percent, number=True),
    console.Column("against"),
    console.Column("n", number=True),
)


def _row(r: Reading) -> tuple[object, ...]:
    corrected = r.correction_s > 0
    raw, correction, left = (r.raw_s, r.correction_s, r.left_s) if corrected else (None, None, None)
    return (
        r.kernel, r.cache, r.clock, r.time_s, raw, correction, left, r.bias_s, r.bias, r.against or None, r.samples,
    )  # fmt: skip
