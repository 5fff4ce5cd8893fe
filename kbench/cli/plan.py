"""kbench plan: what a sweep would run, without allocating anything or needing a device."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from kbench.cli import console
from kbench.cli.chosen import Chosen
from kbench.cli.options import device_option, json_option, selects
from kbench.reading import units

if TYPE_CHECKING:
    from kbench.intent.plan import Planned


@click.command("plan")
@selects
@device_option
@json_option
def command(chosen: Chosen, device: str, as_json: bool) -> int:
    """Configurations that a sweep would measure, with their bytes, and those it would skip, with the reason.

    Nothing is allocated, compiled or run.

    \b
    Example:
      kbench plan --kernel copy --axis nbytes=1MiB,64MiB,1GiB
    """
    from kbench.intent.config import keys
    from kbench.machine.choose import choose

    choice = choose(device)
    console.say(f"planning for {choice.name}: {choice.why}")
    plan, _ = chosen.plan(choice.kind)
    short = keys(p.config for p in plan.configs)
    if as_json:
        console.json([_described(p, short[p.config.id]) for p in plan.configs])
        return 0
    console.table(_COLUMNS, [_row(p, short[p.config.id]) for p in plan.configs])
    count = Counter(p.status for p in plan.configs)
    console.say(", ".join(f"{n} {'to measure' if status == 'ok' else status}" for status, n in count.items()))
    return 1 if count["spec_failed"] else 0


_COLUMNS = (
    console.Column("key"),
    console.Column("configuration"),
    console.Column("status"),
    *(
        console.Column(name, title, units.size, number=True)
        for name, title in (
            ("bytes_read", "reads"),
            ("bytes_written", "writes"),
            ("link_bytes", "over the link"),
            ("footprint_bytes", "occupies"),
        )
    ),
    console.Column("message", "why", below=True),
)


def _row(planned: Planned, key: str) -> tuple[object, ...]:
    t = planned.traffic
    sizes = (t.bytes_read, t.bytes_written, t.link_bytes, planned.footprint)
    return (key, planned.config.id, planned.status, *(n or None for n in sizes), planned.message)


def _described(planned: Planned, key: str) -> dict[str, object]:
    return {
        "key": key,
        "config": planned.config.id,
        "kernel": planned.config.kernel,
        "axes": planned.config.axes,
        "status": planned.status,
        "message": planned.message,
        "traffic": planned.traffic,
        "footprint_bytes": planned.footprint,
    }
