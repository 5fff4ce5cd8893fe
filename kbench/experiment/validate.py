"""Clocks held against each other on canned kernels: what each reads, and how far it is from the most trusted one.

    python -m kbench.experiment.validate --device cuda:0 --out FILE     all clocks, as JSON
    python -m kbench.experiment.validate --device cuda:0 --launches N   only launch them, for a profiler around it

The first is a process of its own, because the parent never opens CUDA; ncu is a third, around the second.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from kbench.errors import DeviceError, KbenchError, ProfilerError, UsageError
from kbench.experiment.stats import center
from kbench.intent.op import Launch, Op
from kbench.machine import interpreter
from kbench.machine.build import BuildRequest, build
from kbench.machine.device import DeviceInfo
from kbench.profiling import ncu
from kbench.profiling.find import tool
from kbench.profiling.ncu_metrics import NAMES, value
from kbench.profiling.ncu_read import from_csv

if TYPE_CHECKING:
    from kbench.machine.cuda.bound import CudaBound
    from kbench.machine.cuda.device import CudaDevice

SOURCE = Path(__file__).parent / "validate_kernels" / "canned.cu"
SAMPLES, SLOPES, NCU_LAUNCHES = 100, 15, 12
CACHES = ("cold", "warm", "sustained")
CLOCKS = ("cupti", "events", "graph", "host")
NCU = "ncu"
(DURATION,) = NAMES["duration_s"]
DIFFERENCE = "graph (flush + kernel) - (flush)"
SAME = "graph, beside CUPTI on the same launches"
_TIMEOUT_S, _NCU_TIMEOUT_S = 300, 300


@dataclass(frozen=True)
class Canned:
    """copy: bytes of each array; or spin_s, how long one thread waits."""

    name: str
    copy: int = 0
    spin_s: float = 0.0


CANNED = (
    Canned("copy 64 KiB", copy=2**16), Canned("copy 16 MiB", copy=2**24), Canned("copy 256 MiB", copy=2**28),
    Canned("spin 1 ms", spin_s=1e-3), Canned("spin 10 ms", spin_s=10e-3),
)  # fmt: skip
"""From about a microsecond to ten milliseconds."""


class Reading(msgspec.Struct, frozen=True):
    """raw_s: the centre of the samples; time_s: less the clock's correction; left_s: what may be left of its bias.

    bias_s: time_s less that of `against`, the clock that is trusted most in this cache state; None for that one.
    """

    kernel: str
    cache: str
    clock: str
    time_s: float
    raw_s: float
    correction_s: float
    left_s: float
    samples: int
    against: str = ""
    bias_s: float | None = None

    @property
    def bias(self) -> float | None:
        """Relative to the other clock's time."""
        return None if self.bias_s is None else self.bias_s / (self.time_s - self.bias_s)


class Validation(msgspec.Struct, frozen=True):
    """missing: clock -> why it is not among the readings."""

    device: DeviceInfo
    readings: tuple[Reading, ...]
    missing: dict[str, str]


def validate(device: str) -> Validation:
    """All clocks on all canned kernels, and ncu where it may run. Raises DeviceError for a device that is no GPU,
    and where the measuring process fails."""
    if not device.startswith("cuda"):
        raise DeviceError(f"validate-clock compares the clocks of a GPU, and {device} is none: kbench doctor says why")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "clocks.json"
        done = _python("--device", device, "--out", str(out))
        if not out.exists():
            raise DeviceError(f"the clocks could not be compared: {done.stderr.strip() or f'exit {done.returncode}'}")
        found = msgspec.json.decode(out.read_bytes(), type=Validation)
    times, why = by_ncu(device)
    missing = found.missing | ({NCU: why} if why else {})
    return Validation(found.device, with_bias([*found.readings, *times]), missing)


