"""Atomics, warp reductions, cooperative groups, paired number types and rounding conversions against NumPy."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tests.machine.cpu.conftest import Runner

ORDERS = pytest.mark.parametrize("order", ["forward", "reverse", "random"])


@ORDERS
def test_atomics(cpu: Runner, order: str) -> None:
    t = np.arange(64)
    args = [np.full(10, 100, np.int32), np.array([0, 5], np.uint64), np.zeros(1, np.float32)]
    out = cpu.run("builtins.cu", "atomics", 1, 64, args, order=order)
    expected = [
        100 + t.sum(), 100 - t.sum(), 50, 113, 100 & ~4, 100 | 63, 100 ^ np.bitwise_xor.reduce(t), 63, 100 - 64, 7,
    ]  # fmt: skip
    assert out[0].tolist() == expected
    assert out[1].tolist() == [64 << 40, 6]
    assert out[2][0] == 32


@ORDERS
def test_warp_reductions(cpu: Runner, order: str) -> None:
    x = np.random.default_rng(0).integers(-50, 50, 32).astype(np.int32)
    u = x.view(np.uint32)
    out = cpu.run("builtins.cu", "warps", 1, 32, [np.zeros((32, 9), np.uint32), x], order=order)[0]
    every = 0xFFFFFFFF
    expected = [
        np.int32(x.min()).view(np.uint32), u.max(), np.bitwise_and.reduce(u), np.bitwise_or.reduce(u),
        np.bitwise_xor.reduce(u), (every + 1) & every, 0, every, u[3],
    ]  # fmt: skip
    assert (out == np.array(expected, np.uint32)).all()


@ORDERS
def test_tiles_of_cooperative_groups(cpu: Runner, order: str) -> None:
    x = np.random.default_rng(1).integers(0, 9, 64).astype(np.int32)
    out = cpu.run("builtins.cu", "tiles", 1, (16, 4), [np.zeros((64, 8), np.int32), x], order=order)[0]
    eights, t = x.reshape(8, 8), np.arange(64)
    shifted = np.concatenate([eights[:, 1:], eights[:, -1:]], axis=1)
    expected = np.stack(
        [
            eights.sum(1).repeat(8), x.reshape(2, 32).max(1).repeat(32), eights[:, 2].repeat(8), shifted.reshape(-1),
            ((eights & 1) << np.arange(8)).sum(1).repeat(8), (eights == 3).any(1).repeat(8) * 2 + 1,
            t % 8 * 100 + t // 8 * 10 + 8, np.full(64, 64),
        ],
        axis=1,
    )  # fmt: skip
    assert np.array_equal(out, expected)


def test_paired_types(cpu: Runner) -> None:
    x = (np.random.default_rng(2).standard_normal((32, 2)) * 10).astype(np.float32)
    out = cpu.run("builtins.cu", "pairs", 1, 32, [np.zeros((32, 10), np.float32), x])[0]
    half = x.astype(np.float16).astype(np.float64) * 2 + [1, 2]
    assert np.array_equal(out[:, :2], half.astype(np.float16).astype(np.float32))
    wide = x.astype(ml_dtypes.bfloat16).astype(np.float32) + np.float32(1)
    assert np.array_equal(out[:, 2:4], wide.astype(ml_dtypes.bfloat16).astype(np.float32))
    four = np.concatenate([x, -x], axis=1).astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
    assert np.array_equal(out[:, 4:8], four)
    assert np.array_equal(out[:, 8:], x.astype(ml_dtypes.float8_e5m2).astype(np.float32))


def test_rounding_conversions_saturate(cpu: Runner) -> None:
    x = np.array([0.5, 1.5, -1.5, 2.5, -0.5, 3e9, -3e9, 1e30, -1e30, np.nan, 123456.75, -7.999])
    out = cpu.run("builtins.cu", "rounding", 1, len(x), [np.zeros((len(x), 8), np.int64), x])[0]

    def saturate(values: np.ndarray, low: int, high: int, nan: int) -> list[int]:
        return [nan if np.isnan(v) else max(low, min(high, int(v))) for v in values]

    f, i32, i64 = x.astype(np.float32).astype(np.float64), (-(2**31), 2**31 - 1), (-(2**63), 2**63 - 1)
    expected = [  # NaN is 0, except from a double or to 64 bits: then it is the top bit alone (PTX ISA, cvt)
        saturate(np.trunc(f), *i32, 0), saturate(np.floor(f), *i32, 0), saturate(np.ceil(f), *i32, 0),
        saturate(np.rint(f), 0, 2**32 - 1, 0), saturate(np.rint(x), *i64, -(2**63)),
        saturate(np.trunc(x), *i32, -(2**31)), saturate(np.trunc(f), *i64, -(2**63)),
    ]  # fmt: skip
    assert out[:, :7].T.tolist() == expected
