"""kbench verify: correctness only, and on the cpu races and out-of-bounds accesses too."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from kbench.cli import console
from kbench.cli.chosen import Chosen
from kbench.cli.options import device_option, json_option, selects, timeout_option, yes_option
from kbench.cli.progress import Progress
from kbench.cli.sweep import ask_if_large, nothing_measured
from kbench.errors import UsageError

if TYPE_CHECKING:
    from kbench.experiment.protocol import Mode
    from kbench.experiment.result import Result

# A sanitizer slows a kernel down by one to two orders of magnitude.
SANITIZER_TIMEOUT_S = 120.0


@click.command("verify")
@selects
@timeout_option
@device_option
@click.option("--races", is_flag=True, help="On the cpu: find data races with ThreadSanitizer.")
@click.option("--asan", is_flag=True, help="On the cpu: find out-of-bounds accesses with AddressSanitizer.")
@yes_option
@json_option
def command(chosen: Chosen, device: str, races: bool, asan: bool, yes: bool, as_json: bool) -> int:
    """Check every configuration against its reference, without timing it.

    On the cpu each one runs in three thread orders and at both ends of its guard pages, with undefined-behaviour
    checks.

    \b
    Example:
      kbench verify --kernel transpose --device cpu --races
    """
    import msgspec

    from kbench.experiment.result import FAILURES
    from kbench.experiment.sweep import verify

    if races and asan:
        raise UsageError("--races and --asan are separate builds: run one after the other")
    if (races or asan) and device not in ("auto", "cpu"):
        raise UsageError("--races and --asan need the cpu device")
    choice, plan, broken = chosen.start("cpu" if races or asan else device)
    ask_if_large(plan, yes)
    method = plan.method
    if (races or asan) and "timeout_s" not in chosen.method:
        method = msgspec.structs.replace(method, timeout_s=SANITIZER_TIMEOUT_S)
    results = []
    with Progress("verify", len(plan.configs)) as progress:
        mode: Mode = "races" if races else "asan" if asan else "verify"
        for result in verify(plan, choice.name, mode=mode, method=method):
            results.append(result)
            progress.advance(result.config.id)
            if result.status in FAILURES:
                progress.note(f"{result.status} {result.config.id}: {result.message}")
    if as_json:
        console.json(
            [{"config": r.config.id, "status": r.status, "message": r.message, "checks": r.checks} for r in results]
        )
    else:
        console.table(_COLUMNS, [(r.config.id, r.status, _tolerance(r), r.message) for r in results])
    count = Counter(r.status for r in results)
    console.say(", ".join(f"{n} {status}" for status, n in count.most_common()))
    return nothing_measured(count) or (3 if broken or FAILURES & set(count) else 0)


_COLUMNS = tuple(
    console.Column(name, below=name == "message") for name in ("configuration", "status", "tolerance", "message")
)


def _tolerance(result: Result) -> str:
    from kbench.reading.table import tolerance

    return tolerance(result)
