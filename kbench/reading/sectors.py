"""Scattered access: memory moves whole 32-byte sectors, so a kernel may make it move more than its useful bytes."""

from __future__ import annotations

from kbench.experiment.result import Result

EXPLAINED = (
    "in sectors: memory moves whole 32-byte sectors, so scattered rows make it move more than the useful bytes. This "
    "share of the roof counts every declared sector: the roof's own time, and the further bytes at the theoretical peak"
)
_MORE = 1.01  # sectors that are merely rounded up say nothing
_ROUNDING = 64


def sector_bytes(result: Result) -> int | None:
    """Declared bytes in whole sectors; None where they hardly exceed the useful bytes, and for transfers."""
    traffic = result.traffic
    useful, moved = traffic.bytes_read + traffic.bytes_written, traffic.sectors_read + traffic.sectors_written
    if traffic.link_bytes or moved <= useful * _MORE + _ROUNDING:
        return None
    return moved


def reach(result: Result) -> float | None:
    """The useful bytes/s that are left where memory moves these sectors as fast as it can; None without sector_bytes.

    The time is the roof's at the useful bytes, and of the further bytes at the theoretical peak: at small sizes, where
    the roof is mostly latency, more bytes take hardly more time.
    """
    moved, roof, useful = sector_bytes(result), result.roof, result.traffic.useful_bytes
    if moved is None or roof is None or roof.unit != "B/s":
        return None
    peak = result.device.peak_bytes_per_s or roof.value
    return useful / (useful / roof.value + (moved - useful) / max(peak, roof.value))


def of_roof(result: Result) -> float | None:
    """Share of the measured roof in whole sectors; None without sector_bytes or a time."""
    rate, limit = result.achieved_bytes_per_s, reach(result)
    return rate / limit if rate and limit else None
