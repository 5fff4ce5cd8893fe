"""How values are written."""

from __future__ import annotations

import pytest

from kbench.reading import units


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(505.4e-6, "505.4 µs"), (1.2634e-3, "1.263 ms"), (96e-9, "96.00 ns"), (2.0, "2.000 s"), (0.99996e-6, "1000 ns"),
     (3.6e-6, "3.600 µs"), (12e-6, "12.00 µs"), (None, "–"), (0.0, "0 ns")],
)  # fmt: skip
def test_duration(seconds: float | None, text: str) -> None:
    assert units.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(4254.3e9, "4254"), (55.6e9, "55.60"), (0.4321e9, "0.4321"), (12345e9, "12345")]
)
def test_rate(value: float, text: str) -> None:
    assert units.rate(value) == text


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1 << 30, "1 GiB"),
        (3 << 29, "1.50 GiB"),
        (1e6, "977 KiB"),
        (1 << 41, "2048 GiB"),
    ],
)
def test_size(nbytes: float, text: str) -> None:
    assert units.size(nbytes) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1 << 20, "2²⁰"), (1000, "1000"), (8, "8"), (0.5, "0.5000"), (8192, "8192")]
)
def test_count(value: float, text: str) -> None:
    assert units.count(value) == text
