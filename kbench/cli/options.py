"""Options that several verbs share, and the selection that they describe."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from kbench.errors import UsageError

if TYPE_CHECKING:
    from kbench.intent.discover import Catalog
    from kbench.intent.method import Method
    from kbench.intent.plan import Plan, Selection
    from kbench.intent.spec import Kernel
    from kbench.intent.suite import Suite

Command = TypeVar("Command", bound=Callable[..., Any])
SHORT_AXES = {"block_size": "threads", "dtype": "dtype", "variant": "variant"}


@dataclass(frozen=True)
class Chosen:
    """What the user asked for, as typed. whole_paths: only folders were named, in this command and not in the
    environment: all their kernels are meant."""

    kernels: tuple[str, ...]
    paths: tuple[Path, ...]
    whole_paths: bool
    suite: str | None
    axes: dict[str, str]
    cache: tuple[str, ...]
    clock: tuple[str, ...]
    method: dict[str, Any]

    def plan(self, device_kind: str) -> tuple[Plan, Catalog]:
        """Every configuration asked for, planned. Raises UsageError, SuiteError or a named kernel's SpecError."""
        from kbench.intent.method import Method
        from kbench.intent.plan import make_plan, select

        found = catalog(self.paths)
        if self.suite:
            suite = suite_of(self.suite, self.paths)
            return make_plan(
                self._of_suite(suite, found), self._method(suite.method), device=device_kind, title=suite.title
            ), found
        picked = found.pick(self.kernels) if self.kernels else self._of_folders(found)
        selections = select(picked, self.axes, self.cache or ("cold",), self.clock or ("auto",))
        return make_plan(selections, self._method(Method()), device=device_kind), found

    def _of_suite(self, suite: Suite, found: Catalog) -> list[Selection]:
        from kbench.intent.plan import select_suite

        named = [k.name for k in found.pick(self.kernels)]
        selections = [s for s in select_suite(suite, found.pick, self.axes) if s.kernel.name in named or not named]
        if not selections:
            raise UsageError(f"suite {self.suite} has none of the kernels {', '.join(named)}")
        return [replace(s, cache=self.cache or s.cache, clock=self.clock or s.clock) for s in selections]

    def _of_folders(self, found: Catalog) -> list[Kernel]:
        if not self.whole_paths:
            raise UsageError(
                "nothing is selected: name a --kernel, a --suite or a --path; `kbench list` shows what there is"
            )
        mine = {path.resolve() for path in self.paths}
        picked = [k for k in found.kernels.values() if k.spec_path.parent in mine]
        if not picked:
            raise UsageError(f"no kernels in {', '.join(str(p) for p in self.paths)}: `kbench new NAME` writes one")
        return picked

    def _method(self, base: Method) -> Method:
        import msgspec

        try:
            return msgspec.structs.replace(base, **self.method)
        except ValueError as error:
            raise UsageError(str(error)) from error


def folders(paths: Sequence[Path]) -> list[Path]:
    from kbench.machine.source import bundled

    return [bundled("kernels_cu"), *paths]


def catalog(paths: Sequence[Path]) -> Catalog:
    from kbench.intent.discover import discover

    return discover(folders(paths))


def suite_of(name: str, paths: Sequence[Path]) -> Suite:
    """A suite by name from kbench's own folder or the user's, or by its file."""
    from kbench.intent.suite import find_suite, load_suite
    from kbench.machine.source import bundled

    return load_suite(find_suite(name, [*paths, bundled("suites")]))


