"""Four kernels in plain CUDA style against NumPy, and one single result whatever compiler, build, order and workers."""

from __future__ import annotations

import hashlib
import shutil
import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from tests.machine.cpu.conftest import Runner

DTYPES = {"float": np.float32, "__half": np.float16, "unsigned char": np.uint8}


@pytest.mark.parametrize("ctype", DTYPES)
def test_transpose(cpu: Runner, ctype: str) -> None:
    rng = np.random.default_rng(0)
    for rows, cols in [(1, 1), (31, 33), (32, 32), (100, 257), (768, 512)]:
        x = (rng.random((rows, cols)) * 200).astype(DTYPES[ctype])
        grid = ((cols + 31) // 32, (rows + 31) // 32)
        args = [np.zeros((cols, rows), x.dtype), x, rows, cols]
        out = cpu.run("transpose.cu", f"transpose_tiled<{ctype}>", grid, (32, 8), args, mode="fast")
        assert np.array_equal(out[0], x.T)


@pytest.mark.parametrize("entry", ["rms_norm<float>", "rms_norm<__half>", "rms_norm_dyn<__half>"])
def test_rms_norm(cpu: Runner, entry: str) -> None:
    rng = np.random.default_rng(0)
    dtype = np.float32 if "float" in entry else np.float16
    for rows, hidden in [(1, 32), (7, 100), (64, 4096)]:
        x, w = rng.standard_normal((rows, hidden)).astype(dtype), rng.standard_normal(hidden).astype(dtype)
        shared = hidden * 4 if "dyn" in entry else 0
        args = [np.zeros_like(x), x, w, hidden, 1e-5]
        out = cpu.run("rms_norm.cu", entry, rows, 256, args, shared_bytes=shared, mode="fast")
        wide = x.astype(np.float64)
        expected = wide / np.sqrt((wide**2).mean(1, keepdims=True) + 1e-5) * w.astype(np.float64)
        rtol, atol = (1e-5, 1e-6) if dtype is np.float32 else (2e-3, 1e-3)
        np.testing.assert_allclose(out[0].astype(np.float64), expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize(
    "entry", ["copy_blocks_naive<__half>", "copy_blocks_vec<__half, 4>", "copy_blocks_vec<float, 2>"]
)
def test_copy_blocks(cpu: Runner, entry: str) -> None:
    rng = np.random.default_rng(0)
    dtype = np.float32 if "float" in entry else np.float16
    for blocks, numel, pairs in [(8, 64, 3), (64, 4096, 20)]:
        cache = rng.standard_normal((blocks, numel)).astype(dtype)
        moves = rng.permutation(blocks)[: 2 * pairs].reshape(pairs, 2).astype(np.int64)
        grid: Any = pairs
        if "vec" in entry:
            per_block = 256 * int(entry[-2]) * 16 // cache.itemsize
            grid = (-(-numel // per_block), pairs)
        out = cpu.run("copy_blocks.cu", entry, grid, 256, [cache, moves, numel], mode="fast")
        expected = cache.copy()
        expected[moves[:, 1]] = cache[moves[:, 0]]
        assert np.array_equal(out[0].view(np.uint8), expected.view(np.uint8))


def _to_e4m3(x: np.ndarray) -> np.ndarray:
    """Round to nearest, ties to even, saturating: by looking up the 127 finite magnitudes."""
    table = np.array([m * 2.0**-9 if e == 0 else (8 + m) * 2.0 ** (e - 10) for e in range(16) for m in range(8)][:127])
    size = np.abs(x.astype(np.float64))
    high = np.clip(np.searchsorted(table, size), 0, 126)
    low = np.clip(high - 1, 0, 126)
    down, up = size - table[low], table[high] - size
    code = np.where(down < up, low, np.where(down > up, high, np.where(low % 2 == 0, low, high)))
    code = np.where(size >= table[126], 126, code)
    return (code | np.where(np.signbit(x), 0x80, 0)).astype(np.uint8)


@pytest.mark.parametrize("entry", ["reshape_and_cache_fp8", "reshape_and_cache_fp8_vec"])
def test_reshape_and_cache(cpu: Runner, entry: str) -> None:
    rng = np.random.default_rng(0)
    for tokens, n, blocks, page in [(3, 64, 4, 16), (100, 1024, 20, 16)]:
        key, value = ((rng.standard_normal((tokens, n)) * 100).astype(np.float16) for _ in range(2))
        slots = rng.permutation(blocks * page)[:tokens].astype(np.int64)
        slots[::7] = -1
        caches = [np.zeros((blocks * page, n), np.uint8) for _ in range(2)]
        args = [key, value, *caches, slots, n, page, 0.5, 0.25]
        out = cpu.run("reshape_and_cache.cu", entry, tokens, 128, args, mode="fast")
        for index, source, scale in ((2, key, 2), (3, value, 4)):
            scaled = (
                (source * np.float16(scale)).astype(np.float32) if "vec" in entry else source.astype(np.float32) * scale
            )
            expected = np.zeros((blocks * page, n), np.uint8)
            expected[slots[slots >= 0]] = _to_e4m3(scaled[slots >= 0])
            assert np.array_equal(out[index], expected)


def _compilers() -> list[str]:
    found = [name for name in ("g++", "clang++") if shutil.which(name)]
    return found + ([f"{sys.executable} -m ziglang c++"] if find_spec("ziglang") else [])


def test_same_bits_from_every_compiler_build_order_and_worker_count(
    cpu: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((16, 1024)).astype(np.float32), rng.standard_normal(1024).astype(np.float32)
    rows = rng.standard_normal((20, 333)).astype(np.float32)
    cases = [
        ("rms_norm.cu", "rms_norm<float>", 16, 256, [np.zeros_like(x), x, w, 1024, 1e-5], 0),
        ("rms_norm.cu", "rms_norm<__half>", 16, 256,
         [np.zeros((16, 1024), np.float16), x.astype(np.float16), w.astype(np.float16), 1024, 1e-5], 0),
        ("features.cu", "softmax", 20, 128, [np.zeros_like(rows), rows, 333], 4 * 365),
    ]  # fmt: skip
    seen: dict[str, set[str]] = {}
    for compiler in _compilers():
        monkeypatch.setenv("KBENCH_CXX", compiler)
        for mode in ("fast", "check"):
            for file, entry, grid, block, args, shared in cases:
                for order in ("forward", "reverse", "random"):
                    for workers in (1, 2):
                        out = cpu.run(
                            file, entry, grid, block, args, shared_bytes=shared, mode=mode, order=order, workers=workers
                        )
                        seen.setdefault(entry, set()).add(hashlib.sha256(out[0].tobytes()).hexdigest())
    assert {entry: len(bits) for entry, bits in seen.items()} == dict.fromkeys(seen, 1)
