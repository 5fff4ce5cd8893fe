"""Flat rows for other programs: SI values, the unit in each name."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from kbench.experiment.result import Result
from kbench.experiment.stats import LEAST_KNOWN
from kbench.reading import sectors
from kbench.reading.engine import engine
from kbench.reading.profiled import Profiles
from kbench.reading.table import flagged, near_floor, noisy, tolerance
from kbench.record.store import Stored

FORMATS = ("csv", "jsonl", "json")


def flat(stored: Stored, profiles: Profiles | None = None) -> dict[str, Any]:
    """One row as plain values under unit-bearing names; an axis is `axis.NAME`, a rate of items `NAME_per_s`, a metric
    of its profiles `metric.NAME`. None where there is no value. of_peak, of_roof and of_roof_sectors are fractions."""
    result = stored.result
    row: dict[str, Any] = {
        "id": stored.id,
        "run": stored.run,
        "added": stored.added,
        "key": stored.key,
        "config": result.config.id,
        "kernel": result.config.kernel,
        "problem": result.config.problem,
        "status": result.status,
        "message": result.message,
    }
    row |= {f"axis.{name}": value for name, value in result.config.axes.items()}
    row |= _device(result) | _times(result) | _rates(result) | _compiled(result) | engine(result)
    row["checked"] = bool(result.checks) and all(check.ok for check in result.checks)
    row["tolerance"] = tolerance(result) if result.checks else None
    row |= {"source": result.source, "wall_s": result.wall_s}
    return row | (profiles.values(stored) if profiles else {})


def _device(result: Result) -> dict[str, Any]:
    device = result.device
    return {
        "device": device.label,
        "device_kind": device.kind,
        "device_name": device.name,
        "device_uid": device.uid,
        "arch": device.arch,
        "driver": device.driver,
        "peak_bytes_per_s": device.peak_bytes_per_s,
    }


def _times(result: Result) -> dict[str, Any]:
    measured = result.measurement
    summary = measured.summary if measured else None
    sure = summary if summary and summary.n >= LEAST_KNOWN else None
    submits = sorted(measured.submit_s) if measured else []
    return {
        "time_s": result.time_s,
        "median_s": summary.median_s if summary else None,
        "low_s": sure.low_s if sure else None,
        "high_s": sure.high_s if sure else None,
        "median_low_s": sure.median_low_s if sure else None,
        "median_high_s": sure.median_high_s if sure else None,
        "min_s": summary.min_s if summary else None,
        "max_s": summary.max_s if summary else None,
        "samples": summary.n if summary else None,
        "submit_s": submits[len(submits) // 2] if submits else None,
        "clock": measured.clock if measured else None,
        "cache": measured.cache if measured else None,
        "floor_s": measured.floor_s if measured else None,
        "clock_note": measured.note if measured else None,
        "noisy": noisy(result) if measured else None,
        "near_floor": near_floor(result) if measured else None,
    }


def _rates(result: Result) -> dict[str, Any]:
    traffic, roof = result.traffic, result.roof
    row: dict[str, Any] = {
        "achieved_bytes_per_s": result.achieved_bytes_per_s,
        "of_peak": result.of_peak,
        "of_roof": result.of_roof,
        "of_roof_sectors": sectors.of_roof(result),
        "above_roof": flagged(result) if result.of_roof is not None else None,
        "roof_bytes_per_s": roof.value if roof and roof.unit == "B/s" else None,
        "roof_kind": roof.kind if roof else None,
        "roof_nbytes": roof.nbytes if roof else None,
        "useful_bytes": traffic.useful_bytes,
        "bytes_read": traffic.bytes_read,
        "bytes_written": traffic.bytes_written,
        "sectors_read_bytes": traffic.sectors_read,
        "sectors_written_bytes": traffic.sectors_written,
        "bytes_h2d": traffic.bytes_h2d,
        "bytes_d2h": traffic.bytes_d2h,
        "formula": traffic.formula,
        "flops": traffic.flops,
        "flops_per_s": result.flops_per_s,
        "intensity_flops_per_byte": traffic.intensity if traffic.flops else None,
    }
    return row | {f"{name}_per_s": n / result.time_s for name, n in traffic.items.items() if result.time_s}


def _compiled(result: Result) -> dict[str, Any]:
    compiled = result.compiled
    return {
        "entry": compiled.entry if compiled else None,
        "compiler": compiled.compiler if compiled else None,
        "compile_s": compiled.compile_s if compiled else None,
        "binary_bytes": compiled.size_bytes if compiled else None,
        "registers": compiled.registers if compiled else None,
        "spill_bytes": compiled.spill_bytes if compiled else None,
        "shared_bytes": compiled.shared_bytes if compiled else None,
        "occupancy": result.occupancy,
    }


def columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every name that occurs, axes beside each other after the fixed names in front of them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    axes = [name for name in names if name.startswith("axis.")]
    others = [name for name in names if not name.startswith("axis.")]
    place = others.index("message") + 1 if "message" in others else 0
    return others[:place] + axes + others[place:]


def export(
    stored: Sequence[Stored],
    form: str,
    figures: int | None = None,
    asked: Sequence[str] = (),
    profiles: Profiles | None = None,
) -> str:
    """The rows as text: "csv" (one header), "jsonl" (one object a line) or "json" (an array). Raises ValueError.

    figures: significant figures of fractional numbers; all of them by default. asked: metrics of `profiles` that each
    row has too, None where nobody counted them.
    """
    rows = [flat(row) | _metrics(row, asked, profiles) for row in stored]
    if figures:
        rows = [{name: _rounded(value, figures) for name, value in row.items()} for row in rows]
    return written(rows, columns(rows) or ["config"], form)


def _metrics(row: Stored, asked: Sequence[str], profiles: Profiles | None) -> dict[str, Any]:
    values = profiles.values(row) if profiles and asked else {}
    return {name: values.get(name) for name in asked if name.startswith("metric.")}


def written(rows: Sequence[Mapping[str, Any]], names: Sequence[str], form: str) -> str:
    """Flat rows as text in one of FORMATS; names: the header of a CSV. Raises ValueError."""
    if form == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, names, restval=None, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()
    if form == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if form == "json":
        return json.dumps(list(rows), ensure_ascii=False, indent=1) + "\n"
    raise ValueError(f"unknown format {form!r} (known: {', '.join(FORMATS)})")


def _rounded(value: Any, figures: int) -> Any:
    return float(f"{value:.{figures}g}") if isinstance(value, float) else value


def frame(stored: Sequence[Stored]) -> Any:
    """The rows as a pandas DataFrame with the names of `flat`."""
    import pandas as pd

    rows = [flat(row) for row in stored]
    return pd.DataFrame(rows, columns=columns(rows))
