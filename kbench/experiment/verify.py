"""Correctness only: on the cpu every thread order, arrays at either end of their guard pages, and the sanitizers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kbench.experiment.check import compare
from kbench.experiment.protocol import Job, Task
from kbench.experiment.result import Result
from kbench.experiment.verdict import Problem, Verdict, checked
from kbench.intent.op import Op, Out
from kbench.machine.device import Device

PASSES = (
    {"order": "forward", "place": "end"},
    {"order": "reverse", "place": "end"},
    {"order": "random", "place": "end"},
    {"order": "forward", "place": "start"},
)
"""Thread order, and where arrays lie between guard pages: overruns are caught at the end, underruns at the start.
Not strict: that forbids a barrier behind `if (i >= n) return;`, which GPUs from sm_70 on define. What they leave
undefined (barriers that not all threads take alike, shuffles that named lanes go around) the check build reports."""


def verified(
    device: Device, op: Op, outs: Mapping[str, Out], problem: Problem, job: Job, task: Task, row: Result
) -> Result:
    """Check one configuration without timing it. Each pass holds every output against its reference; where that is
    exact, all thread orders have given the same bits. Raises what a bound Op raises."""
    if job.mode in ("races", "asan"):
        return _sanitized(op, outs, problem, job, task, row)
    passes: tuple[dict[str, Any], ...] = PASSES if device.info.kind == "cpu" else ({},)
    verdict = Verdict(())
    for options in passes:
        bound = device.bind(op, task.binaries, **options, **limits(device, job))
        try:
            verdict = checked(bound, outs, problem, bound.run)
        finally:
            bound.close()
        if not verdict.ok:
            how = ", ".join(f"{name} {value}" for name, value in options.items())
            return _incorrect(row, verdict, how)
    return msgspec.structs.replace(row, checks=verdict.checks)


def _sanitized(op: Op, outs: Mapping[str, Out], problem: Problem, job: Job, task: Task, row: Result) -> Result:
    """One run in a child process under a sanitizer, whose outputs are checked too. Raises DeviceError where it cannot
    run here, KernelFault with what it found."""
    from kbench.machine.cpu.sanitize import sanitize

    found = sanitize(op, task.binaries, timeout_s=0.9 * job.method.timeout_s)
    checks = tuple(compare(n, out, found[n], problem.reference(n, out), problem.xp) for n, out in outs.items())
    verdict = Verdict(checks)
    return msgspec.structs.replace(row, checks=checks) if verdict.ok else _incorrect(row, verdict, job.mode)


def _incorrect(row: Result, verdict: Verdict, how: str) -> Result:
    message = f"{verdict.message} ({how})" if how else verdict.message
    return msgspec.structs.replace(row, status="incorrect", message=message, checks=verdict.checks)


def limits(device: Device, job: Job) -> dict[str, float]:
    """An emulated launch ends itself in time, and can say where it was; the parent's kill is for all else."""
    return {"timeout_s": 0.8 * job.method.timeout_s} if device.info.kind == "cpu" else {}
