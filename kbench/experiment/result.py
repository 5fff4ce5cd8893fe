"""What became of one configuration. Travels over a pipe and into the store as JSON."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from kbench.intent.config import Config
from kbench.intent.traffic import Traffic
from kbench.machine.device import DeviceInfo, Telemetry

Status = Literal["ok", "skipped", "spec_failed", "build_failed", "incorrect", "out_of_memory", "crashed", "timed_out"]
STATUSES: tuple[str, ...] = get_args(Status)
FAILURES = frozenset(STATUSES) - {"ok", "skipped"}


class Check(msgspec.Struct, frozen=True):
    """One output held against its reference. tolerance: "bits" or "rtol 0.002, atol 0.002"; message: "" when ok, else
    the first wrong
    index with the expected and the found value, and how many are wrong."""

    output: str
    ok: bool
    tolerance: str
    message: str = ""
    max_error: float | None = None


class Summary(msgspec.Struct, frozen=True):
    """Seconds, of corrected samples. center: robust centre (Hodges-Lehmann) with its 95 % interval [low, high], which
    is never narrower than the clock's tick allows; below 6 samples the range. precision: half its width over the
    centre, None below 6 samples. The median has a distribution-free (order-statistic) 95 % interval of its own."""

    center_s: float
    median_s: float
    low_s: float
    high_s: float
    min_s: float
    max_s: float
    n: int
    precision: float | None = None
    median_low_s: float | None = None
    median_high_s: float | None = None


NO_ENERGY = "energy: this device does not count it"


class Measurement(msgspec.Struct, frozen=True):
    """Samples of one configuration as its clock gave them (nothing subtracted, none dropped), and their summary.

    correction_s: what the calibrated clock adds to every sample, which the summary is without; left_s: what may be left
    of that bias. sets, covered_bytes: buffer sets that a rotation touched, and their distinct bytes. rounds: of batches
    among the other configurations of the problem, in an order drawn from `seed`. telemetry: the first and the last
    reading, and every throttled one. throttled: some samples were taken while the device was, twice in a row. energy_j:
    of one run among its like, where it was asked for. memory_bytes: of the distinct arrays. process_centers_s: one for
    each fresh process, where several measured; spread: their coefficient of variation. tick_s: the clock's, 0 where it
    is finer than matters or not known.
    """

    clock: str
    cache: str
    samples_s: tuple[float, ...]
    submit_s: tuple[float, ...]
    floor_s: float
    summary: Summary
    note: str = ""
    correction_s: float = 0.0
    left_s: float = 0.0
    sets: int = 1
    covered_bytes: int = 0
    rounds: int = 1
    seed: int | None = None
    telemetry: tuple[Telemetry, ...] = ()
    throttled: bool = False
    energy_j: float | None = None
    memory_bytes: int | None = None
    process_centers_s: tuple[float, ...] = ()
    spread: float | None = None
    tick_s: float = 0.0

    @property
    def near_floor(self) -> bool:
        """Whether two thirds or more of what the clock read are what it reads for an empty kernel: it says little."""
        return self.summary.center_s + self.correction_s < 1.5 * self.floor_s


Place = Literal["best", "tied", "behind", "stopped"]


class Standing(msgspec.Struct, frozen=True):
    """Where a configuration stands among those of its problem that were measured together.

    place: "tied" cannot be told from the best and is within 1 % of it; "stopped" was so far behind that its sampling
    ended early. gap: its time over the best's, less 1, with the interval [gap_low, gap_high]. how: what decided it
    ("duel of 20 pairs", …). contest: the same for all that were measured together, and for no others; among: how many.
    """

    place: Place
    gap: float = 0.0
    gap_low: float = 0.0
    gap_high: float = 0.0
    how: str = ""
    contest: str = ""
    among: int = 1


class Roof(msgspec.Struct, frozen=True):
    """A measured ceiling. kind: "copy", "read", "write", "mix 2:1", "mix 1:2", "h2d", "d2h", "h2d pageable", "d2h
    pageable" (bytes/s),
    "fp32", "fp16" (flop/s), "launch", "graph node", "event sync", … (seconds).
    nbytes: its working set; 0 where it has none."""

    kind: str
    value: float
    unit: str
    nbytes: int
    clock: str
    cache: str
    how: str


class Compiled(msgspec.Struct, frozen=True):
    """What the compiler said of the (first) kernel of a configuration."""

    entry: str
    compiler: str
    compile_s: float
    size_bytes: int
    registers: int | None = None
    spill_bytes: int | None = None
    shared_bytes: int | None = None


class Launched(msgspec.Struct, frozen=True):
    """How the first kernel of an Op is launched. dynamic_bytes: of shared memory, of a block. launches, copies: of
    kernels and of memory in one run of the Op."""

    grid_blocks: int
    block_threads: int
    dynamic_bytes: int = 0
    launches: int = 1
    copies: int = 0


class Result(msgspec.Struct, frozen=True):
    """One row. The time of a row is measurement.summary.center_s.

    roof: the measured ceiling of the same mix, size (interpolated), clock and cache state; source: hash of .cu,
    headers, spec and options, for resuming; standing: None where there is no time, and for baselines, which do not
    compete; launched: None where the Op launches no kernel of its own.
    """

    config: Config
    status: Status
    device: DeviceInfo
    message: str = ""
    traffic: Traffic = Traffic()
    checks: tuple[Check, ...] = ()
    measurement: Measurement | None = None
    compiled: Compiled | None = None
    occupancy: float | None = None
    roof: Roof | None = None
    source: str = ""
    wall_s: float = 0.0
    standing: Standing | None = None
    launched: Launched | None = None

    @property
    def time_s(self) -> float | None:
        return self.measurement.summary.center_s if self.measurement else None

    @property
    def achieved_bytes_per_s(self) -> float | None:
        return self.traffic.useful_bytes / self.time_s if self.time_s else None

    @property
    def flops_per_s(self) -> float | None:
        return self.traffic.flops / self.time_s if self.time_s and self.traffic.flops else None

    @property
    def of_peak(self) -> float | None:
        """Achieved bandwidth over the device's theoretical DRAM peak; None for transfers and where no peak is known."""
        peak, rate = self.device.peak_bytes_per_s, self.achieved_bytes_per_s
        return rate / peak if rate and peak and not self.traffic.link_bytes else None

    @property
    def of_roof(self) -> float | None:
        """Achieved over the measured roof. Above 1 it did not come from DRAM: shown and flagged, never hidden."""
        rate = self.achieved_bytes_per_s
        return rate / self.roof.value if rate and self.roof and self.roof.unit == "B/s" else None
