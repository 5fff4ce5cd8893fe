"""Profiles joined to the rows that they explain. What was taken of another source than the row's is kept apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kbench.profiling.profile import TOOLS, Metric
from kbench.record.store import Stored, StoredProfile

DRAM = ("dram_bytes_read", "dram_bytes_written")
L2 = ("l2_bytes_read", "l2_bytes_written")


@dataclass(frozen=True)
class Found:
    """A metric and the profile that says it."""

    metric: Metric
    by: StoredProfile

    @property
    def value(self) -> float:
        return self.metric.value

    @property
    def said_by(self) -> str:
        """Tool, version and the tool's own name of the metric."""
        profile = self.by.profile
        return " ".join(filter(None, [profile.tool, profile.version, self.metric.source]))


@dataclass(frozen=True)
class Profiled:
    """A row and what profilers said of it: the newest profile of each tool, and a failure since. fresh: of the row's
    own source; stale: of another one, or of an unknown one. Whatever is computed uses the fresh ones alone."""

    row: Stored
    fresh: tuple[StoredProfile, ...] = ()
    stale: tuple[StoredProfile, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fresh or self.stale)

    def tool(self, name: str) -> StoredProfile | None:
        return next((kept for kept in self.fresh if kept.profile.tool == name), None)

    @property
    def metrics(self) -> dict[str, Found]:
        """By name. What two tools count, the one says that comes first among TOOLS."""
        found: dict[str, Found] = {}
        for kept in self.fresh:
            for metric in kept.profile.metrics:
                found.setdefault(metric.name, Found(metric, kept))
        return found

    def value(self, name: str) -> float | None:
        found = self.metrics.get(name)
        return found.value if found else None

    def moved(self, names: Sequence[str]) -> int | None:
        """The sum of counted bytes, such as those of DRAM; None where one of them was not counted."""
        metrics = self.metrics
        return sum(round(metrics[name].value) for name in names) if all(name in metrics for name in names) else None

    @property
    def intensity(self) -> float | None:
        """flop per byte of DRAM as counted; None where nothing computes, or nothing reached DRAM."""
        flops, counted = self.row.result.traffic.flops, self.moved(DRAM)
        return flops / counted if flops and counted else None


class Profiles:
    """All profiles at hand, found again by configuration and device."""

    def __init__(self, kept: Iterable[StoredProfile] = ()) -> None:
        self._kept: dict[tuple[str, str], dict[tuple[str, str], StoredProfile]] = {}
        for one in sorted(kept, key=lambda one: one.id):
            profile = one.profile
            each = self._kept.setdefault((profile.config.id, profile.device.uid), {})
            each[profile.tool, profile.status] = one

    def __bool__(self) -> bool:
        return bool(self._kept)

    def of(self, row: Stored) -> Profiled:
        """A row's profiles, in the order of TOOLS."""
        result = row.result
        kept = self._kept.get((result.config.id, result.device.uid), {})
        own = [kept[tool, status] for tool in TOOLS for status in ("ok", "failed") if (tool, status) in kept]
        fresh = tuple(one for one in own if one.profile.source == result.source)
        return Profiled(row, fresh, tuple(one for one in own if one not in fresh))

    def values(self, row: Stored) -> dict[str, float]:
        """A row's metrics under the names of columns, `metric.NAME`; never those of another source."""
        return {f"metric.{name}": found.value for name, found in self.of(row).metrics.items()}
