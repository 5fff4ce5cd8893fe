"""Configurations that go to a worker together: which ones, whose turn it is there, and who still has no result."""

from __future__ import annotations

import itertools
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import msgspec

from kbench.experiment.protocol import Done, Job, Mode, Phase, Reply, Stood, Task
from kbench.experiment.result import Result, Status
from kbench.intent.method import Method
from kbench.intent.plan import Planned
from kbench.machine.device import DeviceInfo

SHARE_OF_MEMORY = {"cuda": 0.7}
"""Of the device's memory, for all that a group holds at once; a quarter of a computer's, which has others to serve."""
UNKNOWN_MEMORY = 8 * 2**30
LARGEST = 512
"""Configurations in a group."""

Watch = Callable[[Planned, str], None]
"""Told of every configuration and the phase that it has come to."""


def groups(configs: Sequence[Planned], info: DeviceInfo, mode: Mode) -> Iterator[list[Planned]]:
    """The configurations of each problem that fit into memory together; one at a time where nothing is measured.

    Each holds its own arrays (those that a spec draws at random are one for all, which is not counted on), and guarded
    copies and references stand beside them once.
    """
    budget = (info.memory_bytes or UNKNOWN_MEMORY) * SHARE_OF_MEMORY.get(info.kind, 0.25)
    for _, problem in itertools.groupby(configs, key=lambda planned: planned.config.problem):
        group: list[Planned] = []
        held = 0
        for planned in problem:
            full = held + 3 * planned.footprint > budget or len(group) == LARGEST or mode != "measure"
            if group and full:
                yield group
                group, held = [], 0
            group.append(planned)
            held += planned.footprint
        yield group


class Group:
    """A group on its way through one or more workers."""

    def __init__(
        self, tasks: Sequence[tuple[Planned, Task]], method: Method, mode: Mode, info: DeviceInfo, watch: Watch
    ) -> None:
        self._method, self._mode, self._info, self._watch = method, mode, info, watch
        self._planned = {task.config.id: planned for planned, task in tasks}
        self.pending = {task.config.id: task for _, task in tasks}
        self._name = uuid.uuid4().hex[:12]
        self._checked: set[str] = set()
        self._held: dict[str, Result] = {}
        self._begin()

    def _begin(self) -> None:
        self._order = sorted(self.pending, key=lambda name: name in self._checked)
        self._held.clear()
        self._taken_s: defaultdict[str, float] = defaultdict(float)
        self._at, self._phase, self._since_s = (self._order or [""])[0], "start", time.monotonic()

    def job(self) -> Job:
        """What is left to do, for a worker that knows nothing of it yet."""
        self._begin()
        tasks = tuple(self.pending[name] for name in self._order)
        return Job(tasks, self._method, self._mode, self._name)

    def left_s(self) -> float:
        """Until the one whose turn it is has had its time-out."""
        return self._method.timeout_s - self._spent_s()

    def take(self, reply: Reply) -> Result | None:
        """A result that has become final."""
        if isinstance(reply, Phase):
            self._turn(reply)
        elif isinstance(reply, Done):
            name = reply.result.config.id
            if reply.held:
                self._held[name] = reply.result
            else:
                self._held.pop(name, None)
                del self.pending[name]
                return reply.result
        elif isinstance(reply, Stood):
            held = self._held.pop(reply.config)
            del self.pending[reply.config]
            return msgspec.structs.replace(held, standing=reply.standing, wall_s=reply.wall_s)
        return None

    def timed_out(self) -> Result:
        message = f"no answer within {self._method.timeout_s:g} s (in phase: {self._phase}); --timeout allows more"
        return self._failed("timed_out", message)

    def crashed(self, how: str) -> Result:
        return self._failed("crashed", f"{how} (in phase: {self._phase})")

    def _turn(self, phase: Phase) -> None:
        self._taken_s[self._at] += phase.since_s - self._since_s
        self._at, self._phase, self._since_s = self._order[phase.at], phase.name, phase.since_s
        if phase.name == "inputs":
            self._taken_s[self._at] = 0.0
            self._held.pop(self._at, None)
        elif phase.name == "checked":
            self._checked.add(self._at)
        self._watch(self._planned[self._at], phase.name)

    def _spent_s(self) -> float:
        return self._taken_s[self._at] + time.monotonic() - self._since_s

    def _failed(self, status: Status, message: str) -> Result:
        """Of the one whose turn it is, or was last."""
        name = self._at if self._at in self.pending else next(iter(self.pending))
        task = self.pending.pop(name)
        return Result(
            task.config, status, self._info, message, traffic=task.traffic, source=task.source, wall_s=self._spent_s()
        )
