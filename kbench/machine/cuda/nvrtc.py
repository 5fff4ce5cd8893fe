"""CUDA C++ name expressions to cubins through NVRTC, for any architecture and without a GPU or a driver.

NVRTC is called through cuda.bindings rather than through cuda.core's Program: the raw calls hand over the whole log on
success and on failure, the lowered name and the cubin, and nothing between them and us can change. Where cuda.bindings
is not installed but CuPy is, CuPy's own NVRTC compiles the same source when the kernel is loaded (see kernel.py).
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from kbench.errors import BuildError, CannotBuild, UsageError, did_you_mean
from kbench.machine.binary import Binary, Target
from kbench.machine.build import BuildRequest
from kbench.machine.cuda.cubin import kernel_info
from kbench.machine.cuda.signature import parameters
from kbench.machine.install import install
from kbench.machine.source import include_dirs


class Recipe(msgspec.Struct, frozen=True):
    """What CuPy needs to compile a source file when it is loaded; lies as JSON beside the source."""

    entry: str
    options: tuple[str, ...]
    file: str
    command: str


def identity(target: Target) -> str:
    """Compiler and header versions: what a cached binary depends on besides its source. Raises CannotBuild, UsageError
    for an architecture that NVRTC does not compile for."""
    library = _nvrtc()
    if library is None:
        import cupy

        return f"cupy {cupy.__version__}"
    if int(re.sub(r"\D", "", target.arch) or 0) not in _architectures(library):
        known = ", ".join(f"sm_{number}" for number in _architectures(library))
        raise UsageError(f"NVRTC {_version(library)} does not compile for {target.arch} (known: {known})")
    return f"nvrtc {_version(library)}, headers {_header_version()}"


def compile(request: BuildRequest, folder: Path, key: str) -> Binary:
    """Compile one name expression of a .cu file into a cubin in `folder`. Raises BuildError with NVRTC's log."""
    library = _nvrtc()
    if library is None:
        return _left_to_cupy(request, folder, key)
    source = Path(request.source)
    headers = header_dir()
    options = [*_options(request), f"-I{headers}"] if headers else _options(request)
    started = time.perf_counter()
    log, symbol, image = _run(library, request, options)
    elapsed = time.perf_counter() - started
    if image is None or symbol is None:
        raise BuildError(_reason(request, log), log=log, command=_nvcc(request))
    path = folder / f"{source.stem}.cubin"
    path.write_bytes(image)
    info = kernel_info(image, symbol)
    return Binary(
        entry=request.entry, symbol=symbol, path=str(path), target=request.target, key=key,
        compiler=f"nvrtc {_version(library)}", params=parameters(symbol, info.param_sizes), size_bytes=len(image),
        compile_s=elapsed, log=log, registers=info.registers, spill_bytes=info.frame_bytes,
        shared_bytes=info.shared_bytes, max_threads=info.max_threads,
    )  # fmt: skip


@cache
def header_dir() -> Path | None:
    """The folder of cuda_fp16.h: the nvidia-cuda-runtime wheel of NVRTC's own major version, else an installed
    toolkit; None where there is neither (kernels that include no CUDA header still compile)."""
    library = _nvrtc()
    wheels = ("cu13/include", "cuda_runtime/include")
    if library is not None and _version(library).startswith("12."):
        wheels = wheels[::-1]
    spec = importlib.util.find_spec("nvidia")
    roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []
    toolkits = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]
    candidates = [root / wheel for wheel in wheels for root in roots]
    candidates += [Path(toolkit) / "include" for toolkit in toolkits if toolkit]
    return next((folder for folder in candidates if (folder / "cuda_fp16.h").is_file()), None)


@cache
def _nvrtc() -> Any:
    """cuda.bindings.nvrtc with its library loaded, or None where CuPy has to compile. CannotBuild without both."""
    try:
        from cuda.bindings import nvrtc

        nvrtc.nvrtcVersion()  # loads libnvrtc, which is a wheel of its own
    except (ImportError, RuntimeError, OSError) as error:
        if importlib.util.find_spec("cupy"):
            return None
        why = f"NVRTC, which compiles CUDA C++ at run time, cannot be loaded: {error}"
        raise CannotBuild(f"{why}\n{install('compile')}") from error
    return nvrtc


@cache
def _version(library: Any) -> str:
    _, major, minor = library.nvrtcVersion()
    return f"{major}.{minor}"


