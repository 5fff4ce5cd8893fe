"""One bound Op by itself: check, warm up, sample, check the last timed launch. A wrong kernel is never timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kbench.experiment.contest import Contest, Finished
from kbench.experiment.entrant import Entrant
from kbench.experiment.result import Measurement
from kbench.experiment.verdict import Problem, Verdict
from kbench.intent.method import Method
from kbench.intent.op import Out
from kbench.machine.device import Bound

Say = Callable[[str], None]


def measure(
    bound: Bound, outs: Mapping[str, Out], problem: Problem, method: Method, asked: tuple[str, str], say: Say
) -> tuple[Verdict, Measurement | None]:
    """Check and time a bound Op. asked: (clock, cache state). Without a measurement where a checked launch was wrong.

    Raises KernelFault, SpecError (references), UsageError (a clock that cannot work here), MemoryError.
    """
    entrant = Entrant(problem.name, bound, outs, problem, method, asked)
    say("check")
    verdict = entrant.check()
    if not verdict.ok:
        return verdict, None
    for event in Contest([entrant], method, lambda _, phase: say(phase)):
        if isinstance(event, Finished):
            verdict = event.verdict
    return verdict, entrant.measurement() if verdict.ok else None
