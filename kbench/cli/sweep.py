"""kbench sweep: measure every configuration of a selection, keep each result, print the tables."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kbench.cli import console
from kbench.cli.chosen import Chosen
from kbench.cli.options import columns_option, db_option, device_option, json_option, measures, selects, yes_option
from kbench.cli.progress import Progress
from kbench.cli.results import unreadable_told
from kbench.errors import UsageError

if TYPE_CHECKING:
    from kbench.experiment.result import Result
    from kbench.experiment.sweep import Sweep
    from kbench.intent.plan import Plan
    from kbench.record.store import KernelNote, Store, Stored
    from kbench.record.writer import Writer

INTERRUPTED = 130
FAILED = 3
LARGE = 2000
ENERGY = {"energy_j", "joules_per_gb"}
EACH_S = 0.3  # checking, warming up and the samples of a small kernel that is compiled already


@click.command("sweep")
@selects
@measures
@device_option
@db_option
@click.option("--fresh", is_flag=True, help="Measure again what the store already holds.")
@columns_option
@yes_option
@json_option
def command(
    chosen: Chosen, device: str, db: Path, fresh: bool, columns: tuple[str, ...], yes: bool, as_json: bool
) -> int:
    """Compile, check and time every configuration of a selection.

    Results are kept one by one: the same command again measures only what is missing or has changed.

    \b
    Example:
      kbench sweep --kernel copy_blocks
      kbench sweep --kernel copy --axis nbytes=1MiB,64MiB,1GiB --block-size 128,256 --dtype float16
      kbench sweep --path my-kernels --device cpu
    """
    from kbench.experiment.enough import enough
    from kbench.experiment.sweep import Sweep
    from kbench.reading import asked
    from kbench.record.store import Store

    choice, plan, broken = chosen.start(device)
    if columns:
        columns = asked.checked(columns, asked.of_plan(plan))  # before anything is measured
        plan = counting_energy(plan) if ENERGY & set(columns) else plan
    ask_if_large(plan, yes)
    with Store.open(db) as store, Progress("sweep", len(plan.configs)) as progress, unreadable_told(store):
        suffices = enough(plan.method)
        done = None if fresh else (lambda info: store.done(info.uid, info.driver, suffices))
        sweep = Sweep(plan, choice.name, done=done, note=progress.note, watch=lambda p, _: progress.show(p.config.id))
        session = _Session(store, sweep, progress)
        try:
            session.run()
        except KeyboardInterrupt:
            progress.note(f"\nkbench: interrupted, {session.kept} results kept in {db}; the same command resumes")
            return INTERRUPTED
        except BaseException:
            if session.kept:
                progress.note(f"kbench: {session.kept} results kept in {db}")
            raise
        rows, notes = session.rows(), store.notes()
    return max(_finish(rows, notes, db, columns, as_json), FAILED if broken else 0)


class _Session:
    """One run of a sweep: stores each result, tells of failures as they come. kept: results stored so far."""

    def __init__(self, store: Store, sweep: Sweep, progress: Progress) -> None:
        from kbench.intent.config import keys

        self._writer: Writer | None = None
        self._store, self._sweep, self._progress = store, sweep, progress
        self._keys = keys(p.config for p in sweep.plan.configs)
        self._told: set[str] = set()
        self._best: Result | None = None

    def run(self) -> None:
        from kbench.record.writer import Writer

        results = iter(self._sweep)
        first = next(results, None)
        if first is None:
            self._tell_resumed()
            self._store.settle()  # there was nothing left to resume
            return
        run = self._begin()
        try:
            with Writer(self._store, run) as self._writer:
                for result in itertools.chain([first], results):
                    self._writer.add(result, self._keys[result.config.id])
                    self._keep_best(result)
                    self._progress.advance(result.config.id)
                    self._tell(result)
        finally:
            for result in self._writer.unfit if self._writer else ():
                self._tell(result)
            self._store.finish(run)

    @property
    def kept(self) -> int:
        return self._writer.kept if self._writer else 0

    def _keep_best(self, result: Result) -> None:
        """The fastest row of the latest problem."""
        from kbench.reading import units

        if self._best is None or self._best.config.problem != result.config.problem:
            self._best, self._progress.best = None, ""
        if result.time_s and (self._best is None or result.time_s < (self._best.time_s or 0.0)):
            self._best = result
            chosen = (
                f"{name} {result.config.axes[name]}" for name in result.config.tuning if name in result.config.axes
            )
            self._progress.best = f"best so far {units.duration(result.time_s)} ({', '.join(chosen)})"

    def _begin(self) -> int:
        from kbench.reading.collected import notes_of
        from kbench.record.environment import collect

        self._tell_resumed()
        return self._store.begin(collect(self._sweep.info), notes_of(self._sweep.plan))

    def _tell_resumed(self) -> None:
        resumed, total = self._sweep.resumed, len(self._sweep.plan.configs)
        self._progress.skip(resumed)
        if resumed:
            note = f"{resumed} of {total} configurations already measured in {self._store.path}; --fresh measures again"
            self._progress.note(note)

    def _tell(self, result: Result) -> None:
        """A failure's whole message once, however many configurations share it."""
        from kbench.experiment.result import FAILURES

        if result.status not in FAILURES:
            return
        message = "as above" if result.message in self._told else result.message
        self._told.add(result.message)
        self._progress.note(f"{result.status} {result.config.id}: {message}")

    def rows(self) -> list[Stored]:
        """The newest row of each configuration of the plan on this device, those of earlier runs included."""
        from kbench.intent.plan import TOO_LARGE

        plan, info = self._sweep.plan, self._sweep.info
        assert info is not None
        found = self._store.latest_of((p.config for p in plan.configs), info.uid)
        too_large = {p.config.id for p in plan.configs if p.message.startswith(TOO_LARGE)}
        kept = [row for row in found if row.result.config.id in too_large and row.result.status != "skipped"]
        if kept:
            console.say(f"{len(kept)} skipped as too large for this --max-bytes: their rows are of earlier runs")
        return found


