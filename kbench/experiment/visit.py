"""A configuration run for a profiler: checked, warmed up, then launched a few times with nothing in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from kbench.experiment.protocol import Job, Task
from kbench.experiment.result import Result
from kbench.experiment.verdict import Problem, checked
from kbench.experiment.verify import limits
from kbench.intent.op import Op, Out
from kbench.machine.device import Device


def visited(
    device: Device, op: Op, outs: Mapping[str, Out], problem: Problem, job: Job, task: Task, row: Result,
    turn: Callable[[str], None],
) -> Result:  # fmt: skip
    """Runs the Op as often as `job.method` asks for samples, each time until the device has done it. No clock, no hold
    and no flush comes near it: what a profiler sees in the phase `samples` is the Op. turn: told of each phase.

    An incorrect one is not launched for the profiler at all. Raises what a bound Op raises.
    """
    bound = device.bind(op, task.binaries, **limits(device, job))
    try:
        verdict = checked(bound, outs, problem, bound.run)
        if not verdict.ok:
            return msgspec.structs.replace(row, status="incorrect", message=verdict.message, checks=verdict.checks)
        turn("warm-up")
        bound.restore({})  # again its own inputs, should it work in place
        bound.run()
        turn("samples")
        for _ in range(job.method.samples_max):
            bound.run()
        turn("checked")
    finally:
        bound.close()
    return msgspec.structs.replace(row, checks=verdict.checks)
