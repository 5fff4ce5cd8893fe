"""Which configurations a profiler is to look at: those of a kernel with axes, or stored results, named or picked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kbench.cli import console
from kbench.cli.chosen import Chosen, catalog
from kbench.errors import KbenchError, UsageError, did_you_mean

if TYPE_CHECKING:
    from kbench.intent.config import Config
    from kbench.intent.plan import Plan, Planned
    from kbench.machine.choose import Choice
    from kbench.record.store import Stored


@dataclass(frozen=True)
class Selected:
    """plan: what is to be looked at; keys: of each configuration's id, as `kbench show --columns key` prints it;
    stored: the store has all of them, so that their keys select them."""

    choice: Choice
    plan: Plan
    keys: Mapping[str, str]
    stored: bool = False


def selected(chosen: Chosen, words: Sequence[str], picks: Sequence[str], db: Path, device: str) -> Selected:
    """words: keys, ids or KERNEL.KEY; of the configurations that `chosen` selects where it selects any, else of stored
    results. picks: which results of each problem, among those that a kernel with axes lets through. Raises UsageError
    for an empty selection and for what does not exist, StoreError without a store where one is needed, and what
    `Chosen.start` raises."""
    if not (chosen.kernels or chosen.suite or chosen.whole_paths or words or picks):
        raise UsageError(
            "nothing is selected: name a --kernel, keys of stored results (kbench show --columns key), or "
            "--pick best,worst,naive"
        )
    if chosen.suite or not (picks or _are_stored(chosen, words, db)):
        return _of_plan(chosen, words, picks, db, device)
    choice = chosen.on(device)
    rows = _stored(db, words)
    if picks:
        rows = _picked(_narrowed(rows, chosen), picks, choice, db)
    configs = {row.result.config.id: row.result.config for row in rows}
    keys = {row.result.config.id: row.key for row in rows}
    return Selected(choice, _planned(chosen, list(configs.values()), choice), keys, stored=True)


def _are_stored(chosen: Chosen, words: Sequence[str], db: Path) -> bool:
    """Whether words name stored results. A folder beside them may be there only to find the kernels of such."""
    if not words or chosen.kernels or (chosen.whole_paths and chosen.axes):
        return False
    if not chosen.whole_paths:
        return True
    try:
        return bool(_stored(db, words))
    except KbenchError:
        return False


def _narrowed(rows: Sequence[Stored], chosen: Chosen) -> list[Stored]:
    """Those of the kernels, axis values, cache states and clocks that were named. Raises UsageError."""
    from kbench.intent.axes import parse_values
    from kbench.intent.plan import select
    from kbench.record.filter import Filter

    named, found = bool(chosen.kernels or chosen.whole_paths), catalog(chosen.paths)
    kernels = chosen.kernels_of(found) if named else list(found.kernels.values())
    select(kernels, chosen.axes, chosen.cache, chosen.clock)
    wanted = Filter(axes={name: parse_values(name, values) for name, values in chosen.axes.items()})
    mine = {kernel.name for kernel in kernels}
    return [
        row
        for row in rows
        if (row.result.config.kernel in mine or not named)
        and row.result.config.cache in (chosen.cache or (row.result.config.cache,))
        and row.result.config.clock in (chosen.clock or (row.result.config.clock,))
        and wanted.takes(row.result)
    ]


def _of_plan(chosen: Chosen, words: Sequence[str], picks: Sequence[str], db: Path, device: str) -> Selected:
    from kbench.intent.config import keys as keys_of
    from kbench.record.filter import names

    choice, plan, _ = chosen.start(device)
    keys = keys_of(p.config for p in plan.configs)
    taken: Sequence[Planned] = plan.configs
    if picks:
        rows = [row for row in _stored(db, ()) if row.result.config.id in keys]
        ids = {row.result.config.id for row in _picked(rows, picks, choice, db)}
        taken = [p for p in taken if p.config.id in ids]
    if words:
        ids = set()
        for word in words:
            found = [p.config.id for p in taken if names(word, p.config, p.config.digest)]
            if not found:
                known = [keys[p.config.id] for p in taken]
                raise UsageError(f"no configuration of this selection is {word}{did_you_mean(word, known)}")
            ids.update(found)
        taken = [p for p in taken if p.config.id in ids]
    return Selected(choice, replace(plan, configs=tuple(taken)), keys)


def _stored(db: Path, words: Sequence[str]) -> list[Stored]:
    """Each word names at least one result."""
    from kbench.cli.results import unknown
    from kbench.record.filter import Filter
    from kbench.record.store import Store

    with Store.open(db, readonly=True) as store:
        found: dict[int, Stored] = {}
        for word in words:
            rows = store.latest(Filter(configs=(word,)))
            if not rows:
                raise unknown(word, store)
            found |= {row.id: row for row in rows}
        return list(found.values()) if words else store.latest()


def _picked(rows: Sequence[Stored], picks: Sequence[str], choice: Choice, db: Path) -> list[Stored]:
    """Of each problem measured on this device, or else on others of its kind."""
    from kbench.reading.picks import picked
    from kbench.record.store import Store

    with Store.open(db, readonly=True) as store:
        notes = store.notes()
    found = picked(_here(rows, choice), notes, picks)
    if not found:
        raise UsageError(f"{db} holds no timed results of this selection on a {choice.kind} device: kbench sweep first")
    return found


def _here(rows: Sequence[Stored], choice: Choice) -> list[Stored]:
    """A store may hold the results of several machines: the best one of another GPU is not the best one here."""
    from kbench.machine.cuda.visible import gpu_of

    alike = [row for row in rows if row.result.device.kind == choice.kind]
    gpu = gpu_of(choice.name)
    return [row for row in alike if gpu and row.result.device.uid == gpu.uid] or alike


def _planned(chosen: Chosen, configs: Sequence[Config], choice: Choice) -> Plan:
    """Stored configurations, planned with the kernels as they are now."""
    from kbench.intent.plan import Plan, plan_one

    found = catalog(chosen.paths)
    method = chosen.measured_by()
    planned = []
    for config in configs:
        (kernel,) = found.pick([config.kernel])
        unknown = [name for name in config.axes if not kernel.has(name)]
        if unknown:
            raise UsageError(f"kernel {kernel.name} no longer has an axis {unknown[0]!r}, which {config.id} needs")
        planned.append(plan_one(kernel, config, method, choice.kind))
    return Plan(tuple(planned), method)


def words_of(found: Selected, chosen: Chosen, keys: Sequence[str], db: Path, device: str) -> list[str]:
    """The same selection as words of a command line, narrowed to these keys where there are any."""
    words: list[str] = []
    if found.stored:
        chosen = replace(chosen, kernels=(), axes={}, cache=(), clock=())
    for option, values in (("--kernel", chosen.kernels), ("--path", chosen.paths)):
        words += [word for value in values for word in (option, str(value))]
    words += ["--suite", chosen.suite] if chosen.suite else []
    words += [word for name, values in chosen.axes.items() for word in ("--axis", f"{name}={values}")]
    for option, listed in (("--cache", chosen.cache), ("--clock", chosen.clock)):
        words += [option, ",".join(listed)] if listed else []
    if "max_bytes" in chosen.method:
        words += ["--max-bytes", str(chosen.method["max_bytes"])]
    return [*keys, *words, "--device", device, "--db", str(db)]


def nothing_to(do: str, plan: Plan) -> int:
    """Tell what of a plan cannot run and why, each reason once; the exit code of an empty selection where nothing of it
    can, else 0."""
    reasons = {p.message: p.config.id for p in reversed(plan.configs) if p.status != "ok"}
    for message, config in reasons.items():
        console.say(f"kbench: {config}: {message}")
    if any(p.status == "ok" for p in plan.configs):
        return 0
    console.say(f"kbench: nothing to {do}: every configuration of this selection is skipped, as said above")
    return UsageError.exit_code
