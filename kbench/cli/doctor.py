"""kbench doctor: what is here, what is missing, and what to do about it."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kbench.cli import console
from kbench.cli.options import db_option, device_option, json_option
from kbench.errors import BuildError, DeviceError, KbenchError, StoreError

if TYPE_CHECKING:
    from kbench.machine.choose import Choice
    from kbench.machine.cuda.probes import Probe


@click.command("doctor")
@device_option
@db_option
@json_option
def command(device: str, db: Path, as_json: bool) -> int:
    """One line for each thing that kbench can use: what was found, and the remedy where something is missing.

    The exit code is 5 where the device cannot be used, and 1 where store or cache cannot be written.

    \b
    Example:
      kbench doctor
      kbench doctor --device cuda
    """
    from kbench.machine.choose import choose
    from kbench.machine.cuda.probes import probes

    choice = choose(device)
    opened = _opened(choice)
    ours = [_python(), *_checks(db)]
    cuda = [probe if choice.kind == "cuda" else _optional(probe) for probe in probes()]
    cuda += _profilers()
    found = [opened, *ours, *(cuda if as_json else _without_driver(cuda))]
    if as_json:
        console.json([dict(zip(("name", "state", "found", "remedy"), probe, strict=True)) for probe in found])
    else:
        console.table([console.Column(name) for name in ("state", "name", "found", "remedy")], map(_row, found))
    if opened[1] == "fail":
        return DeviceError.exit_code
    return StoreError.exit_code if any(state == "fail" for _, state, _, _ in ours) else 0


def _row(probe: Probe) -> tuple[str, str, str, str | None]:
    name, state, found, remedy = probe
    return state, name, found, remedy or None


def _without_driver(cuda: list[Probe]) -> list[Probe]:
    """Where there is no driver, what must fail for that reason shares its line."""
    if next(state for name, state, *_ in cuda if name == "driver") == "ok":
        return cuda
    follow = [name for name, state, *_ in cuda if name in ("GPU", "counters") and state != "ok"]
    kept = [probe for probe in cuda if probe[0] not in follow]
    return [(", ".join([p[0], *follow]), *p[1:]) if p[0] == "driver" else p for p in kept]


def _optional(probe: Probe) -> Probe:
    """The cpu device needs nothing of CUDA, so that nothing of it can be wrong."""
    name, state, found, remedy = probe
    return name, "warn" if state == "fail" else state, found, remedy


def _profilers() -> list[Probe]:
    """The tools that `kbench profile` starts, and whether ncu may read what it counts."""
    from kbench.profiling.find import TOOLS, tool
    from kbench.profiling.permission import counters

    found: list[Probe] = []
    for name in TOOLS:
        try:
            here = tool(name)
            found.append((name, "ok", f"{here.version}, {here.path}", ""))
        except KbenchError as error:
            what, _, remedy = str(error).partition("; ")
            found.append((name, "warn", what, remedy))
    may, words, remedy = counters()
    return [*found, ("counters", "ok" if may else "warn", words, remedy)]


def _opened(choice: Choice) -> Probe:
    """The device, really opened by a worker as a sweep does."""
    from kbench.experiment.engine import Engine

    try:
        with Engine(choice.name) as engine:
            info = engine.info
    except KbenchError as error:
        remedy = "see the lines below" if choice.kind == "cuda" else "install g++ or clang++, or pip install ziglang"
        return "device", "fail", f"{choice.name}: {error}", remedy
    return "device", "ok", f"{choice.name} ({choice.why}): {info.name}, {info.arch}", ""


def _python() -> Probe:
    from kbench import __version__

    return "kbench", "ok", f"{__version__}, Python {platform.python_version()}, {platform.machine()}", ""


def _checks(db: Path) -> Iterator[Probe]:
    from kbench.machine.build import cache_dir

    yield _tried("host compiler", _compiler, "install g++ or clang++, or pip install ziglang", missing="warn")
    yield _tried("store", lambda: _store(db), "name another file with --db or KBENCH_DB")
    yield _tried("cache", lambda: _writable(cache_dir()), "set XDG_CACHE_HOME to a folder that can be written")


def _tried(name: str, check: Callable[[], str], remedy: str, missing: str = "fail") -> Probe:
    try:
        return name, "ok", check(), ""
    except (KbenchError, OSError) as error:
        return name, "warn" if missing == "warn" and isinstance(error, BuildError) else "fail", str(error), remedy


def _compiler() -> str:
    from kbench.machine.cpu.compiler import host_compiler

    found = host_compiler()
    return f"{found.version}, {' '.join(found.command)}"


def _store(db: Path) -> str:
    from kbench.record.store import Store

    if not db.exists():
        return f"{_writable(db.parent, make=False)}/{db.name} can be made"
    with Store.open(db) as store:
        return f"{db}, {len(store.latest())} configurations"


def _writable(folder: Path, make: bool = True) -> str:
    if make:
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        return str(folder)
