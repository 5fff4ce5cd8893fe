"""CUDA features on the host: every kernel of features.cu against NumPy, in three orders, with one and two workers."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.machine.cpu.conftest import Runner

Case = tuple[str, Any, Any, list[Any], int, Callable[[dict[int, Any]], None]]
CASES: dict[str, Callable[[np.random.Generator], Case]] = {}


def case(make: Callable[[np.random.Generator], Case]) -> Callable[[np.random.Generator], Case]:
    CASES[make.__name__] = make
    return make


def equal(index: int, expected: Any) -> Callable[[dict[int, Any]], None]:
    def check(out: dict[int, Any]) -> None:
        assert np.array_equal(out[index], expected, equal_nan=out[index].dtype.kind == "f")

    return check


def close(index: int, expected: Any, rtol: float) -> Callable[[dict[int, Any]], None]:
    return lambda out: np.testing.assert_allclose(out[index], expected, rtol=rtol)


@case
def hist(rng: np.random.Generator) -> Case:
    x = rng.integers(0, 256, 20000, dtype=np.uint8)
    return "hist", 13, 192, [np.zeros(256, np.uint32), x, x.size], 0, equal(0, np.bincount(x, minlength=256))


@case
def scan(rng: np.random.Generator) -> Case:
    x = rng.integers(-9, 9, 1000).astype(np.int32)
    return "scan", 1, 1024, [np.zeros_like(x), x, 1000], 0, equal(0, np.cumsum(x))


@case
def votes(rng: np.random.Generator) -> Case:
    x = rng.integers(0, 100, 64).astype(np.int32)
    expected = np.zeros((64, 12), np.uint32)
    for t in range(64):
        w, lane = x[t // 32 * 32 : t // 32 * 32 + 32].astype(np.int64), t % 32
        expected[t] = [
            sum(int(v & 1) << i for i, v in enumerate(w)), any(w == 7), 1,
            sum((int(v & 3) == int(w[lane] & 3)) << i for i, v in enumerate(w)), w.sum(),
            np.int32(w.max() - 50).astype(np.uint32), w[5], w[lane + 4] if lane + 4 < 32 else w[lane], w[lane ^ 3],
            w[lane - 2] if lane % 8 >= 2 else w[lane], w[lane // 8 * 8 + 1],
            w[:16].sum() if lane < 16 else w[16:].max(),
        ]  # fmt: skip
    return "votes", 1, 64, [np.zeros((64, 12), np.uint32), x], 0, equal(0, expected)


@case
def counts(rng: np.random.Generator) -> Case:
    x = rng.integers(0, 100, 64).astype(np.int32)
    expected = np.full(64, int((x > 50).sum()) * 4 + 2 + int((x == 3).any()))
    return "counts", 1, 64, [np.zeros(64, np.int32), x], 0, equal(0, expected)


@case
def index3(rng: np.random.Generator) -> Case:
    expected = (np.arange(24)[:, None] * 1000 + np.arange(60)).reshape(-1)
    return "index3", (2, 3, 4), (5, 4, 3), [np.zeros(1440, np.int32)], 0, equal(0, expected)


@case
def struct_by_value_and_constants(rng: np.random.Generator) -> Case:
    x = rng.random(1000).astype(np.float32)
    expected = x * np.float32(2) + np.float32(0.5) + np.array([1, 2, 3, 4], np.float32)[np.arange(1000) & 3]
    args = [np.zeros_like(x), x, struct.pack("ffi", 2.0, 0.5, 1000)]
    return "byval", 4, 256, args, 0, equal(0, expected)


@case
def functor_template(rng: np.random.Generator) -> Case:
    x = rng.random(1000).astype(np.float32)
    return "map_k<float, Sq, 3>", 4, 64, [np.zeros_like(x), x, 1000], 0, close(0, x**8, 1e-6)


@case
def half_arithmetic(rng: np.random.Generator) -> Case:
    a, b = (rng.standard_normal(1000).astype(np.float16) for _ in range(2))
    expected = (a * b + np.float16(0.5)) - np.where(np.arange(1000) % 2 == 0, a, b)
    return "half_ops", 2, 256, [np.zeros_like(a), a, b, 1000], 0, equal(0, expected)


@case
def bfloat16_arithmetic(rng: np.random.Generator) -> Case:
    x = (rng.standard_normal(500).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    u = ((x.astype(np.uint32) << 16).view(np.float32) * np.float32(3.3)).view(np.uint32)
    expected = ((u + 0x7FFF + ((u >> 16) & 1)) >> 16).astype(np.uint16)
    return "bf16_axpy", 2, 256, [np.zeros_like(x), x, 3.3, 500], 0, equal(0, expected)


def e4m3_value(code: int) -> float:
    exponent, mantissa = code >> 3 & 15, code & 7
    if code & 127 == 127:
        return float("nan")
    size = mantissa * 2.0**-9 if exponent == 0 else (8 + mantissa) * 2.0 ** (exponent - 10)
    return -size if code > 127 else size


@case
def fp8_to_half(rng: np.random.Generator) -> Case:
    expected = np.array([e4m3_value(code) for code in range(256)], np.float16)
    args = [np.zeros(256, np.float16), np.arange(256, dtype=np.uint8), 256]
    return "fp8_dequant", 1, 256, args, 0, equal(0, expected)


@case
def float4_with_cache_hints(rng: np.random.Generator) -> Case:
    x = rng.random((100, 4)).astype(np.float32)
    expected = x.copy()
    expected[:, 0] += expected[:, 3]
    return "vec4", 1, 128, [np.zeros_like(x), x, 100], 0, equal(0, expected[:, ::-1])


@case
def integer_intrinsics(rng: np.random.Generator) -> Case:
    x = np.concatenate([[0, 1, 0xFFFFFFFF, 0x80000000], rng.integers(0, 2**32, 60)]).astype(np.uint32)
    rows = []
    for v in x.tolist():
        f = np.float32(np.float32(np.float32(v) * np.float32(0.37)) - np.float32(5e8))
        rows.append([
            v.bit_count(), 32 - v.bit_length(), (v & -v).bit_length(), int(f"{v:032b}"[::-1], 2),
            (v & 0xFFFF) | (((v ^ 0xFFFFFFFF) & 0xFFFF) << 16), v * 0x9E3779B9 >> 32, int(np.rint(f)) & 0xFFFFFFFF,
            (((v ^ 0xFFFFFFFF) << 7) | (v >> 25)) & 0xFFFFFFFF,
        ])  # fmt: skip
    return "ints", 1, 64, [np.zeros((64, 8), np.uint32), x, 64], 0, equal(0, np.array(rows, np.uint32))


@case
def softmax_in_dynamic_shared_memory(rng: np.random.Generator) -> Case:
    x = rng.standard_normal((20, 333)).astype(np.float32)
    e = np.exp(x - x.max(1, keepdims=True))
    args = [np.zeros_like(x), x, 333]
    return "softmax", 20, 128, args, 4 * (32 + 333), close(0, e / e.sum(1, keepdims=True), 1e-5)


@case
def last_block_reduces(rng: np.random.Generator) -> Case:
    x = rng.integers(0, 9, 5000).astype(np.float32)
    args = [np.zeros(1, np.float32), np.zeros(17, np.float32), np.zeros(1, np.uint32), x, 5000]

    def check(out: dict[int, Any]) -> None:
        assert out[0][0] == x.sum()
        assert out[2][0] == 0

    return "last_block", 17, 256, args, 0, check


@case
def lanes_leave_before_a_shuffle(rng: np.random.Generator) -> Case:
    x = np.arange(20, dtype=np.float32)
    return "early_exit", 1, 32, [np.zeros(1, np.float32), x, 20], 0, equal(0, [190])


@case
def compare_and_swap_loop(rng: np.random.Generator) -> Case:
    x = rng.random(999).astype(np.float32)
    return "cas_max", 4, 256, [np.zeros(1, np.float32), x, 999], 0, equal(0, [x.max()])


@pytest.fixture(scope="module", autouse=True)
def _compiled(cpu: Runner) -> None:
    cpu.compile_all("features.cu", [make(np.random.default_rng(0))[0] for make in CASES.values()])


@pytest.mark.parametrize("name", CASES)
def test_against_numpy_in_every_order(cpu: Runner, name: str) -> None:
    entry, grid, block, args, shared_bytes, check = CASES[name](np.random.default_rng(1))
    for order in ("forward", "reverse", "random"):
        for workers in (1, 2):
            out = cpu.run(
                "features.cu", entry, grid, block, args, shared_bytes=shared_bytes, order=order, workers=workers
            )
            check(out)
