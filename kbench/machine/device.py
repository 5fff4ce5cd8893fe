"""What a device is to the floors above: the same few calls for a GPU and for the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from kbench.intent.op import Op
from kbench.machine.binary import Binary, Target
from kbench.machine.span import Trace

POISON = 0xFB
"""The byte that poisoned outputs are filled with: a huge finite number in every float type (so that it fails every
tolerance, and equals no NaN that a reference may hold), an unlikely integer in every other."""


class DeviceInfo(msgspec.Struct, frozen=True):
    """What a row must say about its device. Units are SI; None where the driver does not tell.

    label: "NVIDIA H200" or "cpu (emulated)"; uid: GPU UUID or a hash of the CPU model and count;
    peak_bytes_per_s: theoretical DRAM bandwidth; clock_hz, memory_clock_hz: maximum clocks.
    """

    kind: str
    name: str
    label: str
    uid: str
    arch: str
    driver: str = ""
    runtime: str = ""
    multiprocessors: int | None = None
    l2_bytes: int | None = None
    memory_bytes: int | None = None
    peak_bytes_per_s: float | None = None
    clock_hz: float | None = None
    memory_clock_hz: float | None = None
    bus_bits: int | None = None
    max_threads_per_sm: int | None = None
    registers_per_sm: int | None = None
    shared_bytes_per_sm: int | None = None
    power_limit_w: float | None = None
    ecc: bool | None = None
    mig: bool | None = None


class Telemetry(msgspec.Struct, frozen=True):
    """What the device says of itself at one moment; None where it does not say.

    throttle: why clocks are lower than they could be, in words, () if nothing holds them down ("idle" is no reason).
    """

    sm_clock_hz: float | None = None
    memory_clock_hz: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    throttle: tuple[str, ...] = ()


class Batch(msgspec.Struct, frozen=True):
    """Raw samples of one clock.

    elapsed_s: one value a sample, nothing subtracted (clock graph: one value a slope, each over many launches);
    submit_s: host time to submit, same length, empty where the clock does not separate it; floor_s: what the clock
    reads for an empty kernel; note: anything a reader must know; correction_s: what the calibration says the clock adds
    to every sample (elapsed_s - correction_s is the time of the Op); left_s: how much of the clock's bias may be left
    after it; sets: buffer sets that the launches took turns on; covered_bytes: bytes of distinct memory of the sets
    that were really launched on (0 where there is but one); tick_s: the step in which the clock tells times, 0 where
    it is finer than matters or not known.
    """

    clock: str
    cache: str
    elapsed_s: tuple[float, ...]
    submit_s: tuple[float, ...]
    floor_s: float
    note: str = ""
    correction_s: float = 0.0
    left_s: float = 0.0
    sets: int = 1
    covered_bytes: int = 0
    tick_s: float = 0.0


class Pool(Protocol):
    """Guarded memory that the Bounds of one problem share, so that all its configurations can be alive at once. Only
    one of them is used at a time: the one that was restored last."""

    def close(self) -> None:
        """Free the memory. No Bound that was made with it may be used afterwards."""


class Bound(Protocol):
    """An Op bound to memory of the device: guarded copies of every array, kernels loaded, arguments checked."""

    def restore(self, poison: Mapping[str, Any]) -> None:
        """Put every array back to its initial contents, then fill outputs with POISON bytes: {output name: True |
        indices}."""

    def run(self) -> None:
        """Run all steps once and wait. Raises KernelFault."""

    def read(self, output: str) -> Any:
        """The output's present contents as an array of the device's xp (a copy)."""

    def damaged(self) -> str | None:
        """The first argument whose guard bytes were overwritten, in words with the byte offset; None if all are
        intact."""

    def changed(self) -> str | None:
        """What the last run changed though it is neither output nor scratch, in words with its argument; None if all
        else still has its initial contents."""

    def sample(self, count: int, *, clock: str, cache: str) -> Batch:
        """Take `count` samples; what the last run wrote is in the outputs, to be checked. Clocks and cache states as
        `clock` below allows; a rotation and a graph run the steps more often than `count` times, all others exactly as
        often. Raises UsageError for a pair of clock and cache state that makes no sense, ClockError where a clock lost
        samples."""

    def clock(self, asked: str, cache: str = "cold") -> tuple[str, str]:
        """The clock that "auto" (or a name) means for this Op in a cache state, and why. Raises UsageError where it
        cannot work, naming those that can."""

    def trace(self) -> Trace:
        """Run all steps a few times, and tell of one of these runs when each kernel, copy and fill ran on its stream;
        where the device can tell, what the host called meanwhile. Raises ProfilerError where nothing can tell here,
        ClockError where records were lost."""

    def occupancy(self) -> float | None:
        """Theoretical occupancy of the first launch, 0..1; None where it has no meaning."""

    def registers(self) -> int | None:
        """Registers a thread of the first launch as loaded; None where unknown."""

    def energy_j(self, least_s: float) -> float | None:
        """Joules that one run takes of the whole device, among its like for at least so long; None where nothing
        counts them."""

    def memory_bytes(self) -> int | None:
        """Device memory of the Op's arrays (guard bands left out); None where it has none of its own."""

    def close(self) -> None:
        """Free all memory; what belongs to a Pool stays with it."""


class Device(Protocol):
    info: DeviceInfo
    xp: Any

    def target(self, mode: str = "fast") -> Target:
        """What to compile for; mode is a cpu build mode, ignored on a GPU."""

    def bind(self, op: Op, binaries: Sequence[Binary | None], *args: Any, **options: Any) -> Bound:
        """Copy the Op's arrays into guarded memory and load its kernels; binaries: one a step, None for copies.

        options: by keyword `shared`, a Pool of this device; of the cpu only order, seed, strict, place, workers and
        timeout_s; `*args: Any` is there because it lets a device spell its options out. With a Pool, an Op whose arrays
        have the sizes and kinds of an earlier one's takes the same memory. Raises SpecError where arguments do not fit
        a kernel's parameters, MemoryError where they do not fit the device."""

    def pool(self) -> Pool:
        """Memory for the Bounds of one problem."""

    def telemetry(self) -> Telemetry | None:
        """Clocks, temperature, power and throttling at this moment; None where nothing tells."""

    def close(self) -> None: ...


OpenDevice = Callable[[str], Device]
