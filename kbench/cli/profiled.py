"""Profiles as a table: one row a configuration, its metrics in groups; its findings below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kbench.cli import console
from kbench.cli.console import Column

if TYPE_CHECKING:
    from kbench.profiling.profile import Profile

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
        console.json([{"key": key, "id": p.config.id, "profile": p} for key, p in profiles])
        return
    if not profiles:
        return
    console.table(_columns(), [_row(key, profile) for key, profile in profiles])
    found = [(key, f) for key, profile in profiles for f in profile.findings]
    if found:
        columns = tuple(Column(name) for name in ("key", "check", "kind", "file", "line", "kernel", "count", "message"))
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