def given_axes(ctx: click.Context, param: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    axes: dict[str, str] = {}
    for text in given:
        name, equals, values = text.partition("=")
        if not equals or not name or not values:
            raise click.BadParameter(f"{text!r} is not NAME=VALUES, such as n=2^20..2^24:x4 or threads=128,256")
        if name in axes:
            raise click.BadParameter(f"axis {name} is given twice; separate its values with commas")
        axes[name] = values
    return axes


def _words(ctx: click.Context, param: click.Parameter, given: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (given or "").split(",") if part.strip())


def _size(ctx: click.Context, param: click.Parameter, given: str | None) -> int | None:
    if given is None:
        return None
    from kbench.intent.axes import parse_values

    values = parse_values("--max-bytes", given)
    if len(values) != 1 or not isinstance(values[0], int):
        raise click.BadParameter(f"{given!r} is no size such as 64MiB, 2^30 or 1000000")
    return values[0]


kernels_option = click.option(
    "--kernel", "-k", "kernels", multiple=True, metavar="NAME", help="Kernel to take; repeatable. See kbench list."
)
path_option = click.option(
    "--path",
    "paths",
    multiple=True,
    envvar="KBENCH_PATH",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A further folder of kernels; repeatable. Also from KBENCH_PATH.",
)
db_option = click.option(
    "--db", type=click.Path(path_type=Path, dir_okay=False), envvar="KBENCH_DB", default=Path("kbench.db"),
    show_default=True, metavar="FILE", help="The store. Also from KBENCH_DB.",
)  # fmt: skip
device_option = click.option(
    "--device", default="auto", show_default=True, metavar="auto|cuda|cuda:N|cpu", help="Where to run."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_SELECTION = (
    kernels_option,
    path_option,
    click.option("--suite", metavar="NAME|FILE", help="A suite: which kernels, which axis values, how to measure."),
    click.option("--axis", "axes", multiple=True, metavar="NAME=VALUES", callback=given_axes,
                 help="Values of an axis: 1,2,4 or 2^20..2^28:x4 or 0..256:32; repeatable."),
    click.option("--block-size", metavar="N,…", help="Threads in a block: short for --axis threads=…"),
    click.option("--dtype", metavar="TYPE,…", help="Data types: short for --axis dtype=…"),
    click.option("--variant", metavar="NAME,…", help="Variants: short for --axis variant=…"),
    click.option("--cache", callback=_words, metavar="STATE,…", help="Cache states to measure in: cold, warm."),
    click.option("--clock", callback=_words, metavar="NAME,…", help="Clocks to measure with. [default: auto]"),
)  # fmt: skip


timeout_option = click.option(
    "--timeout", "timeout_s", type=float, metavar="SECONDS",
    help="Give up a configuration after this long. [default: 10]",
)  # fmt: skip
_METHOD = (
    click.option("--precision", type=float, metavar="FRACTION",
                 help="Stop sampling when the 95 % interval is this narrow. [default: 0.005]"),
    click.option("--samples", type=click.IntRange(min=1), metavar="N", help="Take exactly this many samples."),
    click.option("--max-time", "max_time_s", type=float, metavar="SECONDS",
                 help="Time of samples to spend on a configuration. [default: 0.05]"),
    timeout_option,
)  # fmt: skip
_MAX_BYTES = click.option(
    "--max-bytes", callback=_size, metavar="SIZE", help="On the cpu, skip larger configurations. [default: 64MiB]"
)


def selects(command: Command) -> Command:
    """Add the options that select configurations; the command gets them as one `chosen`."""

    @functools.wraps(command)
    def wrapped(*args: Any, **given: Any) -> Any:
        method = {name: given.pop(name, None) for name in ("precision", "max_time_s", "timeout_s", "max_bytes")}
        samples = given.pop("samples", None)
        method |= {"samples_min": samples, "samples_max": samples}
        axes = given.pop("axes")
        for option, axis in SHORT_AXES.items():
            values = given.pop(option)
            if values and axis in axes:
                raise click.UsageError(f"axis {axis} is given twice: by --axis and by --{option.replace('_', '-')}")
            if values:
                axes = {**axes, axis: values}
        typed = click.get_current_context().get_parameter_source("paths") is ParameterSource.COMMANDLINE
        chosen = Chosen(
            whole_paths=typed and not given["kernels"] and not given["suite"],
            axes=axes,
            method={name: value for name, value in method.items() if value is not None},
            **{name: given.pop(name) for name in ("kernels", "paths", "suite", "cache", "clock")},
        )
        return command(*args, chosen=chosen, **given)

    added: Command = _with(wrapped, (*_SELECTION, _MAX_BYTES))
    return added


def measures(command: Command) -> Command:
    """Add the options that say how long to sample; to be used above `selects`, which puts them into `chosen`."""
    added: Command = _with(command, _METHOD)
    return added


def _with(command: Any, options: Sequence[Callable[[Any], Any]]) -> Any:
    for option in reversed(options):
        command = option(command)
    return command
