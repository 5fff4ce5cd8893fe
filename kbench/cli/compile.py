"""kbench compile: every instantiation of a selection, for any architecture, without a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kbench.cli import console
from kbench.cli.chosen import Chosen
from kbench.cli.options import json_option, selects
from kbench.cli.progress import Progress
from kbench.errors import BuildError, KbenchError, UsageError
from kbench.reading import units

if TYPE_CHECKING:
    from kbench.intent.plan import Plan
    from kbench.machine.binary import Binary, Target
    from kbench.machine.build import BuildRequest


def _targets(ctx: click.Context, param: click.Parameter, given: str | None) -> list[Target]:
    from kbench.machine.binary import Target

    if given is None:
        from kbench.machine.cuda.visible import arch_here

        return [Target("cuda", arch_here())]
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if name != "cpu" and not (name.startswith("sm_") and name[3:].rstrip("af").isdigit()):
            raise click.BadParameter(f"{name!r} is no architecture such as sm_90 or cpu")
    return [Target("cpu", "fast") if name == "cpu" else Target("cuda", name) for name in dict.fromkeys(names)]


@click.command("compile")
@selects
@click.option("--arch", "targets", callback=_targets, metavar="ARCH,…",
              help="For what: sm_80, sm_90, sm_120, … or cpu. [default: this machine's GPU, else sm_90]")  # fmt: skip
@json_option
def command(chosen: Chosen, targets: list[Target], as_json: bool) -> int:
    """Compile and print registers, spilled and shared memory of each kernel. Needs no GPU.

    \b
    Example:
      kbench compile --kernel transpose --arch sm_80,sm_90,cpu
    """
    from kbench.machine.build import build_all

    if not targets:
        raise UsageError("--arch names no architecture")
    plan, _ = chosen.plan("cuda")
    requests = _requests(plan, targets)
    rows: list[tuple[Any, ...]] = []
    failed: list[KbenchError] = []
    with Progress("compile", len(requests)) as progress:
        for request, made in build_all(requests):
            progress.advance(request.entry)
            if isinstance(made, KbenchError):
                failed.append(made)
            else:
                rows.append(_row(made))
    if as_json:
        console.json([dict(zip([c.name for c in _COLUMNS], row, strict=True)) for row in rows])
    elif rows:
        console.table(_COLUMNS, rows)
    for error in failed:
        console.say(f"kbench: {error}")
    broken = [p.message for p in plan.configs if p.status == "spec_failed"]
    for message in dict.fromkeys(broken):
        console.say(f"kbench: {message}")
    console.say(f"{len(rows)} of {len(requests)} instantiations compiled")
    if failed and not rows and not isinstance(failed[0], BuildError):
        raise failed[0]
    return 3 if failed or broken else 0


def _requests(plan: Plan, targets: list[Target]) -> list[BuildRequest]:
    """Each distinct instantiation once for each target; configurations share most of them."""
    from kbench.machine.build import request_of

    needed = dict.fromkeys(i for p in plan.configs if p.status == "ok" for i in p.instantiations if i is not None)
    return [request_of(i, target) for i in needed for target in targets]


_COLUMNS = (
    console.Column("entry"),
    console.Column("arch"),
    console.Column("registers", number=True),
    console.Column("spill_bytes", "spills", units.size, number=True),
    console.Column("shared_bytes", "shared", units.size, number=True),
    console.Column("size_bytes", "size", units.size, number=True),
    console.Column("compile_s", "compiled in", units.duration, number=True),
    console.Column("compiler"),
)


def _row(made: Binary) -> tuple[Any, ...]:
    arch = made.target.arch if made.target.device == "cuda" else "cpu"
    sizes = (made.registers, made.spill_bytes, made.shared_bytes, made.size_bytes)
    return (made.entry, arch, *sizes, made.compile_s, made.compiler)
