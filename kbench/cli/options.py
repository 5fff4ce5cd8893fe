"""Options that several verbs share."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from kbench.cli.chosen import Chosen

Command = TypeVar("Command", bound=Callable[..., Any])
SHORT_AXES = {"block_size": "threads", "dtype": "dtype", "variant": "variant"}


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


def words_of_list(ctx: click.Context, param: click.Parameter, given: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (given or "").split(",") if part.strip())


def _size(ctx: click.Context, param: click.Parameter, given: str | None) -> int | None:
    if given is None:
        return None
    from kbench.intent.axes import parse_values

    values = parse_values("--max-bytes", given)
    if len(values) != 1 or not isinstance(values[0], int):
        raise click.BadParameter(f"{given!r} is no size such as 64MiB, 2^30 or 1000000")
    return values[0]


def _fraction(ctx: click.Context, param: click.Parameter, given: str | None) -> float | None:
    """0.5% or 0.005."""
    if given is None:
        return None
    text = given.strip()
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise click.BadParameter(f"{given!r} is no precision such as 0.5% or 0.005") from None


def _seconds(ctx: click.Context, param: click.Parameter, given: str | None) -> float | None:
    """20ms, 1.5s or 0.02."""
    if given is None:
        return None
    found = re.fullmatch(r"\s*([\d.eE+-]+)\s*(us|ms|s|)\s*", given)
    try:
        return float(found[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0, "": 1.0}[found[2]]  # type: ignore[index]
    except (TypeError, ValueError):
        raise click.BadParameter(f"{given!r} is no time such as 20ms or 0.02") from None


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
columns_option = click.option(
    "--columns", callback=words_of_list, metavar="NAME,…",
    help="Further columns, by the names of kbench export: compile_s, binary_bytes, memory_bytes, items_per_s, …",
)  # fmt: skip
metrics_option = click.option(
    "--columns", callback=words_of_list, metavar="NAME,…",
    help="Also what profilers counted: dram_bytes_read, l2_hit_rate, achieved_occupancy, … See kbench profile.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Start a very large selection without asking.")
_SELECTION = (
    kernels_option,
    path_option,
    click.option("--suite", metavar="NAME|FILE", help="A suite: which kernels, which axis values, how to measure."),
    click.option("--axis", "axes", multiple=True, metavar="NAME=VALUES", callback=given_axes,
                 help="Values of an axis: 1,2,4 or 2^20..2^28:x4 or 0..256:32; repeatable."),
    click.option("--block-size", metavar="N,…", help="Threads in a block: short for --axis threads=…"),
    click.option("--dtype", metavar="TYPE,…", help="Data types: short for --axis dtype=…"),
    click.option("--variant", metavar="NAME,…", help="Variants: short for --axis variant=…"),
    click.option("--cache", callback=words_of_list, metavar="STATE,…",
                 help="Cache states to measure in: cold, warm, sustained. [default: cold]"),
    click.option("--clock", callback=words_of_list, metavar="NAME,…",
                 help="Clocks to measure with: cupti, events, graph, host. [default: auto]"),
)  # fmt: skip


max_bytes_option = click.option(
    "--max-bytes", callback=_size, metavar="SIZE", help="On the cpu, skip larger configurations. [default: 64MiB]"
)
timeout_option = click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
    help="Give up a configuration after this long. [default: 10]",
)  # fmt: skip
_PLAIN = ("precision", "max_time_s", "timeout_s")
_METHOD = (
    click.option("--fast", is_flag=True,
                 help="10 to 40 samples to 2 %, 10 ms of them, and no duel among the leaders."),
    click.option("--rigorous", is_flag=True,
                 help="Five fresh processes, each 40 to 400 samples to 0.25 %; the row tells how far they differ."),
    click.option("--precision", callback=_fraction, metavar="PERCENT",
                 help="Stop sampling when half the 95 % interval is this narrow. [default: 0.5%]"),
    click.option("--samples", type=click.IntRange(min=1), metavar="N", help="Take exactly this many samples."),
    click.option("--max-time", "max_time_s", callback=_seconds, metavar="TIME",
                 help="Time of samples to spend on a configuration. [default: 50ms]"),
    timeout_option,
)  # fmt: skip


def selects(command: Command) -> Command:
    """Add the options that select configurations; the command gets them as one `chosen`."""

    @functools.wraps(command)
    def wrapped(*args: Any, **given: Any) -> Any:
        method = {name: given.pop(name, None) for name in (*_PLAIN, "max_bytes")}
        presets = [name for name in ("fast", "rigorous") if given.pop(name, False)]
        if len(presets) > 1:
            raise click.UsageError("--fast and --rigorous say opposite things: give one of them")
        method["preset"] = presets[0] if presets else None
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

    added: Command = _with(wrapped, (*_SELECTION, max_bytes_option))
    return added


def measures(command: Command) -> Command:
    """Add the options that say how long to sample; to be used above `selects`, which puts them into `chosen`."""
    added: Command = _with(command, _METHOD)
    return added


def _with(command: Any, options: Sequence[Callable[[Any], Any]]) -> Any:
    for option in reversed(options):
        command = option(command)
    return command
