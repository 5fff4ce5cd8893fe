"""kbench diagnose: why a configuration takes as long as it does, from what is stored of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kbench.cli import console
from kbench.cli.options import json_option, words_of_list
from kbench.cli.results import profiles_in, reads
from kbench.errors import UsageError

if TYPE_CHECKING:
    from kbench.reading.diagnosis.diagnosis import Diagnosis
    from kbench.reading.profiled import Profiles
    from kbench.record.store import KernelNote, Stored

UNTOLD = ("best", "naive")
"""What is picked where nothing was asked for and nothing is profiled."""


@click.command("diagnose")
@click.argument("configs", nargs=-1, metavar="[CONFIG|KEY|KERNEL.KEY]…")
@reads
@click.option("--pick", "picks", callback=words_of_list, metavar="best,worst,naive", help="Only these of each problem.")
@json_option
def command(rows: list[Stored], notes: dict[str, KernelNote], db: Path, picks: tuple[str, ...], as_json: bool) -> None:
    """Why a result is as slow as it is: what bounds it, what to try, and what that may gain; the largest gain first.

    Works on stored results and their profiles; without a profile it says what it can and names what is missing. With
    nothing named it takes what was profiled.

    \b
    Example:
      kbench diagnose --kernel transpose --pick best,naive
      kbench diagnose 3f2a91c0 --json
    """
    from kbench.reading.diagnosis import words

    kept, named = profiles_in(db), bool(click.get_current_context().params["configs"])
    found = _diagnoses(_taken(rows, notes, kept, picks, named), kept)
    if as_json:
        from msgspec.structs import asdict

        console.json([asdict(one) | {"config": one.config.id} for one in found])
    elif sys.stdout.isatty():
        from rich.console import Console

        terminal = Console()
        for part in words.renderables(found):
            terminal.print(part)
    else:
        console.table([console.Column(name) for name in words.COLUMNS], words.rows(found))


def _taken(
    rows: Sequence[Stored], notes: Mapping[str, KernelNote], kept: Profiles, picks: Sequence[str], named: bool
) -> list[Stored]:
    """Raises UsageError where nothing is left."""
    from kbench.reading.picks import picked

    if named and not picks:
        return list(rows)
    profiled = [row for row in rows if kept.of(row).fresh]
    if not picks and profiled:
        return profiled
    if not picks:
        console.say(f"none of these {len(rows)} results is profiled: the {' and '.join(UNTOLD)} of each problem")
    found = picked(rows, notes, picks or UNTOLD)
    if not found:
        raise UsageError("nothing to diagnose: none of these results has a time")
    return found


def _diagnoses(rows: Sequence[Stored], kept: Profiles) -> list[Diagnosis]:
    """In the order of the rows. Roofs of arithmetic and L2 are those that were kept for the device and its driver."""
    from kbench.experiment.result import Roof
    from kbench.experiment.roofs import Roofs
    from kbench.reading.diagnosis.diagnose import diagnose

    roofs: dict[Any, tuple[Roof, ...]] = {}
    found = []
    for row in rows:
        device = row.result.device
        if device not in roofs:
            roofs[device] = Roofs.load(device).all
        own = kept.of(row)
        if own.stale:
            console.say(f"kbench: {row.key} was profiled from another source: kbench profile {row.key}")
        found.append(diagnose(row.result, [one.profile for one in reversed(own.fresh)], roofs[device]))
    return found
