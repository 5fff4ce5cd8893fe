"""Everything that is known of a configuration, as numbers with a name, a unit and who says so."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kbench.errors import UsageError
from kbench.experiment.result import Result, Roof
from kbench.machine.lift import Lift, lifts
from kbench.machine.occupancy import Footprint, Occupancy, limits_of, occupancy
from kbench.profiling.metrics import KINDS, Kind
from kbench.profiling.profile import Profile
from kbench.profiling.timeline import timeline
from kbench.reading import sectors
from kbench.reading.diagnosis.diagnosis import Evidence
from kbench.reading.table import OVER_BY

CALLING = 0.85
"""From this share of the time on the host's calls are what it takes; below, the GPU works on while they are made."""
ABOVE_ROOF = 1 + OVER_BY
"""Of the roof: two measurements of one roof differ by up to this; what is above did not all come from DRAM."""

FACTS: dict[str, Kind] = {
    "time_s": Kind("s", "time of the row"),
    "of_roof": Kind("1", "of the measured roof, by useful bytes"),
    "of_roof_sectors": Kind("1", "of the measured roof, by whole sectors as declared"),
    "of_ceiling": Kind("1", "of the roof of where its bytes come from"),
    "of_l2_roof": Kind("1", "of what L2 was measured to copy, by useful bytes"),
    "roof_of_peak": Kind("1", "the roof at this size, of the theoretical peak"),
    "dram_of_roof": Kind("1", "of the measured roof, by DRAM bytes as counted"),
    "empty_share": Kind("1", "of its time that launching alone takes: an empty kernel for each, or the host's calls"),
    "flop_share": Kind("1", "of the arithmetic that was measured to be possible"),
    "declared_read_ratio": Kind("1", "bytes in the sectors that it reads, over useful ones, as declared"),
    "declared_write_ratio": Kind("1", "bytes in the sectors that it writes, over useful ones, as declared"),
    "dram_read_ratio": Kind("1", "DRAM bytes read, over the useful ones"),
    "dram_write_ratio": Kind("1", "DRAM bytes written, over the useful ones"),
    "load_sectors_per_request": Kind("count", "sectors that a warp's load touches"),
    "store_sectors_per_request": Kind("count", "sectors that a warp's store touches"),
    "conflict_share": Kind("1", "of the passes through shared memory, the ones that bank conflicts add"),
    "spill_bytes": Kind("B", "local memory of a thread"),
    "local_bytes": Kind("B", "local memory loaded and stored"),
    "local_share": Kind("1", "local memory's part of all bytes moved"),
    "multiprocessors": Kind("count", "multiprocessors of the device"),
    "blocks_per_multiprocessor": Kind("count", "blocks that fit on a multiprocessor"),
    "copy_s": Kind("s", "time of copies in the timeline"),
    "kernel_s": Kind("s", "time of kernels in the timeline"),
}
"""What is derived here, beside what profilers count."""


COUNTED = (
    "dram_bytes_read",
    "global_load_sectors",
    "global_store_sectors",
    "shared_load_wavefronts",
    "local_load_bytes",
)
"""What only a tool that reads counters tells."""


@dataclass(frozen=True)
class Number:
    value: float
    source: str


