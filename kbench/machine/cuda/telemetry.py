"""What NVML says of a GPU while it works. NVML stays open: opening it takes longer than many readings."""

from __future__ import annotations

from kbench.machine.cuda.visible import Nvml
from kbench.machine.device import Telemetry

_SM, _MEMORY, _TEMPERATURE = 1, 2, 0  # NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU
REASONS = {
    0x002: "application clocks",
    0x004: "power cap",
    0x008: "hardware slowdown",
    0x010: "sync boost",
    0x020: "temperature (software)",
    0x040: "temperature (hardware)",
    0x080: "power brake",
    0x100: "display clocks",
}
"""nvmlClocksEventReasons by bit. "Idle" (bit 0) is none: a GPU that waits for its next batch is not throttled."""


def reasons(mask: int | None) -> tuple[str, ...]:
    """In words; a bit that is not known by its number."""
    bits = [1 << n for n in range(1, 64) if (mask or 0) >> n & 1]
    return tuple(REASONS.get(bit, f"reason {bit:#x}") for bit in bits)


class Sensors:
    """Of the board at a PCI bus id. A MIG instance (`mig`: its UUID) shares them with its neighbours, and is told
    nothing here: what they draw is not its own."""

    def __init__(self, pci: str, mig: str = "") -> None:
        self._nvml = Nvml().__enter__()
        self._handle = None if mig else self._nvml.ask("nvmlDeviceGetHandleByPciBusId", pci)

    def read(self) -> Telemetry | None:
        """At this moment; None where NVML does not answer."""
        if self._handle is None:
            return None
        ask, handle = self._nvml.ask, self._handle
        return Telemetry(
            sm_clock_hz=_scaled(ask("nvmlDeviceGetClockInfo", handle, _SM), 1e6),
            memory_clock_hz=_scaled(ask("nvmlDeviceGetClockInfo", handle, _MEMORY), 1e6),
            temperature_c=_scaled(ask("nvmlDeviceGetTemperature", handle, _TEMPERATURE), 1.0),
            power_w=_scaled(ask("nvmlDeviceGetPowerUsage", handle), 1e-3),
            throttle=reasons(ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle)),
        )

    def energy_j(self) -> float | None:
        """What the board has used since the driver was loaded; None where NVML does not count it. Asking takes some
        milliseconds (4 on an H200, 2026-11-20)."""
        if self._handle is None:
            return None
        return _scaled(self._nvml.ask("nvmlDeviceGetTotalEnergyConsumption", self._handle), 1e-3)

    def close(self) -> None:
        self._nvml.__exit__(None, None, None)
        self._handle = None


def _scaled(value: int | None, unit: float) -> float | None:
    return None if value is None else value * unit
