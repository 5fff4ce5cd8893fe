"""Those who are measured together: their memory, and whose turn it is."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from kbench.experiment.entrant import Entrant
from kbench.experiment.protocol import Phase, Task
from kbench.experiment.result import Result
from kbench.intent.op import Op
from kbench.machine.binary import Binary
from kbench.machine.device import Bound, Device
from kbench.machine.marks import Marks

MARKED = {"inputs": "build", "check": "check", "warm-up": "warm-up"}
"""The NVTX phase of each phase that the parent is told of; of all others it is `samples`."""


@dataclass(frozen=True)
class Member:
    """at: its place in the job. row: what is known of its result so far."""

    at: int
    task: Task
    row: Result
    bound: Bound
    entrant: Entrant


class Field:
    """Members by id, with one pool of guarded memory for all: leaving it as a context manager frees everything."""

    def __init__(self, device: Device) -> None:
        self.members: dict[str, Member] = {}
        self._device = device
        self._open = ExitStack()
        self._pool = device.pool()
        self._open.callback(self._pool.close)

    def bind(self, op: Op, binaries: Sequence[Binary | None], **options: Any) -> Bound:
        """What Device.bind raises."""
        bound = self._device.bind(op, binaries, shared=self._pool, **options)
        self._open.callback(bound.close)
        return bound

    def add(self, member: Member) -> None:
        self.members[member.entrant.name] = member

    def finish(self, name: str) -> None:
        """It has its result."""
        del self.members[name]

    def abandon(self) -> None:
        """The device is lost, and its memory with it: it goes with the process."""
        self._open.pop_all()

    def __enter__(self) -> Field:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()


class Turns:
    """Tells the parent whose turn it is and since when, counts what each has taken, and marks it for profilers: a turn
    is an NVTX range, from before its first launch until after its last one has ended."""

    def __init__(self, tell: Callable[[Phase], None], marks: Marks, tasks: Sequence[Task]) -> None:
        self._tell, self._marks, self._tasks = tell, marks, tasks
        for task in tasks:
            marks.prepare(task.range, task.config.kernel, task.ordinal)
        self._at, self._since_s = 0, time.monotonic()
        self._taken_s: defaultdict[int, float] = defaultdict(float)

    def pass_to(self, at: int, phase: str) -> None:
        now = time.monotonic()
        self._taken_s[self._at] += now - self._since_s
        self._at, self._since_s = at, now
        if phase == "inputs":  # from the beginning, perhaps once more
            self._taken_s[at] = 0.0
        self._tell(Phase(phase, at, now))
        if phase == "checked":
            self._marks.leave()
        else:
            self._marks.enter(self._tasks[at].range, MARKED.get(phase, "samples"))

    def end(self) -> None:
        """Nobody's turn any more."""
        self._marks.leave()

    def taken_s(self, at: int) -> float:
        """Wall time of a task's turns so far."""
        return self._taken_s[at] + (time.monotonic() - self._since_s if at == self._at else 0.0)