@cache
def _architectures(library: Any) -> tuple[int, ...]:
    """90 for sm_90, …"""
    _, *_, numbers = library.nvrtcGetSupportedArchs()
    return tuple(int(number) for number in numbers)


@cache
def _header_version() -> str:
    folder = header_dir()
    if folder is None:
        return "none"
    found = re.search(r"#define CUDART_VERSION\s+(\d+)", (folder / "cuda_runtime_api.h").read_text(errors="replace"))
    return found.group(1) if found else "unknown"


def _options(request: BuildRequest) -> list[str]:
    """The user's options come last; one that names an architecture takes the place of ours."""
    names_arch = any(o.startswith(("-arch", "--gpu-architecture")) for o in request.options)
    standard = any(o.startswith(("-std", "--std")) for o in request.options)
    return [
        *([] if names_arch else [f"-arch={request.target.arch}"]),
        *([] if standard else ["-std=c++17"]),
        "-lineinfo",
        *(f"-I{folder}" for folder in include_dirs(Path(request.source).resolve())),
        *(f"-D{define}" for define in request.defines),
        *request.options,
    ]


def _run(library: Any, request: BuildRequest, options: Sequence[str]) -> tuple[str, str | None, bytes | None]:
    """NVRTC's log, the lowered name and the cubin; the last two are None if it did not compile."""
    failed, program = library.nvrtcCreateProgram(_source(request), str(request.source).encode(), 0, [], [])
    if failed:
        raise BuildError(f"NVRTC cannot start: {failed.name}")
    try:
        library.nvrtcAddNameExpression(program, request.entry.encode())
        (failed,) = library.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
        log = _fetch(program, library.nvrtcGetProgramLogSize, library.nvrtcGetProgramLog)
        text = log.rstrip(b"\0").decode(errors="replace").strip()
        if failed:
            return text or failed.name, None, None
        _, lowered = library.nvrtcGetLoweredName(program, request.entry.encode())
        return text, lowered.decode(), _fetch(program, library.nvrtcGetCUBINSize, library.nvrtcGetCUBIN)
    finally:
        library.nvrtcDestroyProgram(program)


def _fetch(program: Any, size_of: Any, get: Any) -> bytes:
    _, size = size_of(program)
    buffer = bytes(size)
    get(program, buffer)  # the binding writes into the bytes object it is given
    return buffer


def _source(request: BuildRequest) -> bytes:
    try:
        return Path(request.source).read_bytes()
    except OSError as error:
        raise BuildError(f"cannot read {request.source}: {error.strerror}") from error


def _reason(request: BuildRequest, log: str) -> str:
    name = Path(request.source).name
    if "__nv_name_map" in log:
        kernels = re.findall(rb"__global__[^;{(]*?(\w+)\s*\(", _source(request).replace(b"__launch_bounds__", b""))
        known = sorted({kernel.decode() for kernel in kernels})
        word = re.split(r"[<:\s]", request.entry.strip())[0]
        hint = did_you_mean(word, known) if word not in known else ""
        return f"{request.entry} is not an instantiation of a kernel in {name}{hint}"
    return f"{name} does not compile for {request.target.arch} as {request.entry}"


def _nvcc(request: BuildRequest) -> str:
    """An nvcc line that shows the same errors: it includes the file and takes the address of the instantiation."""
    options = [o for o in _options(request) if o != "-lineinfo"]
    line = ["nvcc", "-x", "cu", *options, "-include", str(Path(request.source).resolve()), "-cubin", "-o", "/dev/null"]
    return f"echo {shlex.quote(f'auto entry = &{request.entry};')} | {shlex.join(line)} -"


def _left_to_cupy(request: BuildRequest, folder: Path, key: str) -> Binary:
    """A Binary whose file is the source itself. The key in its first line makes CuPy's own cache see header edits."""
    options = tuple(o for o in _options(request) if not o.startswith(("-arch", "--gpu-architecture")))
    path = folder / f"{Path(request.source).stem}.cu"
    path.write_bytes(b'// %s\n#line 1 "%s"\n' % (key.encode(), str(request.source).encode()) + _source(request))
    recipe = Recipe(request.entry, options, str(request.source), _nvcc(request))
    path.with_suffix(".json").write_bytes(msgspec.json.encode(recipe))
    return Binary(
        entry=request.entry, symbol="", path=str(path), target=request.target, compiler="cupy", params=(), key=key,
        size_bytes=path.stat().st_size, compile_s=0.0,
    )  # fmt: skip
