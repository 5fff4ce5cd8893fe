"""SI values as people read them. The only place where units change."""

from __future__ import annotations

NONE = "–"  # what has no value

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def digits(value: float, figures: int = 4) -> str:
    """`value` with so many significant figures, without an exponent: 4254, 55.61, 0.4321."""
    if value == 0:
        return "0"
    if abs(value) < 10**figures:
        value = float(f"{value:.{figures}g}")  # before counting: 999.96 has four figures in front of the point
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:.{max(figures - whole, 0)}f}"


def duration(seconds: float | None) -> str:
    """505.4 µs, 1.263 ms, 96.00 ns."""
    if seconds is None:
        return NONE
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if abs(seconds) * scale >= 1:
            return f"{digits(seconds * scale)} {unit}"
    return f"{digits(seconds * 1e9)} ns"


def rate(bytes_per_s: float | None) -> str:
    """In GB/s (1e9 bytes), without the unit."""
    return NONE if bytes_per_s is None else digits(bytes_per_s / 1e9)


def size(nbytes: float) -> str:
    """1 GiB, 64 KiB, 977 KiB, 12 B."""
    value = float(nbytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if value == int(value) else f"{digits(value, 3)} {unit}"


def percent(fraction: float | None) -> str:
    """Without the sign: 98.9."""
    return NONE if fraction is None else f"{fraction * 100:.1f}"


def factor(value: float | None) -> str:
    """2.61x."""
    return NONE if value is None else f"{value:.2f}x"


def count(value: float) -> str:
    """A number of elements: powers of two from 65536 on as 2²⁰, others in full."""
    if value != int(value):
        return digits(value)
    whole = int(value)
    if whole >= 1 << 16 and whole & (whole - 1) == 0:
        return "2" + str(whole.bit_length() - 1).translate(_SUPERSCRIPTS)
    return str(whole)
