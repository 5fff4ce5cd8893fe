"""A job on an open device, whatever happens: every way to fail becomes a Result with a status and a message."""

from __future__ import annotations

import math
import time
import traceback
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from kbench.errors import (
    BuildError,
    CannotBuild,
    ClockError,
    DeviceError,
    KbenchError,
    KernelFault,
    ProfilerError,
    SpecError,
    UsageError,
)
from kbench.experiment.contest import Contest, Finished
from kbench.experiment.entrant import Entrant, Gauge
from kbench.experiment.field import Field, Member, Turns
from kbench.experiment.protocol import Done, Ended, Job, Reply, Stood, Task, Traced
from kbench.experiment.result import Compiled, Launched, Result, Status
from kbench.experiment.trace import traced
from kbench.experiment.verdict import Problem, Verdict
from kbench.experiment.verify import limits, verified
from kbench.experiment.visit import visited
from kbench.intent.discover import load
from kbench.intent.op import Copy, CopyBatch, Launch, Op, Skip, as_out, dim3
from kbench.intent.spec import Kernel
from kbench.intent.traffic import traffic_of
from kbench.machine.device import Device
from kbench.machine.marks import Marks

FAULTS: dict[str, Status] = {"timeout": "timed_out", "race": "incorrect"}
"""The status of a KernelFault by its kind; all others have crashed."""
HARMLESS = ("ok", "skipped", "spec_failed", "build_failed")
"""Whatever ends otherwise may have written over what its problem shares."""
IDLE_S = 0.5
"""A device that has done nothing for this long lowers its clocks."""


