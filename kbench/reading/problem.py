"""One problem on one device: the rows that compete, the best of them, and what it gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kbench.experiment.standing import by_intervals
from kbench.experiment.stats import summarised
from kbench.intent.config import Config, Value, format_value
from kbench.machine.device import DeviceInfo
from kbench.reading import units
from kbench.reading.standings import decided
from kbench.record.store import KernelNote, Stored


@dataclass(frozen=True)
class Problem:
    """rows: ok ones, the fastest first, then failures, then skipped ones. naive, baseline: the fastest ok row of
    that variant. naive_name: what the gain is over ("naive", the first variant's name, or "slowest"). ties: ok rows
    that cannot be told from the best."""

    device: DeviceInfo
    name: str
    kernel: str
    axes: dict[str, Value]
    tuning: tuple[str, ...]
    rows: tuple[Stored, ...]
    best: Stored | None
    naive: Stored | None
    naive_name: str
    baseline: Stored | None
    ties: tuple[Stored, ...]

    @property
    def ok(self) -> tuple[Stored, ...]:
        return tuple(row for row in self.rows if row.result.time_s is not None and row.result.status == "ok")

    @property
    def skipped(self) -> tuple[Stored, ...]:
        return tuple(row for row in self.rows if row.result.status == "skipped")

    @property
    def failed(self) -> tuple[Stored, ...]:
        return tuple(row for row in self.rows if row.result.status not in ("ok", "skipped"))

    @property
    def gain(self) -> float | None:
        """The best row's speed over the naive one's; None where either is missing or they are one."""
        return None if self.naive is self.best else _gain(self.naive, self.best)

    @property
    def baseline_gain(self) -> float | None:
        return _gain(self.baseline, self.best)

    @property
    def clock(self) -> str:
        """The clock of the best row, "" without one."""
        return self.best.result.measurement.clock if self.best and self.best.result.measurement else ""

    @property
    def clocks(self) -> int:
        """How many clocks timed its rows: times of two clocks differ by what each has in it."""
        return len({row.result.measurement.clock for row in self.ok if row.result.measurement})

    @property
    def uneven(self) -> bool:
        """Whether its rows declare different useful bytes: their GB/s do not compare then."""
        return len({row.result.traffic.useful_bytes for row in self.ok}) > 1

    @property
    def label(self) -> str:
        """The problem's axes in words: "dtype float16 · n 2²⁰"."""
        return " · ".join(f"{name} {worded(value, name)}" for name, value in self.axes.items()) or self.kernel

    def choice(self, config: Config) -> str:
        """What is being chosen, in words: "uint4 · threads 256"."""
        chosen = {name: config.axes[name] for name in self.tuning if name in config.axes}
        variant = chosen.pop("variant", None)
        words = [] if variant is None else [format_value(variant)]
        words += [f"{name} {format_value(value)}" for name, value in chosen.items()]
        return " · ".join(words) or config.kernel


def problems(rows: Sequence[Stored], notes: Mapping[str, KernelNote] | None = None) -> list[Problem]:
    """Group rows into problems: GPUs before the cpu device, then kernels as they come, then by their axes' values."""
    groups: dict[tuple[str, str], list[Stored]] = {}
    for row in rows:
        groups.setdefault((row.result.device.uid, row.result.config.problem), []).append(row)
    kernels = list(dict.fromkeys(row.result.config.kernel for row in rows))
    devices = list(dict.fromkeys(row.result.device.uid for row in rows))
    found = [
        _problem(group, (notes or {}).get(group[0].result.config.kernel, KernelNote())) for group in groups.values()
    ]

    def order(problem: Problem) -> Any:
        place = (problem.device.kind == "cpu", devices.index(problem.device.uid), kernels.index(problem.kernel))
        return (*place, [_sortable(value) for value in problem.axes.values()], problem.name)

    return sorted(found, key=order)


def is_baseline(row: Stored, peers: Sequence[Stored], note: KernelNote) -> bool:
    """A baseline is named by the kernel's note; without one it shows by having no kernel where its peers have one."""
    variant = row.result.config.axes.get("variant")
    if variant is None:
        return False
    if note.variants:
        return variant in note.baselines
    return row.result.compiled is None and any(peer.result.compiled for peer in peers)


def _problem(group: Sequence[Stored], note: KernelNote) -> Problem:
    first = group[0].result
    # Every axis that some row has: variants differ in what can be chosen for them.
    tuning = tuple(dict.fromkeys(name for row in group for name in row.result.config.tuning))
    config = first.config
    axes = {name: value for name, value in config.axes.items() if name not in tuning}
    axes |= {
        k: v for k, v, default in (("cache", config.cache, "cold"), ("clock", config.clock, "auto")) if v != default
    }
    rows = tuple(sorted(group, key=_rank))
    timed = [row for row in rows if row.result.status == "ok" and row.result.time_s]
    own = [row for row in timed if not is_baseline(row, timed, note)]
    fought = decided(own)
    best = fought[0] if fought else min(own or timed, key=_time, default=None)
    name = _naive_name(rows, tuning, note)
    naive = [row for row in own if row.result.config.axes.get("variant") == name]
    slowest = max(own, key=_time, default=None)
    return Problem(
        device=first.device,
        name=config.problem,
        kernel=config.kernel,
        axes=axes,
        tuning=_variant_first(tuning),
        rows=rows,
        best=best,
        naive=min(naive, key=_time, default=None) if name else slowest,
        naive_name=name or "slowest",
        baseline=min((row for row in timed if row not in own), key=_time, default=None) if own else None,
        ties=fought[1] if fought else tuple(row for row in own if best and row is not best and _tied(row, best)),
    )


def _naive_name(rows: Sequence[Stored], tuning: Sequence[str], note: KernelNote) -> str:
    present = {row.result.config.axes.get("variant") for row in rows} - {None}
    if "naive" in present:
        return "naive"
    kernels = [name for name in note.variants if name not in note.baselines]
    return kernels[0] if kernels and "variant" in tuning and present else ""


def _variant_first(tuning: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(tuning, key=lambda name: (name != "variant", tuning.index(name))))


def _rank(row: Stored) -> tuple[int, float, str]:
    result = row.result
    if result.status == "ok" and result.time_s:
        return 0, result.time_s, result.config.id
    return (2 if result.status == "skipped" else 1), 0.0, result.config.id


def _time(row: Stored) -> float:
    return row.result.time_s or float("inf")


def _gain(over: Stored | None, best: Stored | None) -> float | None:
    return _time(over) / _time(best) if over and best else None


def _tied(row: Stored, best: Stored) -> bool:
    one, other = row.result.measurement, best.result.measurement
    if one is None or other is None:
        return False
    tick_s = max(one.tick_s, other.tick_s)
    return by_intervals(summarised(one.summary), summarised(other.summary), tick_s=tick_s).place == "tied"


def worded(value: Value, name: str = "") -> str:
    """An axis value for people; Config.id and exports have it in full."""
    if name.endswith("bytes") and isinstance(value, int):
        return units.size(value)
    return units.count(value) if isinstance(value, int) and not isinstance(value, bool) else format_value(value)


def _sortable(value: Value) -> tuple[bool, float, str]:
    return (True, 0.0, value) if isinstance(value, str) else (False, float(value), "")
