"""The report: one HTML file that needs nothing else, the same charts as PNG, and all rows as CSV."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kbench.errors import StoreError
from kbench.experiment.result import STATUSES, Result, Roof
from kbench.machine.device import DeviceInfo
from kbench.reading import sectors, units
from kbench.reading.charts.drawing import Chart, is_ours
from kbench.reading.charts.gallery import gallery
from kbench.reading.charts.slices import comparisons, useful
from kbench.reading.charts.style import COLOURS, MARKER_PATHS
from kbench.reading.diagnosis.words import evidence, gain, held, missing
from kbench.reading.export import export
from kbench.reading.problem import Problem, problems
from kbench.reading.profile_parts import ProfilePart, anchors, profile_parts, stale_groups
from kbench.reading.profiled import Profiles
from kbench.reading.rows import COLUMNS, Line, lines, packed
from kbench.reading.table import CLOCKS, FLOOR, NOISY, OVER, UNEVEN, flagged, interval, noisy, submitted, time
from kbench.record.environment import Environment, now_utc
from kbench.record.store import KernelNote, Run, Stored, StoredProfile

CSV_FIGURES = 7
SUMMARISED = 6  # problems of a kernel that the summary shows at once


@dataclass(frozen=True)
class KernelPart:
    """One kernel on one device, as the page shows it."""

    name: str
    anchor: str
    note: KernelNote
    formulas: tuple[str, ...]
    problems: tuple[Problem, ...]
    charts: tuple[Chart, ...]
    profiles: tuple[ProfilePart, ...]
    failed: tuple[Stored, ...]
    skipped: tuple[tuple[int, str], ...]

    @property
    def timed(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.best]

    @property
    def leading(self) -> list[str]:
        """The names of the problems that compare most, then of the largest others."""
        ranked = comparisons(self.timed)
        ranked += sorted((p for p in self.timed if p not in ranked), key=useful, reverse=True)
        return [problem.name for problem in ranked[:SUMMARISED]]


@dataclass(frozen=True)
class DevicePart:
    """One device's section; rows of two devices meet in the table only, which names the device in every row."""

    info: DeviceInfo
    anchor: str
    facts: tuple[tuple[str, str], ...]
    charts: tuple[Chart, ...]
    kernels: tuple[KernelPart, ...]
    roofs: tuple[Roof, ...]

    @property
    def best(self) -> list[Problem]:
        return [problem for kernel in self.kernels for problem in kernel.timed]

    @property
    def profiles(self) -> list[ProfilePart]:
        return [row for kernel in self.kernels for row in kernel.profiles]

    def arithmetic(self, result: Result) -> tuple[str, float] | None:
        """For a kernel that computes: the measured ceiling of its data type's arithmetic, and its share of it."""
        kind = {"float32": "fp32", "float16": "fp16"}.get(str(result.config.axes.get("dtype")))
        tops = [roof.value for roof in self.roofs if roof.kind == kind and roof.unit == "flop/s"]
        return (str(kind), result.flops_per_s / max(tops)) if tops and result.flops_per_s else None


