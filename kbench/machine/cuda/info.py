"""What the driver says of a GPU, in SI units; None where it does not say."""

from __future__ import annotations

from typing import Any

from kbench.machine.cuda import driver
from kbench.machine.cuda.visible import Nvml
from kbench.machine.device import DeviceInfo


def gpu_info(index: int) -> DeviceInfo:
    """Of CUDA device `index`, which must be the current one. The theoretical peak is 2 x memory clock x bus width / 8:
    two transfers a clock, as for all GDDR and HBM generations whose clock the driver reports."""
    import cupy
    from cupy.cuda import runtime

    def ask(name: str) -> int | None:
        """None for what this driver does not know, and for the zeros that it gives instead of a clock it hides."""
        value = int(runtime.deviceGetAttribute(getattr(runtime, f"cudaDevAttr{name}"), index))
        return value if value > 0 else None

    memory_clock, bus_bits, clock = (
        _hertz(ask("MemoryClockRate")),
        ask("GlobalMemoryBusWidth"),
        _hertz(ask("ClockRate")),
    )
    name = runtime.getDeviceProperties(index)["name"].decode()
    board = _board(str(runtime.deviceGetPCIBusId(index)))
    return DeviceInfo(
        kind="cuda",
        name=name,
        label=name,
        uid=driver.device_uuid(index, mig=bool(board["mig"])),
        arch=f"sm_{cupy.cuda.Device(index).compute_capability}",
        driver=board["driver"],
        runtime=_version(runtime.runtimeGetVersion()),
        multiprocessors=ask("MultiProcessorCount"),
        l2_bytes=ask("L2CacheSize"),
        memory_bytes=int(runtime.memGetInfo()[1]),
        peak_bytes_per_s=2 * memory_clock * bus_bits / 8 if memory_clock and bus_bits else None,
        clock_hz=clock,
        memory_clock_hz=memory_clock,
        bus_bits=bus_bits,
        max_threads_per_sm=ask("MaxThreadsPerMultiProcessor"),
        registers_per_sm=ask("MaxRegistersPerMultiprocessor"),
        shared_bytes_per_sm=ask("MaxSharedMemoryPerMultiprocessor"),
        power_limit_w=board["power_limit_w"],
        ecc=board["ecc"],
        mig=board["mig"],
    )


def _hertz(kilohertz: int | None) -> float | None:
    return kilohertz * 1e3 if kilohertz else None


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _board(pci: str) -> dict[str, Any]:
    """What only NVML knows. Without NVML (some containers hide it) the fields are empty."""
    with Nvml() as nvml:
        if nvml.missing:
            return {"driver": "", "power_limit_w": None, "ecc": None, "mig": None}
        handle = nvml.ask("nvmlDeviceGetHandleByPciBusId", pci)
        milliwatts = nvml.ask("nvmlDeviceGetEnforcedPowerLimit", handle)
        ecc, mig = nvml.ask("nvmlDeviceGetEccMode", handle), nvml.ask("nvmlDeviceGetMigMode", handle)
        return {
            "driver": str(nvml.ask("nvmlSystemGetDriverVersion") or ""),
            "power_limit_w": None if milliwatts is None else milliwatts / 1e3,
            "ecc": None if ecc is None else bool(ecc[0]),
            "mig": None if mig is None else bool(mig[0]),
        }
