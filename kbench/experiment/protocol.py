"""What a sweep and its worker say to each other: MessagePack in frames of a 4-byte length, over two pipes."""

from __future__ import annotations

import os
from typing import Literal

import msgspec

from kbench.experiment.result import Result, Roof, Standing
from kbench.intent.config import Config
from kbench.intent.method import Method
from kbench.intent.traffic import Traffic
from kbench.machine.binary import Binary, Target
from kbench.machine.device import DeviceInfo
from kbench.machine.span import Trace

Mode = Literal["measure", "verify", "races", "asan", "profile", "trace"]
MODES: dict[Mode, str] = {
    "measure": "fast", "verify": "check", "races": "tsan", "asan": "asan", "profile": "fast", "trace": "fast",
}  # fmt: skip
"""The build mode of a cpu for each thing that a job can ask for. profile: a few launches for a profiler to look at.
trace: a timeline that the device records itself."""


class Task(msgspec.Struct, frozen=True):
    """One configuration. spec_path and config.kernel: its spec; binaries: one a step; traffic: as planned; baseline: it
    competes with nobody; range: the name of its NVTX range, ordinal: its number in the plan."""

    config: Config
    spec_path: str
    binaries: tuple[Binary | None, ...]
    traffic: Traffic
    source: str
    baseline: bool = False
    range: str = ""
    ordinal: int = 0


class Job(msgspec.Struct, frozen=True, tag=True):
    """Run configurations of one problem, all of them alive at once where they are measured. name: of the contest."""

    tasks: tuple[Task, ...]
    method: Method
    mode: Mode
    name: str = ""


class AskLatencies(msgspec.Struct, frozen=True, tag=True):
    """Measure the device's latency roofs."""


Request = Job | AskLatencies


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The device is open. targets: what to compile for, by build mode."""

    info: DeviceInfo
    targets: dict[str, Target]


class Unusable(msgspec.Struct, frozen=True, tag=True):
    """The device could not be opened, or cannot do at all what a job asks for; the worker exits."""

    message: str


class Phase(msgspec.Struct, frozen=True, tag=True):
    """It is the turn of the job's task `at`, which has come to: inputs, check, checked (its turn is over), warm-up,
    samples, last sample, duel. since_s: when (time.monotonic, which all processes of a machine share)."""

    name: str
    at: int = 0
    since_s: float = 0.0


class Done(msgspec.Struct, frozen=True, tag=True):
    """A task's result. held: all but its standing, which is to follow."""

    result: Result
    held: bool = False


class Stood(msgspec.Struct, frozen=True, tag=True):
    """The standing of a result that was held. wall_s: that the task has taken since."""

    config: str
    standing: Standing
    wall_s: float = 0.0


class Traced(msgspec.Struct, frozen=True, tag=True):
    """The timeline of a configuration, by its id; its result follows."""

    config: str
    trace: Trace


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The job is over; tasks without a result did not fit beside the others. leaving: the worker's device is lost, and
    the worker exits."""

    leaving: bool = False


class Latencies(msgspec.Struct, frozen=True, tag=True):
    roofs: tuple[Roof, ...]


Reply = Ready | Unusable | Phase | Done | Stood | Traced | Ended | Latencies


def write_frame(fd: int, message: Request | Reply) -> None:
    """Raises BrokenPipeError where nobody reads any more."""
    body = msgspec.msgpack.encode(message)
    view = memoryview(len(body).to_bytes(4, "little") + body)
    while view:
        view = view[os.write(fd, view) :]


class Frames:
    """Cuts the bytes of a pipe into frames. `feed` reads once, and blocks; `take` gives a whole frame or None."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._bytes = bytearray()

    def feed(self) -> bool:
        """False at the end of the pipe."""
        piece = os.read(self._fd, 1 << 16)
        self._bytes += piece
        return bool(piece)

    def take(self) -> bytes | None:
        if len(self._bytes) < 4:
            return None
        end = 4 + int.from_bytes(self._bytes[:4], "little")
        if len(self._bytes) < end:
            return None
        frame = bytes(self._bytes[4:end])
        del self._bytes[:end]
        return frame
