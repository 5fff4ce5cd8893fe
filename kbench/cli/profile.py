"""kbench profile: configurations under a profiler, the one that is around or one that is started around them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kbench.cli import console
from kbench.cli.chosen import Chosen
from kbench.cli.options import db_option, device_option, json_option, selects, words_of_list, yes_option
from kbench.cli.progress import Progress
from kbench.errors import UsageError

if TYPE_CHECKING:
    from kbench.cli.selected import Selected
    from kbench.experiment.result import Result
    from kbench.intent.method import Method
    from kbench.machine.profiler import Profiler
    from kbench.profiling.promised import Promised

TIMEOUT_S = 300.0
"""Of one configuration: a profiler runs a launch many times, and a sanitizer each instruction."""
FAILED = 3


@click.command("profile")
@click.argument("words", nargs=-1, metavar="[CONFIG|KEY|KERNEL.KEY]…")
@selects
@click.option("--pick", callback=words_of_list, metavar="best,worst,naive", help="Of each problem in the store.")
@click.option(
    "--tool",
    type=click.Choice(["ncu", "nsys", "cupti", "sanitizer"]),
    help="What to start. [default: ncu for a GPU, nsys for the cpu device]",
)
@click.option(
    "--launches",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    metavar="N",
    help="Runs of each configuration inside its range.",
)
@click.option(
    "--promise",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Under a profiler: write down what was launched in which range, a line of JSON each.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=float,
    metavar="SECONDS",
    help=f"Give up a configuration after this long. [default: {TIMEOUT_S:.0f}]",
)
@device_option
@db_option
@yes_option
@json_option
def command(
    words: tuple[str, ...], chosen: Chosen, pick: tuple[str, ...], tool: str | None, launches: int,
    promise: Path | None, device: str, db: Path, yes: bool, as_json: bool,
) -> int:  # fmt: skip
    """Run configurations under a profiler: a kernel's, those of stored results, or the best, worst and naive ones.

    A profiler that is around already is noticed: then each configuration is launched a few times in an NVTX range of
    its own, and nothing else is done. Otherwise kbench starts the tool around the same command, reads what it wrote,
    and keeps it beside the results. --tool cupti needs no other program.

    Results are named as kbench show --columns key tells them; with --pick, the options that name a kernel and its axes
    narrow the stored results.

    \b
    Example:
      kbench profile --kernel copy_blocks --pick best,naive
      kbench profile 3f2a91c0 --tool nsys
      nsys profile --trace=cuda,nvtx kbench profile --kernel copy --dtype float16
    """
    from kbench.cli.selected import nothing_to, selected
    from kbench.machine.profiler import around

    profiler = around()
    if promise is not None and profiler is None:
        raise UsageError("--promise is for a command under a profiler, and there is none around this one")
    found = selected(chosen, words, pick, db, device)
    if code := nothing_to("profile", found.plan):
        return code
    if profiler is not None and tool not in (None, profiler.tool):
        console.say(f"--tool {tool} is not started: a profiler is around this command already")
    if profiler is not None:
        return _under(found, profiler, _method(found, launches, chosen), promise, as_json)
    from kbench.cli.profiling import Asked, profiled
    from kbench.cli.sweep import ask_if_large

    ask_if_large(found.plan, yes)
    return profiled(Asked(chosen, found, tool, launches, db, as_json))


def _method(found: Selected, launches: int, chosen: Chosen) -> Method:
    import msgspec

    timeout_s = chosen.method.get("timeout_s", TIMEOUT_S)
    return msgspec.structs.replace(
        found.plan.method, samples_min=launches, samples_max=launches, processes=1, timeout_s=timeout_s
    )


def _under(found: Selected, profiler: Profiler, method: Method, file: Path | None, as_json: bool) -> int:
    """Launch everything in its range, and tell which ranges there were and how to look at nothing else."""
    from kbench.experiment.engine import Engine
    from kbench.profiling import promised

    console.say(f"under {TITLES.get(profiler.tool, 'a profiler')} ({profiler.why}): no clock runs, nothing is timed")
    told: list[Promised] = []
    configs = [p for p in found.plan.configs if p.status == "ok"]
    planned = {p.config.id: p for p in configs}
    with Engine(found.choice.name) as engine, Progress("profile", len(configs)) as progress:
        for result in engine.run(configs, method, "profile", keys=found.keys):
            kernels = sum(i is not None for i in planned[result.config.id].instantiations)
            told.append(_promised(result, found.keys[result.config.id], method.samples_max, kernels))
            if file is not None:
                promised.append(file, told[-1])
            progress.advance(result.config.id)
    for one in told:
        what = f"{one.runs} runs, {one.launches} kernels of its own" if one.ok else one.message
        console.say(f"{one.range}\t{what}\t{one.config.id}")
    for line in filters(profiler.tool, [one for one in told if one.ok]):
        console.say(line)
    if as_json:
        names = ("range", "key", "ok", "message", "runs", "launches")
        console.json([{"config": one.config.id} | {name: getattr(one, name) for name in names} for one in told])
    return 0 if all(one.ok for one in told) else FAILED


def _promised(result: Result, key: str, runs: int, kernels: int) -> Promised:
    """kernels: of its own in one run of its Op."""
    from kbench.machine.marks import range_name
    from kbench.profiling.promised import Promised

    ok = result.status == "ok"
    return Promised(
        range_name(result.config.kernel, key), key, result.config, result.device, ok,
        "" if ok else f"{result.status}: {result.message}", runs * ok, runs * kernels * ok, result.source,
    )  # fmt: skip


TITLES = {"ncu": "Nsight Compute", "nsys": "Nsight Systems", "sanitizer": "Compute Sanitizer"}


def filters(tool: str, told: list[Promised]) -> list[str]:
    """How to make a tool look at the promised launches alone, in its own options."""
    if not told:
        return []
    one = told[0].range
    ncu = [
        'ncu --nvtx --nvtx-include "kbench@samples/" --target-processes all … looks at these launches alone',
        f'ncu --nvtx --nvtx-include "kbench@{one}/samples" … looks at those of one range; the option may be repeated',
    ]
    nsys = [
        f"nsys profile --capture-range=nvtx --nvtx-capture={one}@kbench --capture-range-end=stop … records one range",
        f"nsys stats --filter-nvtx={one}@kbench REPORT … reports on one range",
    ]
    sanitizer = ["compute-sanitizer knows no ranges: checks and warm-ups of each configuration are in its report too"]
    return {"ncu": ncu, "nsys": nsys, "sanitizer": sanitizer}.get(tool, [*ncu, *nsys])
