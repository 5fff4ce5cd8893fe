"""What `kbench doctor` asks about CUDA: one line each, with what was found and what to do about it. Never raises."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal

from kbench.errors import KbenchError
from kbench.machine.cuda import nvrtc
from kbench.machine.cuda.visible import cupy_problem, gpus
from kbench.machine.install import install

State = Literal["ok", "warn", "fail"]
Probe = tuple[str, State, str, str]
"""(name, state, what was found, remedy; "" where there is nothing to do)."""

_NO_DRIVER = "install the NVIDIA driver, or use --device cpu"
_HEADERS = "#include <cuda_fp16.h>\n#include <cuda_bf16.h>\n#include <cuda_fp8.h>\n"


def probes() -> list[Probe]:
    """All of them, in the order in which one depends on another."""
    asked: tuple[tuple[str, Callable[[], Probe]], ...] = (
        ("driver", _driver), ("GPU", _gpu), ("CuPy", _cupy), ("NVRTC", _nvrtc), ("CUDA headers", _headers),
        ("CUPTI", _cupti),
    )  # fmt: skip
    return [_safely(name, probe) for name, probe in asked]


def _safely(name: str, probe: Callable[[], Probe]) -> Probe:
    try:
        return probe()
    except Exception as error:  # doctor is for broken machines: whatever breaks is a finding
        return name, "fail", f"{type(error).__name__}: {error}", "report this"


def _driver() -> Probe:
    found, missing = gpus()
    if found:
        major, minor = found[0].cuda
        return "driver", "ok", f"{found[0].driver}, CUDA {major}.{minor}", ""
    return "driver", "fail", missing, _NO_DRIVER


def _gpu() -> Probe:
    found, missing = gpus()
    if not found:
        return "GPU", "fail", missing, "check `nvidia-smi` and CUDA_VISIBLE_DEVICES"
    return "GPU", "ok", ", ".join(f"cuda:{i} {gpu.name} ({gpu.arch})" for i, gpu in enumerate(found)), ""


def _cupy() -> Probe:
    found, _ = gpus()
    problem, remedy = cupy_problem(found)
    if problem:
        return "CuPy", "fail" if found else "warn", problem, remedy
    import cupy  # opens no context

    major, minor = divmod(cupy.cuda.runtime.runtimeGetVersion() // 10, 100)
    return "CuPy", "ok", f"{cupy.__version__}, CUDA runtime {major}.{minor}", ""


def _nvrtc() -> Probe:
    try:
        from cuda.bindings import nvrtc as library

        _, major, minor = library.nvrtcVersion()
    except (ImportError, RuntimeError, OSError) as error:
        fallback = importlib.util.find_spec("cupy") is not None
        state: State = "warn" if fallback else "fail"
        found = " ".join(str(error).split()) + (" (CuPy compiles instead, when a kernel is loaded)" if fallback else "")
        return "NVRTC", state, found, install("compile")
    _, archs = library.nvrtcGetSupportedArchs()
    return "NVRTC", "ok", f"{major}.{minor}, compiles for sm_{min(archs)} to sm_{max(archs)}", ""


def _headers() -> Probe:
    from kbench.machine.binary import Target
    from kbench.machine.build import BuildRequest

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "headers.cu"
        source.write_text(_HEADERS + 'extern "C" __global__ void probe(__half* x) { *x = __float2half(1.0f); }\n')
        try:
            made = nvrtc.compile(BuildRequest(str(source), "probe", Target("cuda", "sm_80")), Path(folder), "doctor")
        except KbenchError as error:
            return "CUDA headers", "fail", str(error).splitlines()[0], install("compile")
    if made.compiler == "cupy":
        return "CUDA headers", "warn", "not tried: CuPy compiles with its own", install("compile")
    return "CUDA headers", "ok", f"cuda_fp16.h, cuda_bf16.h, cuda_fp8.h from {nvrtc.header_dir()}", ""


def _existing(patterns: tuple[str, ...]) -> Iterator[str]:
    for pattern in patterns:
        yield from sorted(map(str, Path("/").glob(pattern.removeprefix("/"))), reverse=True)


def _cupti() -> Probe:
    """From CUDA 13 on CUPTI numbers its versions as the toolkit does (130000 and up), before that it counted (28)."""
    remedy = "pip install 'kbench[cupti]' (for the clock cupti; without it events and graph are taken)"
    library = next(_cupti_libraries(), None)
    if library is None:
        return "CUPTI", "warn", "libcupti is not installed", remedy
    version = ctypes.c_uint32()
    ctypes.CDLL(library).cuptiGetVersion(ctypes.byref(version))
    major = version.value // 10000 if version.value >= 130000 else 12
    found, _ = gpus()
    words = f"API version {version.value}, {library}"
    if found and found[0].cuda[0] < major:
        return "CUPTI", "warn", f"{words}: newer than the driver's CUDA {found[0].cuda[0]}", remedy
    if importlib.util.find_spec("cupti") is None:
        return "CUPTI", "warn", f"{words}, but no cupti-python", remedy
    return "CUPTI", "ok", words, ""


def _cupti_libraries() -> Iterator[str]:
    for name in ("nvidia-cuda-cupti", "nvidia-cuda-cupti-cu12"):
        try:
            files = metadata.files(name) or ()
        except metadata.PackageNotFoundError:
            continue
        yield from (str(file.locate()) for file in files if re.match(r"libcupti\.so\.\d+$", file.name))
    places = ("/usr/local/cuda/lib64/libcupti.so.1[23]", "/usr/local/cuda/extras/CUPTI/lib64/libcupti.so.1[23]")
    yield from _existing(places)
