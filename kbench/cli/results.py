"""Options of the verbs that read the store, and the rows that they name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kbench.cli import console
from kbench.cli.options import SHORT_AXES, db_option, given_axes
from kbench.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from kbench.reading.profiled import Profiles
    from kbench.record.filter import Filter
    from kbench.record.store import KernelNote, Store, Stored, StoredProfile

Command = TypeVar("Command", bound=Callable[..., Any])

_FILTERS = (
    db_option,
    click.option("--kernel", "-k", "kernels", multiple=True, metavar="NAME", help="Only this kernel; repeatable."),
    click.option("--status", "statuses", multiple=True, metavar="STATUS", help="Only rows that ended so; repeatable."),
    click.option("--device", "devices", multiple=True, metavar="cuda|cpu|UID", help="Only this device; repeatable."),
    click.option("--axis", "axes", multiple=True, metavar="NAME=VALUES", callback=given_axes,
                 help="Only these values of an axis; repeatable."),
    click.option("--block-size", metavar="N,…", help="Short for --axis threads=…"),
    click.option("--dtype", metavar="TYPE,…", help="Short for --axis dtype=…"),
    click.option("--variant", metavar="NAME,…", help="Short for --axis variant=…"),
)  # fmt: skip


def reads(command: Command) -> Command:
    """Add the options that filter stored results; the command gets `rows` (never empty), `notes` and `db`."""

    @functools.wraps(command)
    def wrapped(*args: Any, alone: list[StoredProfile], **given: Any) -> Any:
        measured(given["rows"], given["db"])
        return command(*args, **given)

    return reads_profiles(wrapped)  # type: ignore[return-value]


def measured(rows: Sequence[Stored], db: Path) -> None:
    """Raises UsageError where there is none, but a profile."""
    if not rows:
        raise UsageError(f"{db} has profiles of this selection and no result: kbench sweep measures it")


def reads_profiles(command: Command) -> Command:
    """As `reads`; the command gets also `alone`, the profiles that pass the filters and have no result; one of `rows`
    and `alone` is never empty."""

    @functools.wraps(command)
    def wrapped(*args: Any, **given: Any) -> Any:
        axes = given.pop("axes")
        axes |= {axis: given[option] for option, axis in SHORT_AXES.items() if given[option]}
        for option in SHORT_AXES:
            del given[option]
        filters = {name: given.pop(name) for name in ("kernels", "statuses", "devices")}
        rows, notes, alone = _load(given["db"], axes=axes, configs=given.pop("configs", ()), **filters)
        return command(*args, rows=rows, notes=notes, alone=alone, **given)

    for option in reversed(_FILTERS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


def profiles_in(db: Path) -> Profiles:
    """What profilers said of the rows in a store."""
    from kbench.reading.profiled import Profiles
    from kbench.record.store import Store

    with Store.open(db, readonly=True) as store, unreadable_told(store):
        return Profiles(store.profiles())


@contextmanager
def unreadable_told(store: Store) -> Iterator[None]:
    """Say at the end what of the store could not be read."""
    try:
        yield
    finally:
        for what, why in store.unreadable.items():
            console.say(f"kbench: {what} of {store.path} is left out, this kbench cannot read it: {why}")


def _load(
    db: Path,
    *,
    axes: dict[str, str],
    kernels: Sequence[str],
    statuses: Sequence[str],
    devices: Sequence[str],
    configs: Sequence[str],
) -> tuple[list[Stored], dict[str, KernelNote], list[StoredProfile]]:
    from kbench.experiment.result import STATUSES
    from kbench.intent.axes import parse_values
    from kbench.record.filter import Filter
    from kbench.record.store import Store

    for status in statuses:
        if status not in STATUSES:
            raise UsageError(f"unknown status {status!r}{did_you_mean(status, STATUSES)}")
    wanted = {name: parse_values(name, values) for name, values in axes.items()}
    filter = Filter(kernels=kernels, statuses=statuses, axes=wanted, devices=devices, configs=configs)
    with Store.open(db, readonly=True) as store, unreadable_told(store):
        rows, alone = store.latest(filter), _unmeasured(store, filter)
        for word in configs:
            one = Filter(configs=(word,))
            if not store.latest(one) and not _unmeasured(store, one):
                raise unknown(word, store)
        if not rows and not alone:
            everything = store.latest()
            known_kernels = {row.result.config.kernel for row in everything}
            lacking = [name for name in kernels if name not in known_kernels]
            if lacking and known_kernels:
                raise UsageError(
                    f"no results of kernel {lacking[0]!r} in {db}{did_you_mean(lacking[0], known_kernels)}"
                )
            held = f"none of the {len(everything)} results in {db} matches" if everything else f"{db} holds no results"
            raise UsageError(held)
        return rows, store.notes(), alone


def unknown(word: str, store: Store) -> UsageError:
    """For a word that is neither key nor id of anything in the store."""
    known = [row.key for row in store.latest()]
    return UsageError(f"no result in {store.path} has the key or id {word}{did_you_mean(word, known)}")


def _unmeasured(store: Store, filter: Filter) -> list[StoredProfile]:
    """Profiles of configurations that were never swept on their device, such as timelines."""
    return [
        one
        for one in store.profiles(unmeasured=True)
        if filter.takes_unmeasured(one.profile.config, one.profile.device, one.key)
    ]