class Facts:
    """result, profiles: what was asked about. fit: the theoretical occupancy with all its limits, None where registers
    or the launch are not known; lifts: what would raise it. `number` and the like go by names of KINDS and FACTS."""

    def __init__(self, result: Result, profiles: Sequence[Profile] = (), roofs: Sequence[Roof] = ()) -> None:
        self.result = result
        self.profiles = tuple(p for p in profiles if p.status == "ok")
        self.roofs = roofs
        self.fit, self.lifts = _fit(result)
        self._numbers: dict[str, Number] = {}
        for profile in self.profiles:
            self._numbers |= {m.name: Number(m.value, profile.tool) for m in profile.metrics}
        for name, number in derived(self):
            self._numbers.setdefault(name, number)

    def value(self, name: str) -> float | None:
        number = self._numbers.get(name)
        return None if number is None else number.value

    def by(self, name: str) -> str:
        """Who says it; "" where nobody does."""
        number = self._numbers.get(name)
        return "" if number is None else number.source

    def sure(self, name: str) -> float:
        """The value of what a rule has said that it needs."""
        return self._numbers[name].value

    def has(self, *names: str) -> bool:
        return all(name in self._numbers for name in names)

    def told(self, *names: str) -> tuple[Evidence, ...]:
        """Those that are known, for a reader to see: nothing depends on them."""
        return tuple(self._evidence(name) for name in names if name in self._numbers)

    def at_least(self, name: str, threshold: float) -> Evidence | None:
        """Evidence where the number is known and as large; else None."""
        value = self.value(name)
        return None if value is None or value < threshold else self._evidence(name, ">=", threshold)

    def at_most(self, name: str, threshold: float) -> Evidence | None:
        value = self.value(name)
        return None if value is None or value > threshold else self._evidence(name, "<=", threshold)

    def _evidence(self, name: str, relation: str = "", threshold: float | None = None) -> Evidence:
        number, kind = self._numbers[name], kind_of(name)
        return Evidence(name, number.value, kind.unit, kind.meaning, relation, threshold, number.source)  # type: ignore[arg-type]

    @property
    def kernel(self) -> bool:
        """Whether a kernel of its own is launched: a copy or a library call has none that could be changed."""
        return self.result.compiled is not None

    @property
    def one_kernel(self) -> bool:
        """Whether what a row knows of its Op's first kernel is known of all that it launches."""
        return self.kernel and not (self.result.launched and self.result.launched.launches > 1)

    @property
    def used(self) -> tuple[str, ...]:
        """The tools that said something."""
        return tuple(dict.fromkeys(p.tool for p in self.profiles if p.metrics or p.spans))


def kind_of(name: str) -> Kind:
    return KINDS.get(name) or FACTS[name]


def _fit(result: Result) -> tuple[Occupancy | None, tuple[Lift, ...]]:
    compiled, launched = result.compiled, result.launched
    if compiled is None or launched is None or compiled.registers is None or compiled.shared_bytes is None:
        return None, ()
    if launched.launches > 1:  # see Facts.one_kernel
        return None, ()
    footprint = Footprint(launched.block_threads, compiled.registers, compiled.shared_bytes + launched.dynamic_bytes)
    try:
        limits = limits_of(result.device.arch)
    except UsageError:
        return None, ()
    return occupancy(limits, footprint), lifts(limits, footprint)


def derived(facts: Facts) -> Iterator[tuple[str, Number]]:
    """What follows from the row, its device, its compiler and what the tools counted."""
    for part in (_row, _counted, _launch, _timeline):
        for name, (value, source) in part(facts).items():
            if value is not None:
                yield name, Number(float(value), source)


Found = Mapping[str, tuple[float | None, str]]


def _row(facts: Facts) -> Found:
    result, roof = facts.result, facts.result.roof
    traffic, peak, compiled = result.traffic, result.device.peak_bytes_per_s, result.compiled
    link = bool(traffic.link_bytes)
    of_peak = roof.value / peak if roof and roof.unit == "B/s" and peak and not link else None
    return {
        "time_s": (result.time_s, "clock"),
        "of_roof": (result.of_roof, "roof"),
        "of_ceiling": (_of_ceiling(result, facts.roofs), "roof"),
        "of_roof_sectors": (sectors.of_roof(result), "roof"),
        "of_l2_roof": (_over(result.achieved_bytes_per_s, _l2_roof(facts.roofs)), "roof"),
        "roof_of_peak": (of_peak, "roof"),
        "empty_share": (_empty_share(result), "clock"),
        "flop_share": (_over(result.flops_per_s, _flop_roof(result, facts.roofs)), "roof"),
        "declared_read_ratio": (_over(traffic.sectors_read, traffic.bytes_read), "spec"),
        "declared_write_ratio": (_over(traffic.sectors_written, traffic.bytes_written), "spec"),
        "spill_bytes": (compiled.spill_bytes if compiled else None, "compiler"),
        "registers_per_thread": (compiled.registers if compiled else None, "compiler"),
        "multiprocessors": (result.device.multiprocessors, "device"),
    }


