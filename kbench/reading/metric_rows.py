"""Profiles as flat rows for other programs: one a metric, one a finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kbench.profiling.metrics import KINDS
from kbench.reading.export import written
from kbench.reading.profiled import Profiled, Profiles
from kbench.record.store import Stored, StoredProfile

METRICS = ("config", "key", "device", "tool", "name", "value", "unit", "source", "stale", "status", "message", "runs",
           "launches", "version", "added", "device_uid", "raw")  # fmt: skip
FINDINGS = ("config", "key", "device", "tool", "check", "kind", "message", "kernel", "file", "line", "count", "stale",
            "version", "added", "device_uid")  # fmt: skip


def metrics(rows: Sequence[Stored], profiles: Profiles, form: str) -> str:
    """One row a metric, in SI units; a profile without any has a single row, with its status and message. source: the
    tool's own name of the metric; stale: the profile is of another source than the configuration's newest result.
    Raises ValueError for an unknown format."""
    return written(list(_metrics(rows, profiles)), METRICS, form)


def findings(rows: Sequence[Stored], profiles: Profiles, form: str) -> str:
    """One row for each finding of a sanitizer. Raises ValueError for an unknown format."""
    found = [
        _common(kept, joined)
        | {"check": one.check, "kind": one.kind, "message": one.message, "kernel": one.kernel, "file": one.file}
        | {"line": one.line or None, "count": one.count}
        for kept, joined in _every(rows, profiles)
        for one in kept.profile.findings
    ]
    return written([{name: row[name] for name in FINDINGS} for row in found], FINDINGS, form)


def _every(rows: Sequence[Stored], profiles: Profiles) -> Iterator[tuple[StoredProfile, Profiled]]:
    for row in rows:
        joined = profiles.of(row)
        yield from ((kept, joined) for kept in (*joined.fresh, *joined.stale))


def _metrics(rows: Sequence[Stored], profiles: Profiles) -> Iterator[dict[str, Any]]:
    for kept, joined in _every(rows, profiles):
        profile = kept.profile
        told: list[tuple[str, float | None, str, str]]
        told = [(one.name, one.value, KINDS[one.name].unit if one.name in KINDS else "", one.source)
                for one in profile.metrics]  # fmt: skip
        for name, value, unit, source in told or [("", None, "", "")]:
            row = _common(kept, joined) | {"name": name, "value": value, "unit": unit, "source": source}
            row |= {"status": profile.status, "message": profile.message, "runs": profile.runs, "raw": profile.raw}
            row["launches"] = profile.launches
            yield {name: row[name] for name in METRICS}


def _common(kept: StoredProfile, joined: Profiled) -> dict[str, Any]:
    profile = kept.profile
    return {
        "config": profile.config.id,
        "key": joined.row.key,
        "device": profile.device.label,
        "device_uid": profile.device.uid,
        "tool": profile.tool,
        "version": profile.version,
        "added": kept.added,
        "stale": kept in joined.stale,
    }
