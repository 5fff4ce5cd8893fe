"""kbench list: which kernels and suites there are."""

from __future__ import annotations

import itertools
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kbench.cli import console
from kbench.cli.chosen import catalog, suite_of
from kbench.cli.options import json_option, path_option
from kbench.errors import KbenchError, SuiteError, UsageError, did_you_mean

if TYPE_CHECKING:
    from kbench.intent.config import Value
    from kbench.intent.spec import Kernel


@click.command("list")
@click.argument("names", nargs=-1, metavar="[NAME]…")
@path_option
@json_option
def command(names: tuple[str, ...], paths: tuple[Path, ...], as_json: bool) -> int:
    """Kernels with their axes and default values, and suites: all, or those named.

    \b
    Example:
      kbench list --path my-kernels
    """
    found = catalog(paths)
    kernels = [found.kernels[name] for name in sorted(found.kernels)]
    broken: list[KbenchError] = list(found.broken.values())
    known = {*found.kernels, *found.broken, *_suite_names(paths)}
    for name in names:
        if name not in known:
            raise UsageError(f"no kernel or suite {name!r}{did_you_mean(name, known)}")
    if names:
        kernels = [kernel for kernel in kernels if kernel.name in names]
        broken = [found.broken[name] for name in names if name in found.broken]
    suites = {}
    for name in _suite_names(paths):
        if names and name not in names:
            continue
        try:
            suites[name] = suite_of(name, paths).title
        except SuiteError as error:
            broken.append(error)
    if as_json:
        console.json({"kernels": [_described(k) for k in kernels], "suites": suites})
    elif sys.stdout.isatty():
        _print(kernels, suites)
    else:
        rows = [("kernel", k.name, k.summary, _axes(k)) for k in kernels]
        columns = [console.Column(name) for name in ("kind", "name", "about", "axes")]
        console.table(columns, [*rows, *(("suite", n, t, "") for n, t in suites.items())])
    for problem in broken:
        console.say(f"kbench: {problem}")
    return max((problem.exit_code for problem in broken), default=0)


def _suite_names(paths: Sequence[Path]) -> list[str]:
    from kbench.machine.source import bundled

    return sorted({file.stem for folder in (bundled("suites"), *paths) for file in folder.glob("*.toml")})


def _described(kernel: Kernel) -> dict[str, object]:
    return {
        "name": kernel.name,
        "about": kernel.summary,
        "axes": {name: list(values) for name, values in kernel.axes.items()},
        "tuning": list(kernel.tuning),
        "baselines": list(kernel.baselines),
        "source": str(kernel.source),
        "spec": str(kernel.spec_path),
    }


def _print(kernels: Sequence[Kernel], suites: dict[str, str]) -> None:
    width = shutil.get_terminal_size().columns
    names = [k.name for k in kernels] + list(suites)
    indent = 2 + max(map(len, names), default=0) + 2
    if kernels:
        console.out("Kernels")
    for kernel in kernels:
        console.out(f"  {kernel.name:<{indent - 2}}{kernel.summary}")
        for line in textwrap.wrap(_axes(kernel), max(width - indent, 30), break_long_words=False):
            console.out(" " * indent + click.style(line, dim=True))
    if suites:
        console.out("Suites")
    for name, title in suites.items():
        console.out(f"  {name:<{indent - 2}}{title}")


def _axes(kernel: Kernel) -> str:
    return " ".join(f"{name}={compact(values)}" for name, values in kernel.axes.items())


def compact(values: Sequence[Value]) -> str:
    """Values in the grammar of --axis, with progressions of four and more written as a range."""
    from kbench.intent.config import format_value

    numbers = [v for v in values if isinstance(v, int) and not isinstance(v, bool)]
    if len(numbers) == len(values) >= 4:
        first, last = _power(numbers[0]), _power(numbers[-1])
        steps = {b - a for a, b in itertools.pairwise(numbers)}
        if len(steps) == 1:
            return f"{first}..{last}:{steps.pop()}"
        factors = {b / a if a else 0 for a, b in itertools.pairwise(numbers)}
        if len(factors) == 1 and min(factors) >= 2 and min(factors) == int(min(factors)):
            return f"{first}..{last}:x{int(factors.pop())}"
    return ",".join(_power(v) if v in numbers and not isinstance(v, bool) else format_value(v) for v in values)


def _power(value: Value) -> str:
    """2^20 rather than 1048576; small powers of two read better as they are."""
    if isinstance(value, int) and value >= 4096 and value & (value - 1) == 0:
        return f"2^{value.bit_length() - 1}"
    return str(value)
