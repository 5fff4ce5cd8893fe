"""How to measure: what a suite's [method] table and the command line's options set."""

from __future__ import annotations

from typing import Any

import msgspec

PRESETS: dict[str, dict[str, Any]] = {
    "fast": {"samples_min": 10, "samples_max": 40, "precision": 0.02, "max_time_s": 0.01, "duel": False},
    "rigorous": {"samples_min": 40, "samples_max": 400, "precision": 0.0025, "max_time_s": 0.2, "processes": 5},
}


class Method(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """precision: relative half-width of the centre's 95 % interval at which sampling stops; max_time_s: time of
    samples per configuration; timeout_s: wall time after which a configuration is given up; max_bytes: on the cpu,
    larger ones are skipped; duel: whether the leaders of a problem meet again; processes: fresh workers that measure
    everything once each; seed: of the order in which configurations take turns; energy: whether to count joules, which
    takes two seconds for each; preset: what these came from."""

    samples_min: int = 20
    samples_max: int = 200
    precision: float = 0.005
    max_time_s: float = 0.05
    timeout_s: float = 10.0
    max_bytes: int = 64 * 2**20
    duel: bool = True
    processes: int = 1
    seed: int = 0
    energy: bool = False
    preset: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.samples_min <= self.samples_max:
            raise ValueError("samples_min must be at least 1 and at most samples_max")
        if not 0 < self.precision < 1:
            raise ValueError("precision is a fraction between 0 and 1, such as 0.005")
        if min(self.max_time_s, self.timeout_s) <= 0 or self.max_bytes < 1:
            raise ValueError("max_time_s, timeout_s and max_bytes must be positive")
        if not 0 <= self.seed < 2**63:
            raise ValueError("seed must be a whole number from 0 to 2^63 - 1")
        if not 1 <= self.processes <= 100:
            raise ValueError("processes must be 1 to 100")
        if self.preset and self.preset not in PRESETS:
            raise ValueError(f"preset must be {' or '.join(PRESETS)}")

    def least(self, clock: str) -> int:
        """Samples to take at least. One of the clock graph is a slope over hundreds of runs: two fifths as many do,
        unless exactly so many were asked for."""
        exactly = self.samples_min == self.samples_max
        return self.samples_min if exactly or clock != "graph" else -(-2 * self.samples_min // 5)

    def of_preset(self, name: str) -> Method:
        """What a preset says, on top of these."""
        return msgspec.structs.replace(self, preset=name, **PRESETS[name])