def _finish(
    rows: Sequence[Stored], notes: dict[str, KernelNote], db: Path, columns: tuple[str, ...], as_json: bool
) -> int:
    from kbench.cli.show import described, print_tables
    from kbench.experiment.result import FAILURES

    if as_json:
        console.json([described(row) for row in rows])
    else:
        print_tables(rows, notes, columns)
    sys.stdout.flush()
    count = Counter(row.result.status for row in rows)
    console.say(f"{', '.join(f'{n} {status}' for status, n in count.most_common())}; results in {db}")
    return nothing_measured(count) or (FAILED if FAILURES & set(count) else 0)


def nothing_measured(statuses: Collection[str]) -> int:
    """Where every configuration was skipped: a line that says so, and the exit code of an empty selection; else 0."""
    if set(statuses) != {"skipped"}:
        return 0
    console.say("kbench: nothing ran: every configuration of this selection is skipped, for the reasons above")
    return UsageError.exit_code


def counting_energy(plan: Plan) -> Plan:
    from msgspec.structs import replace

    return dataclasses.replace(plan, method=replace(plan.method, energy=True))


def ask_if_large(plan: Plan, yes: bool) -> None:
    """Let the user think again before a day is spent. Raises UsageError where that cannot be asked, or is denied."""
    count = sum(planned.status == "ok" for planned in plan.configs)
    if yes or count <= LARGE:
        return
    hours = count * EACH_S / 3600
    what = f"{count} configurations, at {EACH_S:g} s each about {hours:.1f} hours"
    narrow = "narrow it with --axis, or start it with --yes; `kbench plan` shows them"
    if sys.stdin.isatty() and sys.stderr.isatty() and click.confirm(f"{what}. Start?", err=True):
        return
    raise UsageError(f"{what}: {narrow}")
