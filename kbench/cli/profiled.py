"""Profiles as a table: one row a configuration, its metrics in groups; its findings below."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kbench.cli import console
from kbench.cli.console import Column

if TYPE_CHECKING:
    from kbench.profiling.profile import Finding, Profile
    from kbench.reading.profiled import Profiled
    from kbench.record.store import StoredProfile

_GROUPS = (
    ("duration_s", "time", "duration"),
    ("range_share", "of trace %", "percent"),
    ("busy_share", "GPU busy %", "percent"),
    ("gap_s", "gap", "duration"),
    ("overlap_share", "overlap %", "percent"),
    ("dram_bytes_read", "DRAM read", "size"),
    ("dram_bytes_written", "DRAM written", "size"),
    ("dram_throughput", "DRAM %", "percent"),
    ("l2_bytes_read", "L2 read", "size"),
    ("l2_bytes_written", "L2 written", "size"),
    ("l2_hit_rate", "L2 hit %", "percent"),
    ("l1_hit_rate", "L1 hit %", "percent"),
    ("sm_throughput", "SM %", "percent"),
    ("achieved_occupancy", "occupancy %", "percent"),
    ("registers_per_thread", "registers", "count"),
)
"""Metric, its title on a terminal, and the function of kbench.reading.units that words it. --json has all of them."""


def show(profiles: Sequence[tuple[str, Profile]], as_json: bool) -> None:
    """profiles: with the key of each."""
    if as_json:
        console.json([{"key": key, "config": p.config.id, "profile": p} for key, p in profiles])
        return
    if not profiles:
        return
    console.table(_columns(), [_row(key, profile) for key, profile in profiles])
    _findings([(key, finding) for key, profile in profiles for finding in profile.findings])


def show_said(rows: Sequence[Profiled], alone: Sequence[StoredProfile] = ()) -> None:
    """Everything that profilers said of some rows: a line a metric, in a pipe in SI units, then one a finding. alone:
    of configurations without a row."""
    from kbench.profiling.metrics import KINDS
    from kbench.reading import counted

    kept = [(one, "stale" if one in joined.stale else "") for joined in rows for one in (*joined.fresh, *joined.stale)]
    kept += [(one, "never swept") for one in alone]
    if not kept:
        return
    terminal = sys.stdout.isatty()
    lines: list[tuple[Any, ...]] = []
    for one, note in kept:
        profile = one.profile
        head = (one.key, profile.tool, profile.version)
        for metric in profile.metrics:
            name, value = metric.name, metric.value
            unit = KINDS[name].unit if name in KINDS else None
            words = (counted.shown(name, value), None) if terminal else (value, unit)
            lines.append((*head, name, *words, counted.meaning(name) or None, note or None))
        if not profile.metrics:
            lines.append((*head, None, None, None, profile.message or None, note or profile.status))
    if not terminal:
        console.out()
    names = ("key", "tool", "version", "metric", "value", "unit", "meaning", "note")
    console.table([Column(name, number=name == "value") for name in names], lines)
    _findings([(one.key, finding) for one, _ in kept for finding in one.profile.findings])


def _findings(found: Sequence[tuple[str, Finding]]) -> None:
    if not found:
        return
    columns = [Column(name) for name in ("key", "check", "kind", "file", "line", "kernel", "count", "message")]
    rows = [(k, f.check, f.kind, f.file or None, f.line or None, f.kernel, f.count, f.message) for k, f in found]
    console.table(columns, rows)


def _columns() -> tuple[Column, ...]:
    from kbench.reading import units

    def worded(name: str) -> Callable[[Any], str]:
        word: Callable[[Any], str] = getattr(units, name)
        return word

    return (
        Column("key"), Column("configuration"), Column("tool"), Column("status"), Column("runs", number=True),
        Column("launches", number=True),
        *(Column(name, title, worded(unit), number=True) for name, title, unit in _GROUPS),
        Column("findings", number=True), Column("message", below=True),
    )  # fmt: skip


def _row(key: str, profile: Profile) -> tuple[Any, ...]:
    return (
        key, profile.config.id, profile.tool, profile.status, profile.runs, profile.launches,
        *(profile.value(name) for name, _, _ in _GROUPS), len(profile.findings) or None, profile.message or None,
    )  # fmt: skip
