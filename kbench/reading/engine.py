"""What the measuring engine knows of a row besides its time: flat values for an export."""

from __future__ import annotations

from typing import Any

from kbench.experiment.result import Result


def engine(result: Result) -> dict[str, Any]:
    """Plain values under unit-bearing names, None where there is none.

    joules_per_gb: energy of one run over its useful bytes (1e9 of them). items_per_s: of the first kind of item that
    the kernel declares, whose own column is named after it (tokens_per_s).
    """
    measured, traffic, standing = result.measurement, result.traffic, result.standing
    items = next(iter(traffic.items.values()), None)
    energy = measured.energy_j if measured else None
    last = measured.telemetry[-1] if measured and measured.telemetry else None
    return {
        "place": standing.place if standing else None,
        "gap": standing.gap if standing else None,
        "gap_low": standing.gap_low if standing else None,
        "gap_high": standing.gap_high if standing else None,
        "decided_by": standing.how if standing else None,
        "correction_s": measured.correction_s if measured else None,
        "left_s": measured.left_s if measured else None,
        "sets": measured.sets if measured else None,
        "covered_bytes": measured.covered_bytes if measured else None,
        "rounds": measured.rounds if measured else None,
        "throttled": measured.throttled if measured else None,
        "spread": measured.spread if measured else None,
        "memory_bytes": measured.memory_bytes if measured else None,
        "energy_j": energy,
        "joules_per_gb": energy / traffic.useful_bytes * 1e9 if energy and traffic.useful_bytes else None,
        "items_per_s": items / result.time_s if items and result.time_s else None,
        "sm_clock_hz": last.sm_clock_hz if last else None,
        "memory_clock_hz": last.memory_clock_hz if last else None,
        "temperature_c": last.temperature_c if last else None,
        "power_w": last.power_w if last else None,
    }