def with_bias(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """Each held against CUPTI in its cache state, where that is missing against the graph, and sorted. A reading that
    has its bias already keeps it."""
    trusted = {}
    for clock in (DIFFERENCE, "graph", "cupti"):
        trusted.update({(r.kernel, r.cache): r for r in readings if r.clock == clock})
    order = [canned.name for canned in CANNED]
    found = []
    for reading in sorted(readings, key=lambda r: (order.index(r.kernel), CACHES.index(r.cache))):
        other = trusted.get((reading.kernel, reading.cache))
        if other is not None and reading.clock != other.clock and not reading.against:
            bias_s = reading.time_s - other.time_s
            reading = msgspec.structs.replace(reading, against=other.clock, bias_s=bias_s)
        found.append(reading)
    return tuple(found)


def by_ncu(device: str) -> tuple[list[Reading], str]:
    """What ncu reads for the canned kernels (caches invalidated before each, clocks left alone), or why it does not."""
    try:
        path = tool(NCU).path
    except ProfilerError as error:
        return [], str(error)
    around = (path, *ncu.options((DURATION,)), "--csv", "--page", "raw", "--print-units", "base",
              "--kernel-name", "regex:^canned_")  # fmt: skip
    words = ("--device", device, "--launches", str(NCU_LAUNCHES))
    try:
        done = _python(*words, around=around, timeout_s=_NCU_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return [], f"ncu was not done in {_NCU_TIMEOUT_S} s"
    try:
        return ncu_readings(done.stdout), ""
    except ValueError as error:
        said = [line for line in (done.stdout + done.stderr).splitlines() if "ERR" in line.upper()]
        return [], said[0].strip("= ") if said else str(error)


def ncu_readings(text: str) -> list[Reading]:
    """From ncu's CSV: NCU_LAUNCHES lines for each canned kernel, in order. Raises ValueError for anything else."""
    seen = from_csv(text)
    if len(seen) != NCU_LAUNCHES * len(CANNED):
        raise ValueError(f"ncu printed {len(seen)} launches, not {NCU_LAUNCHES} of each of {len(CANNED)} kernels")
    times = [found[0] for launch in seen if (found := value("duration_s", launch.found))]
    if len(times) != len(seen):
        raise ValueError("ncu printed launches without their duration")
    readings = []
    for number, canned in enumerate(CANNED):
        some = times[number * NCU_LAUNCHES : (number + 1) * NCU_LAUNCHES]
        middle = statistics.median(some)
        readings.append(Reading(canned.name, "cold", NCU, middle, middle, 0.0, 0.0, len(some)))
    return readings


def _python(*words: str, around: Sequence[str] = (), timeout_s: float = _TIMEOUT_S) -> Any:
    command = [*around, *interpreter.command(_MODULE, words)]
    env = interpreter.environment()
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, env=env, check=False)


_MODULE = "kbench.experiment.validate"


# ---------------------------------------------------------------- in the measuring process
def bound_of(device: CudaDevice, canned: Canned) -> CudaBound:
    xp = device.xp  # extern "C" names do not tell parameters: values have their size
    if canned.copy:
        x, y = xp.zeros(canned.copy, "uint8"), xp.zeros(canned.copy, "uint8")
        words = canned.copy // 16
        entry = "canned_copy"
        step = Launch(entry=entry, grid=-(-words // 256), block=256, args=(y, x, np.int64(words)))
        op = Op(steps=(step,), outputs={"y": (y, x)}, bytes_read=canned.copy, bytes_written=canned.copy)
    else:
        done = xp.zeros(1, "int32")
        entry = "canned_spin"
        step = Launch(entry=entry, grid=1, block=1, args=(np.uint64(canned.spin_s * 1e9), done))
        op = Op(steps=(step,), outputs={"done": (done, xp.ones(1, "int32"))}, bytes_written=4)
    return device.bind(op, [build(BuildRequest(str(SOURCE), entry, device.target()))])


def readings_of(device: CudaDevice, canned: Canned, missing: dict[str, str]) -> Iterator[Reading]:
    """By every clock in each of its cache states. What a clock cannot do goes to `missing`, if it is not a pair that
    simply does not exist."""
    bound = bound_of(device, canned)
    try:
        bound.restore({})
        bound.run()
        for cache in CACHES:
            for clock in CLOCKS:
                try:
                    bound.clock(clock, cache)
                except UsageError as error:
                    if clock == "cupti":
                        missing.setdefault(clock, str(error))
                    continue
                yield _reading(bound, canned, clock, cache)
        seconds = device.clocks.difference(bound.program)
        yield Reading(canned.name, "cold", DIFFERENCE, seconds, seconds, 0.0, 0.0, SLOPES)
        if not device.clocks.cupti.missing:
            yield from _on_the_same_launches(device, bound, canned)
    finally:
        bound.close()


def _reading(bound: CudaBound, canned: Canned, clock: str, cache: str) -> Reading:
    count = SLOPES if clock == "graph" else (SAMPLES if canned.spin_s < 5e-3 else SAMPLES // 5)
    bound.sample(3 if clock == "graph" else min(count, 20), clock=clock, cache=cache)  # clocks settle
    batch = bound.sample(count, clock=clock, cache=cache)
    raw = center(batch.elapsed_s, tick_s=batch.tick_s).value
    return Reading(canned.name, cache, clock, raw - batch.correction_s, raw, batch.correction_s, batch.left_s, count)


def _on_the_same_launches(device: CudaDevice, bound: CudaBound, canned: Canned) -> Iterator[Reading]:
    """The slope of graphs by events while CUPTI traces them, against the slope of what CUPTI saw of them."""
    slopes, seen = device.clocks.graph_traced(bound.subject, SLOPES // 3)
    mine, other = statistics.median(slopes), statistics.median(seen)
    yield Reading(canned.name, "sustained", SAME, mine, mine, 0.0, 0.0, len(slopes), "CUPTI", mine - other)


def measured(device: CudaDevice) -> Validation:
    missing: dict[str, str] = {}
    readings = [reading for canned in CANNED for reading in readings_of(device, canned, missing)]
    return Validation(device.info, tuple(readings), missing)


def launch(device: CudaDevice, count: int) -> None:
    """Each canned kernel `count` times, in order."""
    for canned in CANNED:
        bound = bound_of(device, canned)
        bound.restore({})
        for _ in range(count):
            bound.run()
        bound.close()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=_MODULE)
    parser.add_argument("--device", required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--launches", type=int)
    given: Any = parser.parse_args(argv)
    from kbench.machine.cuda.device import CudaDevice
    from kbench.machine.cuda.visible import index_of

    try:
        device = CudaDevice(index_of(given.device))
        if given.launches:
            launch(device, given.launches)
        else:
            given.out.write_bytes(msgspec.json.encode(measured(device)))
        device.close()
    except KbenchError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