class Bench:
    """An open device with the inputs and references of one problem, and the specs loaded so far.

    tell: where replies go. lost: on a GPU, something happened after which its process is of no more use.
    """

    def __init__(self, device: Device, tell: Callable[[Reply], None]) -> None:
        self.device = device
        self.lost = False
        self._tell = tell
        self._gauge = Gauge(device.telemetry)
        self._marks = Marks()
        self._problem: Problem | None = None
        self._kernels: dict[tuple[str, str], Kernel] = {}
        self._busy_s = float("-inf")
        self._fresh = True

    def run(self, job: Job) -> None:
        """Run one job; never raises for what a kernel or a spec does. Raises DeviceError for a sanitizer that this
        machine does not have."""
        turns = Turns(self._tell, self._marks, job.tasks)
        try:
            if job.mode == "measure":
                self._measure(job, turns)
            else:
                self._verify(job, turns)
        finally:
            turns.end()
        self._fresh = False
        self._tell(Ended(self.lost))

    # ------------------------------------------------------------ measuring
    def _measure(self, job: Job, turns: Turns) -> None:
        waiting = deque((at, task) for at, task in enumerate(job.tasks))
        while waiting and not self.lost:
            with Field(self.device) as field:
                if self._fill(field, waiting, job, turns) and field.members:
                    self._compete(field, job, turns)
                if self.lost:
                    field.abandon()
                waiting.extend((m.at, m.task) for m in field.members.values())

    def _fill(self, field: Field, waiting: deque[tuple[int, Task]], job: Job, turns: Turns) -> bool:
        """Take in and check whoever waits. False where one did harm, and all the others have to begin again."""
        while waiting:
            at, task = waiting.popleft()
            turns.pass_to(at, "inputs")
            try:
                member = self._member(field, at, task, job)
                turns.pass_to(at, "check")
                verdict = member.entrant.check()
            except Exception as error:
                if isinstance(error, MemoryError) and (field.members or not self._fresh):
                    waiting.clear()  # of others, or of an earlier job: no fault of this one, which gets a fresh process
                    self.lost = True
                    return True
                self._fail(at, task, error, turns)
                if self.lost or _status_of(error)[0] not in HARMLESS:
                    return False
                continue
            if not verdict.ok:
                self._wrong(member, verdict, turns)
                return False
            turns.pass_to(at, "checked")
            field.add(member)
        return True

    def _member(self, field: Field, at: int, task: Task, job: Job) -> Member:
        op, problem = self._op(task, f"variant {task.config.axes.get('variant')}")
        row = self._row(task, traffic=traffic_of(op), launched=launched(op))
        outs = {name: as_out(value) for name, value in op.outputs.items()}
        bound = field.bind(op, task.binaries, **limits(self.device, job))
        asked = (task.config.clock, task.config.cache)
        entrant = Entrant(
            task.config.id, bound, outs, problem, job.method, asked, gauge=self._gauge, baseline=task.baseline
        )
        return Member(at, task, row, bound, entrant)

    def _compete(self, field: Field, job: Job, turns: Turns) -> None:
        """Everyone's result, until all have theirs or one fails."""
        entrants = [member.entrant for member in field.members.values()]
        idle = time.monotonic() - self._busy_s > IDLE_S
        method = job.method
        if self.device.info.kind == "cpu":  # its times say nothing of a GPU: no reason to fight over them
            method = msgspec.structs.replace(method, duel=False)
        seed = f"{method.seed} {job.tasks[0].config.problem}"
        contest = Contest(
            entrants, method, lambda e, phase: turns.pass_to(field.members[e.name].at, phase),
            seed=seed, cold_start=idle, name=job.name,
        )  # fmt: skip
        try:
            for event in contest:
                member = field.members[event.entrant.name]
                if not isinstance(event, Finished):
                    self._tell(Stood(member.task.config.id, event.standing, turns.taken_s(member.at)))
                elif event.verdict.ok:
                    result = _with(
                        member.row, checks=event.verdict.checks, standing=event.standing,
                        measurement=event.entrant.measurement(job.method.seed),
                        compiled=compiled_of(member.task, member.bound.registers()),
                        occupancy=member.bound.occupancy(), wall_s=turns.taken_s(member.at),
                    )  # fmt: skip
                    self._tell(Done(result, event.held))
                    if event.held:
                        continue
                else:
                    self._wrong(member, event.verdict, turns)
                field.finish(event.entrant.name)
        except Exception as error:
            member = field.members[contest.current.name]
            self._fail(member.at, member.task, error, turns)
            field.finish(contest.current.name)
        self._busy_s = time.monotonic()

    # ------------------------------------------------------------ verifying, profiling
    def _verify(self, job: Job, turns: Turns) -> None:
        for at, task in enumerate(job.tasks):
            turns.pass_to(at, "inputs")
            try:
                op, problem = self._op(task, task.config.id)
                outs = {name: as_out(value) for name, value in op.outputs.items()}
                turns.pass_to(at, "check")
                row = self._row(task, traffic=traffic_of(op), launched=launched(op))
                if job.mode == "profile":
                    result = visited(self.device, op, outs, problem, job, task, row, partial(turns.pass_to, at))
                elif job.mode == "trace":
                    result, trace = traced(self.device, op, outs, problem, job, task, row, partial(turns.pass_to, at))
                    if trace is not None:
                        self._tell(Traced(task.config.id, trace))
                else:
                    result = verified(self.device, op, outs, problem, job, task, row)
            except Exception as error:
                if isinstance(error, DeviceError) and job.mode in ("races", "asan"):
                    raise  # no sanitizer on this machine is no kernel's fault
                if isinstance(error, ProfilerError):
                    raise  # nor is nothing that could record a timeline
                self._fail(at, task, error, turns)
                if self.lost:
                    return
                continue
            if result.status not in HARMLESS:
                self.forget()
            self._tell(Done(_with(result, wall_s=turns.taken_s(at))))

    # ------------------------------------------------------------ failures
    def _fail(self, at: int, task: Task, error: Exception, turns: Turns) -> None:
        status, message = _status_of(error)
        self.lost = self.device.info.kind != "cpu" and _loses_device(error)
        if status not in HARMLESS:
            self.forget()
        row = self._row(task, status=status, message=message, compiled=compiled_of(task), wall_s=turns.taken_s(at))
        self._tell(Done(row))

    def _wrong(self, member: Member, verdict: Verdict, turns: Turns) -> None:
        self.forget()
        row = _with(
            member.row, status="incorrect", message=verdict.message, checks=verdict.checks,
            compiled=compiled_of(member.task, member.bound.registers()), occupancy=member.bound.occupancy(),
            wall_s=turns.taken_s(member.at),
        )  # fmt: skip
        self._tell(Done(row))

    def _row(self, task: Task, **fields: Any) -> Result:
        row = Result(task.config, "ok", self.device.info, traffic=task.traffic, source=task.source)
        return _with(row, **fields)

    # ------------------------------------------------------------ specs
    def forget(self) -> None:
        """Drop inputs and references."""
        self._problem = None

    def _op(self, task: Task, asker: str) -> tuple[Op, Problem]:
        """asker: on whose behalf references are asked for, see Problem."""
        name = task.config.problem
        if self._problem is None or self._problem.name != name:
            self._problem = None  # freed before the next one is made
            self._problem = Problem(name, self.device.xp)
        self._problem.rng.restart()
        self._problem.asker = asker
        return self._kernel(task).op(self.device.xp, self._problem.rng, task.config), self._problem

    def _kernel(self, task: Task) -> Kernel:
        key = (task.spec_path, task.config.kernel)
        if key not in self._kernels:
            self._kernels |= {(task.spec_path, k.name): k for k in load(Path(task.spec_path))}
        if key not in self._kernels:
            raise SpecError(f"{task.spec_path} no longer defines kernel {task.config.kernel!r}")
        return self._kernels[key]


def compiled_of(task: Task, registers: int | None = None) -> Compiled | None:
    """What the compiler said of the task's first kernel; `registers` as loaded, where the device knows better."""
    binary = next((b for b in task.binaries if b is not None), None)
    if binary is None:
        return None
    return Compiled(
        binary.entry, binary.compiler, binary.compile_s, binary.size_bytes,
        binary.registers if registers is None else registers, binary.spill_bytes, binary.shared_bytes,
    )  # fmt: skip


def launched(op: Op) -> Launched | None:
    """How the first kernel of an Op is launched, and how much else there is."""
    kernels = [step for step in op.steps if isinstance(step, Launch)]
    if not kernels:
        return None
    first = kernels[0]
    copies = sum(len(s.pairs) if isinstance(s, CopyBatch) else isinstance(s, Copy) for s in op.steps)
    sizes = math.prod(dim3(first.grid)), math.prod(dim3(first.block))
    return Launched(*sizes, first.shared_bytes, len(kernels), copies)


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
        case ClockError():  # the kernel was found right, and nothing is known of its time
            return "skipped", f"the clock lost its samples twice: {error}; another --clock may do"
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