def write_report(
    stored: Sequence[Stored],
    folder: Path,
    roofs: Mapping[str, Sequence[Roof]] | None = None,
    runs: Sequence[Run] = (),
    notes: Mapping[str, KernelNote] | None = None,
    profiles: Sequence[StoredProfile] = (),
) -> Path:
    """Write index.html, a PNG a chart and results.csv into `folder` (made where missing); returns index.html's path.

    roofs: measured ceilings by device uid, beyond those that the rows carry. runs, notes, profiles: Store.runs(),
    Store.notes(), Store.profiles(). Charts of an earlier report in the folder are replaced. Raises StoreError where the
    folder cannot be written.
    """
    parts = _devices(stored, roofs or {}, notes or {}, Profiles(profiles))
    charts = [chart for part in parts for chart in part.charts]
    charts += [chart for part in parts for kernel in part.kernels for chart in kernel.charts]
    charts += [chart for part in parts for row in part.profiles for chart in row.charts]
    page = _render(stored, parts, runs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.png"):
            if is_ours(old.read_bytes()):
                old.unlink()
        for chart in charts:
            (folder / f"{chart.name}.png").write_bytes(chart.png)
        (folder / "results.csv").write_text(export(stored, "csv", CSV_FIGURES), encoding="utf-8")
        index = folder / "index.html"
        index.write_text(page, encoding="utf-8")
    except OSError as error:
        words = f"cannot write the report into {folder} ({error.strerror}): name another folder with --output"
        raise StoreError(words) from error
    return index


def _devices(
    stored: Sequence[Stored],
    roofs: Mapping[str, Sequence[Roof]],
    notes: Mapping[str, KernelNote],
    profiles: Profiles,
) -> list[DevicePart]:
    groups: dict[str, list[Problem]] = {}
    for problem in problems(stored, notes):
        groups.setdefault(problem.device.uid, []).append(problem)
    parts: list[DevicePart] = []
    for uid, group in groups.items():
        info = group[0].device
        prefix = "" if len(groups) == 1 else f"{slug(info.label)}-{len(parts) + 1}-"
        own = tuple(roofs.get(uid, ()))
        drawn = gallery(info, group, notes, own, prefix, profiles)
        kernels = [
            _kernel(name, [p for p in group if p.kernel == name], notes, drawn.kernels.get(name, ()), prefix)
            for name in dict.fromkeys(problem.kernel for problem in group)
        ]
        kernels = [replace(k, profiles=profile_parts(k.problems, profiles, own, prefix)) for k in kernels]
        parts.append(DevicePart(info, f"device-{len(parts) + 1}", facts(info), drawn.device, tuple(kernels), own))
    return parts


def _kernel(
    name: str, group: list[Problem], notes: Mapping[str, KernelNote], charts: Sequence[Chart], prefix: str
) -> KernelPart:
    skipped: dict[str, int] = {}
    for problem in group:
        for row in problem.skipped:
            skipped[row.result.message] = skipped.get(row.result.message, 0) + 1
    formulas = dict.fromkeys(row.result.traffic.formula for p in group for row in p.rows if row.result.traffic.formula)
    failed = tuple(row for problem in group for row in problem.failed)
    reasons = tuple((n, why) for why, n in sorted(skipped.items(), key=lambda item: -item[1]))
    note = notes.get(name, KernelNote())
    return KernelPart(
        name, f"{prefix}{slug(name)}", note, tuple(formulas), tuple(group), tuple(charts), (), failed, reasons
    )


def _render(stored: Sequence[Stored], parts: Sequence[DevicePart], runs: Sequence[Run]) -> str:
    from jinja2 import Environment as Templates
    from jinja2 import PackageLoader, StrictUndefined

    templates = Templates(
        loader=PackageLoader("kbench.reading", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.globals |= {
        "units": units,
        "colours": COLOURS,
        "moment": moment,
        "flagged": flagged,
        "marker_paths": MARKER_PATHS,
        "sectors": sectors,
        "submitted": submitted,
        "over": OVER,
        "clocks": CLOCKS,
        "noisy": NOISY,
        "noisy_row": noisy,
        "interval": interval,
        "time": time,
        "floor": FLOOR,
        "uneven": UNEVEN,
        "told": {"evidence": evidence, "gain": gain, "held": held, "missing": missing},
        "stale_groups": stale_groups,
    }
    opened = anchors([row for part in parts for row in part.profiles])
    failed = [(row, kernel) for part in parts for kernel in part.kernels for row in kernel.failed]
    found = [
        line
        for part in parts
        for kernel in part.kernels
        for problem in kernel.problems
        for line in lines(problem, opened)
    ]
    used = {row.run for row in stored}
    values: dict[str, Any] = {
        "written": moment(now_utc()),
        "devices": parts,
        "rows": len(found),
        "packed": packed(found, _columns(found, several=len(parts) > 1)),
        "scattered": any(sectors.of_roof(row.result) is not None for row in stored),
        "mixed": any(problem.clocks > 1 for part in parts for problem in part.best),
        "counts": {status: sum(row.result.status == status for row in stored) for status in STATUSES},
        "first": {row.result.status: kernel.anchor for row, kernel in reversed(failed)},
        "environments": [(run, environment(run.environment)) for run in reversed(runs) if run.id in used],
        "filters": _filters(found),
        "anchors": opened,
    }
    return templates.get_template("report.html").render(values)


def _columns(rows: Sequence[Line], several: bool) -> list[int]:
    """The columns that say something; the device's only where there are several."""
    return [
        index
        for index, column in enumerate(COLUMNS)
        if (several if column.title == "device" else any(line.cells[index] != units.NONE for line in rows))
    ]


def _filters(rows: Sequence[Line]) -> list[tuple[str, list[str]]]:
    """(what, its values) for each menu that would have a choice."""
    menus = {
        "status": [line.status for line in rows],
        "kernel": [line.kernel for line in rows],
        "dtype": [line.dtype for line in rows if line.dtype],
        "device": [line.device for line in rows],
    }
    return [(name, sorted(set(values))) for name, values in menus.items() if len(set(values)) > 1]


def moment(iso: str) -> str:
    """2026-01-31 14:05 UTC."""
    return f"{iso[:10]} {iso[11:16]} UTC"


def slug(words: str) -> str:
    """For file names and anchors."""
    return re.sub(r"[^a-z0-9_]+", "-", words.lower()).strip("-") or "x"


def facts(info: DeviceInfo) -> tuple[tuple[str, str], ...]:
    """What is known of a device, in words."""
    known: list[tuple[str, Any]] = [
        ("device", info.name if info.name != info.label else None),
        ("architecture", info.arch),
        ("multiprocessors", info.multiprocessors and str(info.multiprocessors)),
        ("memory", info.memory_bytes and units.size(info.memory_bytes)),
        ("theoretical peak", info.peak_bytes_per_s and f"{units.rate(info.peak_bytes_per_s)} GB/s"),
        ("L2 cache", info.l2_bytes and units.size(info.l2_bytes)),
        ("maximum clock", info.clock_hz and f"{info.clock_hz / 1e6:.0f} MHz"),
        ("memory clock", info.memory_clock_hz and f"{info.memory_clock_hz / 1e6:.0f} MHz"),
        ("power limit", info.power_limit_w and f"{info.power_limit_w:.0f} W"),
        ("ECC", None if info.ecc is None else "on" if info.ecc else "off"),
        ("MIG", None if info.mig is None else "on" if info.mig else "off"),
        ("driver", info.driver),
        ("CUDA", info.runtime),
        ("uid", info.uid),
    ]
    return tuple((name, value) for name, value in known if value)


def environment(found: Environment) -> tuple[tuple[str, str], ...]:
    """An environment in words, empty ones left away."""
    git = found.git
    known = [
        ("measured", moment(found.time_utc)),
        ("command", " ".join(found.argv)),
        ("git revision", f"{git.revision[:12]}{' with local changes' if git.dirty else ''}" if git else ""),
        ("host", found.host),
        ("system", f"{found.system}, Linux {found.kernel}" if found.system != "Linux" else found.kernel),
        ("CPU", f"{found.cpu}, {found.cpu_count} threads"),
        ("memory", units.size(found.memory_bytes) if found.memory_bytes else ""),
        ("Python", found.python),
        *found.versions.items(),
        *found.variables.items(),
    ]
    return tuple((name, value) for name, value in known if value)
