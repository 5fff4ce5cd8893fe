"""kbench timeline: when each kernel and copy ran on its stream, and what overlapped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kbench.cli import console
from kbench.cli.chosen import Chosen
from kbench.cli.console import Column
from kbench.cli.options import db_option, device_option, json_option, selects, timeout_option, yes_option
from kbench.errors import UsageError

if TYPE_CHECKING:
    from kbench.cli.recording import Recording
    from kbench.cli.selected import Selected
    from kbench.profiling.timeline import Timeline

PIPELINE = "pipeline"
SIZES = {
    "cuda": {"tokens": "1024", "layers": "32", "k": "256", "variant": "staged"},
    "cpu": {"tokens": "64", "layers": "4", "k": "64", "variant": "staged"},
}
"""Of the pipeline where nothing is selected: on the cpu device what is emulated in a second."""
FAILED = 3


@click.command("timeline")
@selects
@click.option("--streams", metavar="N,…", help="Numbers of streams: short for --axis streams=…")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("reports/timelines"),
    show_default=True,
    metavar="DIR",
    help="The folder to write traces and pictures into.",
)
@timeout_option
@device_option
@db_option
@yes_option
@json_option
def command(
    chosen: Chosen, streams: str | None, output: Path, device: str, db: Path, yes: bool, as_json: bool
) -> int:  # fmt: skip
    """Record when each kernel, copy and fill of a configuration ran on its stream, and say what overlapped.

    Without a selection: the bundled pipeline, a step of a serving engine (inputs to the GPU, KV write and compute layer
    by layer, pages swapped out, results back), on one, two and three streams. On a GPU CUPTI records it in the process
    itself; the cpu device runs the steps one after the other.

    \b
    Example:
      kbench timeline
      kbench timeline --streams 1,3 --axis swapped=64 --output out
      kbench timeline --kernel reshape_and_cache --variant gather --axis tokens=65536
    """
    from kbench.cli.recording import recordings, tell
    from kbench.cli.selected import nothing_to
    from kbench.cli.sweep import ask_if_large

    found = _selected(chosen, streams, device)
    ask_if_large(found.plan, yes)
    if code := nothing_to("record", found.plan):
        return code
    made = recordings(found, db, output)
    show(made, as_json)
    tell(made, output, db)
    return FAILED if any(one.profile.status != "ok" for one in made) else 0


def _selected(chosen: Chosen, streams: str | None, device: str) -> Selected:
    from kbench.cli.selected import Selected
    from kbench.intent.config import keys
    from kbench.machine.choose import choose

    axes = dict(chosen.axes)
    if streams:
        if "streams" in axes:
            raise UsageError("axis streams is given twice: by --axis and by --streams")
        axes["streams"] = streams
    if not (chosen.kernels or chosen.suite or chosen.whole_paths):
        kind = choose(device).kind
        chosen = replace(chosen, kernels=(PIPELINE,))
        axes = {**SIZES[kind], **axes}
    choice, plan, _ = replace(chosen, axes=axes).start(device)
    return Selected(choice, plan, keys(p.config for p in plan.configs))


def show(made: Sequence[Recording], as_json: bool) -> None:
    """One row a timeline."""
    from kbench.profiling.timeline import timeline

    rows = [(one, timeline(one.profile.spans)) for one in made]
    if as_json:
        console.json([_described(one, found) for one, found in rows])
        return
    console.table(_columns(), [_row(one, found) for one, found in rows])


def _columns() -> tuple[Column, ...]:
    from kbench.reading import units

    return (
        Column("key"), Column("configuration"), Column("streams", number=True),
        Column("work", "kernels and copies", number=True),
        Column("time_s", "time", units.duration, number=True),
        Column("busy_share", "busy %", units.percent, number=True),
        Column("overlap_share", "copies beside kernels %", units.percent, number=True),
        Column("kernel_overlap_share", "kernels beside copies %", units.percent, number=True),
        Column("idle_s", "idle", units.duration, number=True),
        Column("largest_gap_s", "largest gap", units.duration, number=True),
        Column("gap_s", "gap on a stream", units.duration, number=True),
        Column("device"), Column("trace", piped=True), Column("picture", piped=True), Column("message", below=True),
    )  # fmt: skip


def _row(one: Recording, found: Timeline) -> tuple[Any, ...]:
    """What the profile leaves out, as on the cpu device what overlaps, is left out here too."""
    profile, measured = one.profile, bool(found.time_s)
    names = ("busy_share", "overlap_share", "kernel_overlap_share")
    told = profile.value("busy_share") is not None
    return (
        one.key, profile.config.id, len(found.lanes) or None, profile.launches or None,
        found.time_s if measured else None, *(profile.value(name) for name in names), found.idle_s if told else None,
        profile.value("largest_gap_s"), profile.value("gap_s"), profile.device.label, one.trace, one.picture,
        profile.message if profile.status != "ok" else None,
    )  # fmt: skip


def _described(one: Recording, found: Timeline) -> dict[str, Any]:
    """The lanes stand for the spans, which are in the trace."""
    profile = one.profile
    return {
        "key": one.key, "config": profile.config.id, "device": profile.device.label, "tool": profile.tool,
        "version": profile.version, "status": profile.status, "message": profile.message,
        "time_s": found.time_s or None, "metrics": {m.name: m.value for m in profile.metrics},
        "lanes": [{"name": x.name, "pieces": x.pieces, "busy_s": x.busy_s} for x in found.lanes],
        "trace": str(one.trace) if one.trace else None, "picture": str(one.picture) if one.picture else None,
    }  # fmt: skip
