"""One job on an open device, whatever happens: every way to fail becomes a Result with a status and a message."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from kbench.errors import BuildError, CannotBuild, DeviceError, KbenchError, KernelFault, SpecError, UsageError
from kbench.experiment.measure import Problem, Say, measure
from kbench.experiment.protocol import Job
from kbench.experiment.result import Compiled, Result, Status
from kbench.experiment.verify import limits, verified
from kbench.intent.discover import load
from kbench.intent.op import Op, Out, Skip, as_out
from kbench.intent.spec import Kernel
from kbench.intent.traffic import traffic_of
from kbench.machine.device import Device

FAULTS: dict[str, Status] = {"timeout": "timed_out", "race": "incorrect"}
"""The status of a KernelFault by its kind; all others have crashed."""


class Bench:
    """An open device with the inputs and references of one problem, and the specs loaded so far.

    lost: on a GPU, something happened after which its process is of no more use.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.lost = False
        self._problem: Problem | None = None
        self._kernels: dict[tuple[str, str], Kernel] = {}

    def run(self, job: Job, say: Say) -> Result:
        """Run one job; never raises for what a kernel or a spec does. Raises DeviceError for a sanitizer that this
        machine does not have."""
        begin = time.perf_counter()
        empty = Result(job.config, "ok", self.device.info, traffic=job.traffic, source=job.source)
        try:
            result = self._attempt(job, empty, say)
        except Exception as error:
            if isinstance(error, DeviceError) and job.mode in ("races", "asan"):
                raise  # no sanitizer on this machine is no kernel's fault
            status, message = _status_of(error)
            result = _with(empty, status=status, message=message, compiled=compiled_of(job))
            self.lost = self.device.info.kind != "cpu" and _loses_device(error)
        if result.status not in ("ok", "skipped"):
            self.forget()  # a kernel that went wrong may have written over what its problem shares
        return _with(result, wall_s=time.perf_counter() - begin)

    def forget(self) -> None:
        """Drop inputs and references."""
        self._problem = None

    def _attempt(self, job: Job, empty: Result, say: Say) -> Result:
        say("inputs")
        problem = self._problem_of(job)
        kernel = self._kernel(job)
        problem.asker = asker_of(job)
        problem.rng.restart()
        op = kernel.op(self.device.xp, problem.rng, job.config)
        outs = {name: as_out(value) for name, value in op.outputs.items()}
        row = _with(empty, traffic=traffic_of(op))
        if job.mode != "measure":
            return verified(self.device, op, outs, problem, job, row, say)
        return self._measured(op, outs, problem, job, row, say)

    def _measured(self, op: Op, outs: Mapping[str, Out], problem: Problem, job: Job, row: Result, say: Say) -> Result:
        bound = self.device.bind(op, job.binaries, **limits(self.device, job))
        try:
            asked = (job.config.clock, job.config.cache)
            verdict, measurement = measure(bound, outs, problem, job.method, asked, say)
            return _with(
                row,
                status="ok" if verdict.ok and measurement else "incorrect",
                message=verdict.message,
                checks=verdict.checks,
                measurement=measurement,
                compiled=compiled_of(job, bound.registers()),
                occupancy=bound.occupancy(),
            )
        finally:
            bound.close()

    def _problem_of(self, job: Job) -> Problem:
        if self._problem is None or self._problem.name != job.config.problem:
            self._problem = None  # freed before the next one is made
            self._problem = Problem(job.config.problem, self.device.xp)
        return self._problem

    def _kernel(self, job: Job) -> Kernel:
        key = (job.spec_path, job.config.kernel)
        if key not in self._kernels:
            self._kernels |= {(job.spec_path, k.name): k for k in load(Path(job.spec_path))}
        if key not in self._kernels:
            raise SpecError(f"{job.spec_path} no longer defines kernel {job.config.kernel!r}")
        return self._kernels[key]


def asker_of(job: Job) -> str:
    """On whose behalf references are asked for, see Problem."""
    return f"variant {job.config.axes.get('variant')}" if job.mode == "measure" else job.config.id


def compiled_of(job: Job, registers: int | None = None) -> Compiled | None:
    """What the compiler said of the job's first kernel; `registers` as loaded, where the device knows better."""
    binary = next((b for b in job.binaries if b is not None), None)
    if binary is None:
        return None
    return Compiled(
        binary.entry, binary.compiler, binary.compile_s, binary.size_bytes,
        binary.registers if registers is None else registers, binary.spill_bytes, binary.shared_bytes,
    )  # fmt: skip


def _loses_device(error: Exception) -> bool:
    """A fault poisons a CUDA context for good, and memory that ran out is given back only by the process's end. A
    launch that was refused, and whatever a spec or a compiler is to blame for, is harmless."""
    if isinstance(error, KernelFault):
        return error.kind != "launch"
    return isinstance(error, MemoryError | DeviceError) or not isinstance(error, KbenchError | Skip)


def _with(result: Result, **changes: Any) -> Result:
    return msgspec.structs.replace(result, **changes)


def _status_of(error: Exception) -> tuple[Status, str]:
    match error:
        case Skip() | UsageError():  # a clock that cannot time this Op is a reason too, and the sweep goes on
            return "skipped", str(error)
        case SpecError():
            return "spec_failed", str(error)
        case CannotBuild():
            return "crashed", str(error)
        case BuildError():
            return "build_failed", str(error)
        case MemoryError():
            return "out_of_memory", str(error) or "not enough memory for inputs, references and guarded copies"
        case KernelFault():
            return FAULTS.get(error.kind, "crashed"), str(error)
        case DeviceError() | KbenchError():
            return "crashed", str(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
    return "crashed", f"{where}{type(error).__name__}: {error}"
