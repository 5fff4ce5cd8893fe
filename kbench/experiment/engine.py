"""Runs planned configurations on one device: compilers in threads ahead of one worker that is replaced when it dies.

The parent process never opens the device.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType

import msgspec

from kbench.errors import BuildError, CannotBuild, DeviceError, NoCache
from kbench.experiment.group import Group, Watch, groups
from kbench.experiment.process import Process, WorkerDied
from kbench.experiment.protocol import (
    MODES,
    AskLatencies,
    Ended,
    Latencies,
    Mode,
    Ready,
    Reply,
    Request,
    Task,
    Traced,
    Unusable,
)
from kbench.experiment.repeated import repeated
from kbench.experiment.result import Result, Roof, Status
from kbench.experiment.source import Sources
from kbench.intent.config import Config
from kbench.intent.config import keys as keys_of
from kbench.intent.method import Method
from kbench.intent.plan import Planned
from kbench.machine.binary import Binary, Target
from kbench.machine.build import BuildRequest, build, request_of
from kbench.machine.device import DeviceInfo
from kbench.machine.marks import range_name
from kbench.machine.span import Trace

Tasks = Sequence[tuple[Planned, Task]]

START_S = 120.0
"""The longest that opening a device may take."""


class Engine:
    """Use as a context manager: leaving it, by whatever exception, ends the worker and everything that it started."""

    def __init__(self, device: str, *, watch: Watch | None = None) -> None:
        self.device = device
        self._watch = watch or (lambda planned, phase: None)
        self._worker: Process | None = None
        self._ready: Ready | None = None
        self._traces: dict[str, Trace] = {}

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self._worker is not None:
            self._worker.close() if kind is None else self._worker.kill()
            self._worker = None

    @property
    def info(self) -> DeviceInfo:
        """The device, which is opened if it is not. Raises DeviceError."""
        return self._opened().info

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id; None while there is none."""
        return self._worker.pid if self._worker else None

    def _opened(self) -> Ready:
        """Start a worker where there is none, and wait until its device is open."""
        if self._worker is not None and not self._worker.alive:
            self._drop()  # it died while it had nothing to do: no configuration's fault
        if self._worker is not None and self._ready is not None:
            return self._ready
        self._worker = Process(self.device)
        try:
            reply = self._worker.receive(START_S)
        except WorkerDied as death:
            self._drop()
            raise DeviceError(f"device {self.device} could not be opened: {death}") from death
        if isinstance(reply, Ready):
            self._ready = reply
            return reply
        self._drop()
        if isinstance(reply, Unusable):
            raise DeviceError(reply.message)
        raise DeviceError(f"device {self.device} did not open within {START_S:.0f} s")

    def _drop(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker = None

    def run(
        self, configs: Sequence[Planned], method: Method, mode: Mode = "measure", *,
        keys: Mapping[str, str] | None = None,
    ) -> Iterator[Result]:  # fmt: skip
        """One Result for every configuration: problem after problem, inside one as they become final. keys: by id, as
        the user is shown them, where these are but a part of a plan; their order is the plan's. Raises DeviceError
        where no worker starts, NoCache where no binary can be kept."""
        info, target, sources = self.info, self._opened().targets[MODES[mode]], Sources()
        names = Names(keys or keys_of(p.config for p in configs))
        with _builds(configs, target) as builds:
            for group in groups(configs, info, mode):
                tasks: list[tuple[Planned, Task]] = []
                for planned in group:
                    row = Result(planned.config, "ok", info, traffic=planned.traffic, source=sources.of(planned))
                    made = self._made(planned, row, builds, names)
                    if isinstance(made, Result):
                        yield made
                    else:
                        tasks.append((planned, made))
                if tasks and mode == "measure" and method.processes > 1:
                    yield from repeated(functools.partial(self._fresh, tasks, method, mode, info), method.processes)
                elif tasks:
                    yield from self._group(tasks, method, mode, info)

    def traces(
        self, configs: Sequence[Planned], method: Method, *, keys: Mapping[str, str] | None = None
    ) -> Iterator[tuple[Result, Trace | None]]:
        """One Result for every configuration, as `run` gives them, with the timeline of each that is ok. Raises
        DeviceError where no worker starts, or where nothing on its device could record."""
        for result in self.run(configs, method, "trace", keys=keys):
            yield result, self._traces.pop(result.config.id, None)

    def _made(self, planned: Planned, row: Result, builds: _Builds, names: Names) -> Task | Result:
        """What the worker needs to know, or why it need not."""
        if planned.status != "ok":
            return msgspec.structs.replace(row, status=planned.status, message=planned.message)
        begin = time.perf_counter()
        self._watch(planned, "compile")
        try:
            binaries = builds.of(planned)
        except NoCache:
            raise  # it is no single configuration's
        except BuildError as error:
            wall_s = time.perf_counter() - begin
            return msgspec.structs.replace(row, status=status_of_build(error), message=str(error), wall_s=wall_s)
        kernel, config = planned.kernel, planned.config
        baseline = config.axes.get("variant") in kernel.baselines
        return Task(config, str(kernel.spec_path), binaries, planned.traffic, row.source, baseline, *names.of(config))

    def _fresh(
        self, tasks: Tasks, method: Method, mode: Mode, info: DeviceInfo, without: Collection[str]
    ) -> Iterator[Result]:
        """A group in a process of its own."""
        self._drop()
        left = [(planned, task) for planned, task in tasks if task.config.id not in without]
        yield from self._group(left, method, mode, info)

    def _group(self, tasks: Tasks, method: Method, mode: Mode, info: DeviceInfo) -> Iterator[Result]:
        """Every result of a group, over as many workers as it takes. After a worker's death whoever has no result yet
        is measured again; whoever has not been found right yet comes first, so that each fault costs little."""
        group = Group(tasks, method, mode, info, self._watch)
        while group.pending:
            self._opened()
            yield from self._attempt(group)

    def _attempt(self, group: Group) -> Iterator[Result]:
        job = group.job()
        try:
            self._send(job)
            while True:
                reply = self._receive(group.left_s())
                if reply is None:
                    self._drop()
                    yield group.timed_out()
                    return
                if isinstance(reply, Unusable):
                    self._drop()
                    raise DeviceError(reply.message)
                if isinstance(reply, Traced):
                    self._traces[reply.config] = reply.trace
                    continue
                if isinstance(reply, Ended):
                    if reply.leaving:
                        self._drop()
                    return
                if (result := group.take(reply)) is not None:
                    yield result
        except WorkerDied as death:
            self._drop()
            yield group.crashed(str(death))

    def latencies(self, timeout_s: float = 30.0) -> tuple[Roof, ...]:
        """Latency roofs of the device, measured by the worker. Raises DeviceError."""
        self._opened()
        try:
            self._send(AskLatencies())
            reply = self._receive(timeout_s)
        except WorkerDied as death:
            self._drop()
            raise DeviceError(f"the latencies of {self.device} could not be measured: {death}") from death
        if not isinstance(reply, Latencies):
            self._drop()
            raise DeviceError(f"the latencies of {self.device} were not measured within {timeout_s:g} s")
        return reply.roofs

    def _send(self, request: Request) -> None:
        assert self._worker is not None
        self._worker.send(request)

    def _receive(self, timeout_s: float) -> Reply | None:
        assert self._worker is not None
        return self._worker.receive(timeout_s)


class Names:
    """How profilers are shown configurations: the name of the range, and the number in the plan."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = keys
        self._ordinals = {name: number for number, name in enumerate(keys)}

    def of(self, config: Config) -> tuple[str, int]:
        key = self._keys.get(config.id) or config.digest
        return range_name(config.kernel, key), self._ordinals.get(config.id, 0)


def status_of_build(error: BuildError) -> Status:
    """A machine that cannot compile is no failure of the source, and is tried again."""
    return "crashed" if isinstance(error, CannotBuild) else "build_failed"


class _Builds:
    """Binaries being made ahead of the worker, each distinct request once, in the order in which they are needed."""

    def __init__(self, configs: Iterable[Planned], target: Target, pool: ThreadPoolExecutor) -> None:
        self._target = target
        self._futures: dict[BuildRequest, Future[Binary]] = {}
        for planned in configs:
            for request in self._requests(planned):
                if request is not None and request not in self._futures:
                    self._futures[request] = pool.submit(build, request)

    def _requests(self, planned: Planned) -> list[BuildRequest | None]:
        return [None if i is None else request_of(i, self._target) for i in planned.instantiations]

    def of(self, planned: Planned) -> tuple[Binary | None, ...]:
        """One for each step. Raises BuildError."""
        return tuple(self._futures[r].result() if r is not None else None for r in self._requests(planned))


@contextmanager
def _builds(configs: Sequence[Planned], target: Target) -> Iterator[_Builds]:
    pool = ThreadPoolExecutor(max(1, (os.cpu_count() or 2) - 1), thread_name_prefix="kbench-build")
    try:
        yield _Builds(configs, target, pool)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
