"""How to measure: what a suite's [method] table and the command line's options set."""

from __future__ import annotations

import msgspec


class Method(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """precision: relative half-width of the centre's 95 % interval at which sampling stops; max_time_s: time of
    samples per configuration;
    timeout_s: wall time after which a configuration is given up; max_bytes: on the cpu, larger ones are skipped."""

    samples_min: int = 20
    samples_max: int = 200
    precision: float = 0.005
    max_time_s: float = 0.05
    timeout_s: float = 10.0
    max_bytes: int = 64 * 2**20

    def __post_init__(self) -> None:
        if not 1 <= self.samples_min <= self.samples_max:
            raise ValueError("samples_min must be at least 1 and at most samples_max")
        if not 0 < self.precision < 1:
            raise ValueError("precision is a fraction between 0 and 1, such as 0.005")
        if min(self.max_time_s, self.timeout_s) <= 0 or self.max_bytes < 1:
            raise ValueError("max_time_s, timeout_s and max_bytes must be positive")
