"""A configuration run for its timeline: checked, and then recorded by the device itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from kbench.errors import ClockError
from kbench.experiment.protocol import Job, Task
from kbench.experiment.result import Result
from kbench.experiment.verdict import Problem, checked
from kbench.experiment.verify import limits
from kbench.intent.op import Op, Out
from kbench.machine.device import Device
from kbench.machine.span import Trace


def traced(
    device: Device, op: Op, outs: Mapping[str, Out], problem: Problem, job: Job, task: Task, row: Result,
    turn: Callable[[str], None],
) -> tuple[Result, Trace | None]:  # fmt: skip
    """The row, and the timeline of a correct one. turn: told of each phase. Raises what a bound Op raises, and
    ProfilerError where this device has nothing that could record."""
    bound = device.bind(op, task.binaries, **limits(device, job))
    try:
        verdict = checked(bound, outs, problem, bound.run)
        row = msgspec.structs.replace(row, checks=verdict.checks)
        if not verdict.ok:
            return msgspec.structs.replace(row, status="incorrect", message=verdict.message), None
        turn("samples")
        bound.restore({})  # again its own inputs, should it work in place
        found = bound.trace()
        turn("checked")
        return row, found
    except ClockError as error:
        return msgspec.structs.replace(row, status="crashed", message=f"no timeline: {error}"), None
    finally:
        bound.close()
