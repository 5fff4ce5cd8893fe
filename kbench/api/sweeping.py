"""kbench.sweep: measure a kernel's configurations from Python."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kbench.api.settings import method_of
from kbench.errors import UsageError
from kbench.experiment.enough import enough
from kbench.experiment.result import Result
from kbench.experiment.sweep import Sweep
from kbench.intent.config import keys
from kbench.intent.discover import LOADING, discover, load
from kbench.intent.plan import Plan, make_plan, select
from kbench.intent.spec import Kernel
from kbench.machine.choose import choose
from kbench.machine.source import bundled
from kbench.reading.collected import Rows, notes_of
from kbench.record.environment import collect
from kbench.record.store import Store, Stored

What = str | Path | Kernel


def sweep(
    kernel_or_path: What | Sequence[What], *, axes: Mapping[str, Any] | None = None, device: str = "auto",
    path: str | Path | Sequence[str | Path] | None = None, db: str | Path | None = None, fresh: bool = False,
    cache: str | Sequence[str] = "cold", clock: str | Sequence[str] = "auto",
    note: Callable[[str], None] | None = None, on_result: Callable[[Result], None] | None = None, **method: Any,
) -> Rows:  # fmt: skip
    """Compile, check and time every configuration of kernels, in a worker process; one row each, failures included.

    kernel_or_path: a bundled kernel's name or one of a folder in `path`; a spec file ("scale.py") or a folder of them;
    a Kernel that a file defines; or several of these. axes: values that replace an axis's own: a list, one value, or
    "2^20..2^28:x4". cache, clock: one name or several. db: a store, which keeps every row as it comes and need not
    measure again what it holds (fresh=True does). note is told what a reader must know, on_result gets each row.
    method: the fields of kbench.intent.method.Method (precision=0.01, max_time_s=0.1, timeout_s=…) and samples=N.

    Raises UsageError for unknown names and values, SpecError for a spec file that does not load, DeviceError where the
    device cannot be opened, BuildError without any compiler, StoreError.
    """
    _refuse_inside_a_spec()
    kernels, method_ = _kernels(kernel_or_path, path), method_of(**method)
    choice = choose(device)
    selections = select(kernels, axes or {}, _several(cache), _several(clock))
    plan = make_plan(selections, method_, device=choice.kind)
    if choice.kind == "cpu":
        from kbench.machine.cpu.compiler import host_compiler

        host_compiler()
    told = on_result or (lambda result: None)
    if db is None:
        return _collected(plan, choice.name, note, told)
    with Store.open(db) as store:
        return _stored(plan, choice.name, note, told, store, fresh)


def _collected(plan: Plan, device: str, note: Any, told: Callable[[Result], None]) -> Rows:
    short = keys(p.config for p in plan.configs)
    found: dict[str, Stored] = {}
    for result in Sweep(plan, device, note=note):
        config = result.config.id
        found[config] = Stored(len(found) + 1, 0, short[config], "", result)
        told(result)
    return Rows(found.values(), notes_of(plan))


def _stored(plan: Plan, device: str, note: Any, told: Callable[[Result], None], store: Store, fresh: bool) -> Rows:
    """The newest row of every configuration of the plan, those that the store held already included."""
    short = keys(p.config for p in plan.configs)
    suffices = enough(plan.method)
    done = None if fresh else (lambda info: store.done(info.uid, info.driver, suffices))
    run = Sweep(plan, device, note=note, done=done)
    number: int | None = None
    try:
        for result in run:
            if number is None:
                number = store.begin(collect(run.info), notes_of(plan))
            store.add(number, result, short[result.config.id])
            told(result)
    finally:
        if number is not None:
            store.finish(number)
    if number is None:
        store.settle()  # there was nothing left to resume
    assert run.info is not None
    return Rows(store.latest_of((p.config for p in plan.configs), run.info.uid), store.notes())


def _kernels(asked: What | Sequence[What], path: str | Path | Sequence[str | Path] | None) -> list[Kernel]:
    parts = [asked] if isinstance(asked, str | Path | Kernel) else list(asked)
    folders = [] if path is None else [Path(path)] if isinstance(path, str | Path) else [Path(p) for p in path]
    found = [kernel for part in parts for kernel in _of_part(part, folders)]
    if not found:
        raise UsageError("no kernel is selected")
    return list({id(kernel): kernel for kernel in found}.values())


def _of_part(part: What, folders: list[Path]) -> list[Kernel]:
    if isinstance(part, Kernel):
        if not part.spec_path.is_file():
            raise UsageError(f"kernel {part.name} is defined in no file: its worker process needs one, NAME.py")
        return [part]
    if isinstance(part, str) and not part.endswith(".py") and os.sep not in part:
        return discover([bundled("kernels_cu"), *folders]).pick([part])
    place = Path(part)
    if place.is_dir():
        catalog = discover([place])
        for error in catalog.broken.values():
            raise error
        return list(catalog.kernels.values())
    if not place.is_file():
        raise UsageError(f"no such spec file or folder of kernels: {place}")
    return load(place)


def _several(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _refuse_inside_a_spec() -> None:
    """A spec file that sweeps its own kernel when it is imported would start workers without end."""
    frame = sys._getframe(1)
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).startswith(LOADING) and frame.f_code.co_name == "<module>":
            where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            raise UsageError(f"{where}: a spec file is loaded by workers too: sweep under if __name__ == '__main__':")
        frame = frame.f_back  # type: ignore[assignment]
