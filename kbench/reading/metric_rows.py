"""Profiles as flat rows for other programs: one a metric, one a finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kbench.profiling.metrics import KINDS
from kbench.reading.export import written
from kbench.reading.profiled import Profiles
from kbench.record.store import Stored, StoredProfile

METRICS = ("config", "key", "device", "tool", "name", "value", "unit", "source", "stale", "status", "message", "runs",
           "launches", "version", "added", "device_uid", "raw")  # fmt: skip
FINDINGS = ("config", "key", "device", "tool", "check", "kind", "message", "kernel", "file", "line", "count", "stale",
            "version", "added", "device_uid")  # fmt: skip


def metrics(rows: Sequence[Stored], profiles: Profiles, form: str, alone: Sequence[StoredProfile] = ()) -> str:
    """One row a metric, in SI units; a profile without any has a single row, with its status and message. source: the
    tool's own name of the metric; stale: the profile is of another source than the configuration's newest result;
    None of `alone`, which have no result. Raises ValueError for an unknown format."""
    return written(list(_metrics(_every(rows, profiles, alone))), METRICS, form)


def findings(rows: Sequence[Stored], profiles: Profiles, form: str, alone: Sequence[StoredProfile] = ()) -> str:
    """One row for each finding of a sanitizer, as of `metrics`. Raises ValueError for an unknown format."""
    found = [
        _common(kept, stale)
        | {"check": one.check, "kind": one.kind, "message": one.message, "kernel": one.kernel, "file": one.file}
        | {"line": one.line or None, "count": one.count}
        for kept, stale in _every(rows, profiles, alone)
        for one in kept.profile.findings
    ]
    return written([{name: row[name] for name in FINDINGS} for row in found], FINDINGS, form)


def _every(
    rows: Sequence[Stored], profiles: Profiles, alone: Sequence[StoredProfile]
) -> Iterator[tuple[StoredProfile, bool | None]]:
    for row in rows:
        joined = profiles.of(row)
        yield from ((kept, False) for kept in joined.fresh)
        yield from ((kept, True) for kept in joined.stale)
    yield from ((kept, None) for kept in alone)


def _metrics(every: Iterable[tuple[StoredProfile, bool | None]]) -> Iterator[dict[str, Any]]:
    for kept, stale in every:
        profile = kept.profile
        told: list[tuple[str, float | None, str, str]]
        told = [(one.name, one.value, KINDS[one.name].unit if one.name in KINDS else "", one.source)
                for one in profile.metrics]  # fmt: skip
        for name, value, unit, source in told or [("", None, "", "")]:
            row = _common(kept, stale) | {"name": name, "value": value, "unit": unit, "source": source}
            row |= {"status": profile.status, "message": profile.message, "runs": profile.runs, "raw": profile.raw}
            row["launches"] = profile.launches
            yield {name: row[name] for name in METRICS}


def _common(kept: StoredProfile, stale: bool | None) -> dict[str, Any]:
    profile = kept.profile
    return {
        "config": profile.config.id,
        "key": kept.key,
        "device": profile.device.label,
        "device_uid": profile.device.uid,
        "tool": profile.tool,
        "version": profile.version,
        "added": kept.added,
        "stale": stale,
    }
