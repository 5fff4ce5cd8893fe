"""Our half, bfloat16 and fp8 against NVIDIA's own headers, compiled by the same host compiler: the same bits.

The headers come from the wheels nvidia-cuda-runtime, nvidia-cuda-crt and nvidia-cuda-cccl, or from a CUDA toolkit.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from kbench.machine.cpu.compiler import SHIM, host_compiler

HERE = Path(__file__).parent / "numbers"
NEEDED = ("cuda_fp8.h", "crt/host_defines.h", "nv/target")
EXHAUSTIVE = {"float_to_half", "float_to_bfloat16", "float_to_e4m3"}

SOURCE = (HERE / "conversions.h").read_text()
NAMES: list[str] = re.findall(r"^EACH\((\w+),", SOURCE, re.MULTILINE)
FROM_32 = [n for n in NAMES if n.startswith(("float_", "int_"))]
FROM_16 = [n for n in NAMES if n not in FROM_32]
OPERATIONS = [f"{t}_{op}" for t in ("half", "bfloat16") for op in ("add", "sub", "mul", "div")]


def _include_flags() -> list[str]:
    spec = find_spec("nvidia")
    folders = [
        d for root in (spec.submodule_search_locations or () if spec else ()) for d in Path(root).glob("*/include")
    ]
    folders += [d / "cccl" for d in folders]
    for found in (
        folders,
        [Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "include" / d for d in (".", "cccl")],
    ):
        if all(any((folder / name).is_file() for folder in found) for name in NEEDED):
            return [f"-I{folder}" for folder in found]
    return []


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> tuple[ctypes.CDLL, ctypes.CDLL]:
    includes = _include_flags()
    if not includes:
        pytest.skip("NVIDIA's headers are not here: pip install nvidia-cuda-runtime nvidia-cuda-crt nvidia-cuda-cccl")
    cxx, folder = host_compiler(), tmp_path_factory.mktemp("numbers")
    made = []
    for name, more in (("own", ["-isystem", str(SHIM)]), ("nvidia", includes)):
        library = folder / f"{name}.so"
        command = [*cxx.command, *cxx.flags("fast"), *more, "-shared", str(HERE / f"{name}.cpp"), "-o", str(library)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        made.append(ctypes.CDLL(str(library)))
    return made[0], made[1]


def compare(
    libraries: tuple[ctypes.CDLL, ctypes.CDLL], name: str, inputs: np.ndarray, nan_above: int | None = None
) -> None:
    """Same bits from both; where `nan_above` is the largest non-NaN magnitude, any NaN equals any other."""
    given = np.ascontiguousarray(inputs, np.uint32)
    own, theirs = np.empty_like(given), np.empty_like(given)
    for library, out in zip(libraries, (own, theirs), strict=True):
        address = ctypes.c_void_p(given.ctypes.data), ctypes.c_uint64(given.size), ctypes.c_void_p(out.ctypes.data)
        getattr(library, name)(*address)
    wrong = own != theirs
    if nan_above is not None:
        wrong &= ~(((own & 0x7FFF) > nan_above) & ((theirs & 0x7FFF) > nan_above))
    at = np.flatnonzero(wrong)
    examples = [f"{given[i]:#x}: {own[i]:#x}, not {theirs[i]:#x}" for i in at[:4]]
    assert at.size == 0, f"{name}: {at.size} of {given.size} differ: {examples}"


def _floats() -> np.ndarray:
    """Every upper half of a float with the low halves around which rounding turns, and a million at random."""
    low = np.array([0, 1, 0xFFF, 0x1000, 0x1001, 0x1FFF, 0x2000, 0x3000, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    structured = (np.arange(65536, dtype=np.uint32)[:, None] << 16 | low).reshape(-1)
    return np.concatenate([structured, np.random.default_rng(0).integers(0, 2**32, 1 << 20, dtype=np.uint32)])


@pytest.mark.parametrize("name", FROM_32)
def test_from_float_and_int(libraries: tuple[ctypes.CDLL, ctypes.CDLL], name: str) -> None:
    compare(libraries, name, _floats())


@pytest.mark.parametrize("name", FROM_16)
def test_from_every_16_bit_pattern(libraries: tuple[ctypes.CDLL, ctypes.CDLL], name: str) -> None:
    compare(libraries, name, np.arange(65536))


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_on_pairs(libraries: tuple[ctypes.CDLL, ctypes.CDLL], name: str) -> None:
    pairs = np.random.default_rng(1).integers(0, 2**32, 1 << 20, dtype=np.uint32)
    special = np.array([0, 1, 0x3FF, 0x400, 0x3C00, 0x7BFF, 0x7C00, 0x7F80, 0x7F7F, 0x80, 0x3F80], np.uint32)
    edges = ((special | special[:, None] << 16)[..., None] ^ np.array([0, 0x8000, 0x80000000], np.uint32)).reshape(-1)
    compare(libraries, name, np.concatenate([pairs, edges]), 0x7C00 if name.startswith("half") else 0x7F80)


def _chunks(step: int) -> Iterator[np.ndarray]:
    size = 1 << 22
    for start in range(0, 2**32, size * step):
        yield np.arange(start, min(start + size * step, 2**32), step, dtype=np.uint64).astype(np.uint32)


@pytest.mark.slow
@pytest.mark.parametrize("name", FROM_32)
def test_from_all_floats(libraries: tuple[ctypes.CDLL, ctypes.CDLL], name: str) -> None:
    for inputs in _chunks(1 if name in EXHAUSTIVE else 23):
        compare(libraries, name, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_on_seventy_million_pairs(libraries: tuple[ctypes.CDLL, ctypes.CDLL], name: str) -> None:
    everything = np.arange(65536, dtype=np.uint32) << 16
    for left in range(0, 65536, 61):
        compare(libraries, name, everything | left, 0x7C00 if name.startswith("half") else 0x7F80)