def _counted(facts: Facts) -> Found:
    """From what a tool counted; its name is that of the tool that counted any of it."""
    value, traffic, roof = facts.value, facts.result.traffic, facts.result.roof
    tool = next((by for name in COUNTED if (by := facts.by(name))), "")
    dram = _sum(value("dram_bytes_read"), value("dram_bytes_written"))
    rate = _over(dram, value("duration_s"))
    conflicts = _sum(value("shared_load_bank_conflicts"), value("shared_store_bank_conflicts"))
    passes = _sum(value("shared_load_wavefronts"), value("shared_store_wavefronts"))
    local, source = _sum(value("local_load_bytes"), value("local_store_bytes")), tool
    if local is None:
        local, source = _spilled(facts.result), "compiler"
    all_bytes = _sum(local, float(traffic.useful_bytes))
    in_memory = roof is not None and roof.unit == "B/s" and not traffic.link_bytes
    return {
        "dram_of_roof": (_over(rate, roof.value) if roof and in_memory else None, tool),
        "dram_read_ratio": (_over(value("dram_bytes_read"), traffic.bytes_read), tool),
        "dram_write_ratio": (_over(value("dram_bytes_written"), traffic.bytes_written), tool),
        "load_sectors_per_request": (_over(value("global_load_sectors"), value("global_load_requests")), tool),
        "store_sectors_per_request": (_over(value("global_store_sectors"), value("global_store_requests")), tool),
        "conflict_share": (0.0 if passes == 0 else _over(conflicts, passes), tool),
        "local_bytes": (local, source),
        "local_share": (_over(local, all_bytes), source),
    }


def _launch(facts: Facts) -> Found:
    if not facts.one_kernel:  # of several the row knows the first, which may have next to nothing to do
        return {}
    result, fit, launched = facts.result, facts.fit, facts.result.launched
    blocks = launched.grid_blocks if launched else facts.value("grid_blocks")
    full = fit.blocks * result.device.multiprocessors if fit and result.device.multiprocessors else None
    return {
        "grid_blocks": (blocks, "spec"),
        "block_threads": (launched.block_threads if launched else None, "spec"),
        "theoretical_occupancy": (fit.share if fit else result.occupancy, "compiler" if fit else "driver"),
        "blocks_per_multiprocessor": (fit.blocks if fit else None, "compiler"),
        "waves": (_over(blocks, full), "compiler"),
    }


def _timeline(facts: Facts) -> Found:
    traced = next((p for p in reversed(facts.profiles) if p.spans), None)
    if traced is None:
        return {}
    found = timeline(traced.spans)
    return {"copy_s": (found.copy_s, traced.tool), "kernel_s": (found.kernel_s, traced.tool)}


def _empty_share(result: Result) -> float | None:
    """What the row's clock reads for an empty kernel, without what the clock adds by itself, for each kernel and copy
    of the Op, over the time of the row. By the host's clock that is once the way to the GPU and back, or, where the
    host's calls take nearly all the time, those."""
    measured, launched = result.measurement, result.launched
    if measured is None or not result.time_s or not measured.floor_s:
        return None
    empty_s = max(measured.floor_s - measured.correction_s, 0.0)
    if measured.clock == "host":
        calls_s = statistics.median(measured.submit_s) if measured.submit_s and not _blocks(result) else 0.0
        return max(calls_s if calls_s >= CALLING * result.time_s else 0.0, empty_s) / max(result.time_s, empty_s)
    entries = max(launched.launches + launched.copies, 1) if launched else 1
    return min(entries * empty_s / result.time_s, 1.0)


def _blocks(result: Result) -> bool:
    """Whether the host's calls last as long as the copies that they ask for."""
    return result.roof is not None and result.roof.kind.endswith("pageable")


def _spilled(result: Result) -> float | None:
    """At least so many bytes, where every thread stores and loads its local memory once."""
    if result.compiled is None or result.compiled.spill_bytes is None or result.launched is None:
        return None
    return 2.0 * result.compiled.spill_bytes * result.launched.grid_blocks * result.launched.block_threads


def _flop_roof(result: Result, roofs: Sequence[Roof]) -> float | None:
    kind = {"float16": "fp16", "float32": "fp32"}.get(str(result.config.axes.get("dtype", "float32")))
    return max((r.value for r in roofs if r.kind == kind and r.unit == "flop/s"), default=None)


def _of_ceiling(result: Result, roofs: Sequence[Roof]) -> float | None:
    """Of the row's roof; of L2's where it is above its own, which is none for bytes that do not come from DRAM."""
    share = result.of_roof
    return _over(result.achieved_bytes_per_s, _l2_roof(roofs)) if share and share > ABOVE_ROOF else share


def _l2_roof(roofs: Sequence[Roof]) -> float | None:
    return max((r.value for r in roofs if r.kind == "L2 copy"), default=None)


def _over(value: float | None, by: float | None) -> float | None:
    return value / by if value is not None and by else None


def _sum(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
