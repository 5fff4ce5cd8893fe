"""The GPUs of this machine as NVML sees them: no CUDA context, no CuPy. What the parent process and doctor ask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from types import TracebackType
from typing import Any

import msgspec

from kbench.machine.install import install


class Gpu(msgspec.Struct, frozen=True):
    """uid: "GPU-…" or "MIG-…"; arch: "sm_90"; driver: "580.159.03"; cuda: what the driver supports, (13, 0)."""

    uid: str
    name: str
    arch: str
    driver: str
    cuda: tuple[int, int]


class Nvml:
    """NVML for the length of a with block. `missing` says why it is not there, "" if it is."""

    def __init__(self) -> None:
        self.missing = ""
        self._api: Any = None

    def __enter__(self) -> Nvml:
        try:
            import pynvml
        except ImportError as error:
            self.missing = f"{error} (pip install nvidia-ml-py)"
            return self
        try:
            pynvml.nvmlInit()
            self._api = pynvml
        except pynvml.NVMLError as error:
            self.missing = f"no NVIDIA driver answers (NVML: {error})"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._api is not None:
            self._api.nvmlShutdown()

    def ask(self, function: str, *args: Any) -> Any:
        """The function's answer, or None where this GPU or driver does not support the question."""
        if self._api is None or None in args:
            return None
        try:
            return getattr(self._api, function)(*args)
        except self._api.NVMLError:
            return None


def gpus() -> tuple[tuple[Gpu, ...], str]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves, in its order (else in PCI order, which CudaDevice asks CUDA for too),
    and why there are none."""
    with Nvml() as nvml:
        if nvml.missing:
            return (), nvml.missing
        found = tuple(_gpu(nvml, handle) for handle in _handles(nvml))
    if found:
        return found, ""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (), "the driver sees no GPU" if hidden is None else f"CUDA_VISIBLE_DEVICES={hidden!r} leaves no GPU"


def index_of(device: str) -> int:
    """Of "cuda:2" 2, of "cuda" 0."""
    return int(device.partition(":")[2] or 0)


def gpu_of(device: str) -> Gpu | None:
    """The GPU that a device's name means; None for another kind of device, and where there is no such GPU."""
    if device.partition(":")[0] != "cuda":
        return None
    found, _ = gpus()
    return found[index_of(device)] if index_of(device) < len(found) else None


def arch_here() -> str:
    """What to compile for where nothing is said: this machine's first GPU, else an H100's."""
    first = gpu_of("cuda")
    return first.arch if first else "sm_90"


def _handles(nvml: Nvml) -> Iterator[Any]:
    """CUDA ends the list at the first entry that names no GPU, so this does too."""
    everything = [nvml.ask("nvmlDeviceGetHandleByIndex", i) for i in range(nvml.ask("nvmlDeviceGetCount") or 0)]
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        yield from (handle for handle in everything if handle is not None)
        return
    for entry in (word.strip() for word in wanted.split(",")):
        handle = _named(nvml, entry, everything)
        if handle is None:
            return
        yield handle


def _named(nvml: Nvml, entry: str, everything: list[Any]) -> Any:
    if entry.isdecimal():
        return everything[int(entry)] if int(entry) < len(everything) else None
    if entry.startswith("MIG-"):
        return nvml.ask("nvmlDeviceGetHandleByUUID", entry)
    matches = [h for h in everything if entry and (nvml.ask("nvmlDeviceGetUUID", h) or "").startswith(entry)]
    return matches[0] if len(matches) == 1 else None


def _gpu(nvml: Nvml, handle: Any) -> Gpu:
    board = nvml.ask("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", handle) or handle
    major, minor = nvml.ask("nvmlDeviceGetCudaComputeCapability", board) or (0, 0)
    cuda = nvml.ask("nvmlSystemGetCudaDriverVersion") or 0
    return Gpu(
        uid=str(nvml.ask("nvmlDeviceGetUUID", handle) or ""),
        name=str(nvml.ask("nvmlDeviceGetName", board) or ""),
        arch=f"sm_{major}{minor}",
        driver=str(nvml.ask("nvmlSystemGetDriverVersion") or ""),
        cuda=(cuda // 1000, cuda % 1000 // 10),
    )


def cupy_problem(found: tuple[Gpu, ...]) -> tuple[str, str]:
    """Why CuPy cannot drive these GPUs, and the remedy; two empty strings if nothing speaks against it."""
    cuda = found[0].cuda[0] if found else 0
    fitting = install("cuda12" if cuda == 12 else "cuda13")
    if find_spec("cupy") is None:
        return "CuPy is not installed", fitting
    newest = [major for major in (13, 12) if _installed(f"cupy-cuda{major}x")]
    if cuda and newest and min(newest) > cuda:
        wrong = f"cupy-cuda{min(newest)}x"
        return f"{wrong} needs a newer driver: this one supports CUDA {cuda}", f"pip uninstall {wrong}; {fitting}"
    return "", ""


def _installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
