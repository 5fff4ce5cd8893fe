"""A device without hardware: arrays are NumPy's, kernels are the functions of Call steps, samples are scripted.

Its log shows in which order it was used. A worker opens it by name: "fake_device:FakeDevice".
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kbench.errors import DeviceError, ProfilerError, UsageError
from kbench.intent.op import Call, HostArray, Op, as_out
from kbench.machine.binary import Binary, Target
from kbench.machine.device import POISON, Batch, DeviceInfo, Telemetry
from kbench.machine.pool import MemoryPool
from kbench.machine.span import Trace

INFO = DeviceInfo(kind="fake", name="fake", label="fake device", uid="FAKE-1", arch="fake", memory_bytes=1 << 30)


class FakeDevice:
    """times: the seconds that samples take, one after another. A function with an attribute `seconds` takes that long
    instead, times 1 + `drift` of the device's own time so far (which passes with its samples), with a relative normal
    `noise`, between two stamps that tick in steps of `tick_s`. weather: what its telemetry reads, one after another."""

    def __init__(
        self, times: Iterable[float] = (), info: DeviceInfo = INFO, *, noise: float = 0.0, tick_s: float = 0.0,
        drift: Callable[[float], float] = lambda now_s: 0.0, seed: int = 1,
    ) -> None:  # fmt: skip
        self.info = info
        self.now_s = 0.0
        self.taken: Counter[str] = Counter()
        self._noise, self.tick_s, self._drift = noise, tick_s, drift
        self._random = np.random.default_rng(seed)
        self.xp = np
        self.log: list[str] = []
        self.joules: float | None = None
        self.weather: Iterator[Telemetry] = iter(())
        self.times = itertools.chain(times, itertools.cycle([1e-5, 1.001e-5, 0.999e-5]))

    def target(self, mode: str = "fast") -> Target:
        return Target("cpu", mode)

    def bind(self, op: Op, binaries: Sequence[Binary | None], shared: Any = None, **options: Any) -> FakeBound:
        self.log.append(" ".join(["bind", *map(str, options.values())]))
        return FakeBound(self, op)

    def script(self, name: str, seconds: float, count: int) -> tuple[float, ...]:
        self.taken[name] += count
        noise, phases = self._random.standard_normal(count) * self._noise, self._random.uniform(size=count)
        found = []
        for each, phase in zip(noise.tolist(), phases.tolist(), strict=True):
            time_s = seconds * (1 + self._drift(self.now_s)) * (1 + each)
            self.now_s += time_s
            found.append(math.floor(time_s / self.tick_s + phase) * self.tick_s if self.tick_s else time_s)
        return tuple(found)

    def pool(self) -> MemoryPool[Any]:
        return MemoryPool()

    def telemetry(self) -> Telemetry | None:
        return next(self.weather, None)

    def close(self) -> None:
        self.log.append("close device")


class FakeBound:
    def __init__(self, device: FakeDevice, op: Op) -> None:
        self.device = device
        self.op = op
        self.outs = {name: as_out(value) for name, value in op.outputs.items()}
        self.initial: dict[int, Any] = {}
        self.memory: dict[int, Any] = {}
        for array in [a for s in op.steps if isinstance(s, Call) for a in s.args if isinstance(a, np.ndarray)]:
            self.initial[id(array)] = array.copy()
            self.memory[id(array)] = array.copy()
        self.canary = np.full(4, 7)
        self.runs = 0

    def restore(self, poison: Mapping[str, Any]) -> None:
        self.device.log.append(f"restore, poison {','.join(poison)}".strip())
        for key, array in self.memory.items():
            array[...] = self.initial[key]
        for name in poison:
            self.memory[id(self.outs[name].array)].view(np.uint8)[...] = POISON

    def run(self) -> None:
        self.device.log.append("run")
        self._launch()

    def _launch(self) -> None:
        self.runs += 1
        for step in self.op.steps:
            assert isinstance(step, Call)
            step.function(*(self.memory.get(id(a), a) for a in step.args), *self._asked(step))

    def _asked(self, step: Call) -> list[Any]:
        """Functions that want to misbehave ask for this object."""
        names = getattr(step.function, "__code__", None)
        return [self] if names and "bound" in names.co_varnames[: names.co_argcount] else []

    def read(self, output: str) -> Any:
        self.device.log.append(f"read {output}")
        array = self.outs[output].array
        return self.memory[id(as_array(array))].copy()

    def damaged(self) -> str | None:
        self.device.log.append("damaged?")
        return None if (self.canary == 7).all() else "argument 0: guard bytes overwritten 16 bytes past its end"

    def changed(self) -> str | None:
        free = [as_array(a) for a in (*(out.array for out in self.outs.values()), *self.op.scratch)]
        for key, array in self.memory.items():
            if not any(id(a) == key for a in free) and not np.array_equal(array, self.initial[key]):
                return "an array was changed, but it is no output"
        return None

    def sample(self, count: int, *, clock: str, cache: str) -> Batch:
        self.device.log.append(f"sample {count}")
        for _ in range(count):
            self._launch()
        function = getattr(self.op.steps[0], "function", None)
        if hasattr(function, "seconds"):
            times = self.device.script(getattr(function, "name", ""), function.seconds, count)
        else:
            times = tuple(itertools.islice(self.device.times, count))
        return Batch(clock, cache, times, tuple(t / 10 for t in times), 1e-7, "scripted", tick_s=self.device.tick_s)

    def clock(self, asked: str, cache: str = "cold") -> tuple[str, str]:
        if asked == "impossible":
            raise UsageError("the clock impossible cannot time this")
        return ("scripted" if asked == "auto" else asked), "the only one"

    def trace(self) -> Trace:
        raise ProfilerError("nothing records here")

    def occupancy(self) -> float | None:
        return 0.5

    def energy_j(self, least_s: float) -> float | None:
        self.device.log.append(f"energy over {least_s:g} s")
        return self.device.joules

    def memory_bytes(self) -> int | None:
        return sum(array.nbytes for array in self.memory.values())

    def registers(self) -> int | None:
        return None

    def close(self) -> None:
        self.device.log.append("close")


def scripted_quiet() -> FakeDevice:
    return FakeDevice(noise=0.003, tick_s=32e-9)


def scripted_noisy() -> FakeDevice:
    return FakeDevice(noise=0.05, tick_s=32e-9)


def as_array(value: Any) -> Any:
    return value.array if isinstance(value, HostArray) else value


def unusable() -> FakeDevice:
    raise DeviceError("there is no such device: plug it in")


def silent() -> FakeDevice:
    import sys

    print("about to leave", file=sys.stderr)
    raise SystemExit(7)


def gpu_like() -> FakeDevice:
    """One whose faults cost the worker its life, as a CUDA context's do."""
    import msgspec

    return FakeDevice(info=msgspec.structs.replace(INFO, kind="cuda"))
