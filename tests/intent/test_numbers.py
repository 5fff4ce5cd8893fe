from __future__ import annotations

import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbench import decode, encode, host, sectors
from kbench.errors import SpecError
from kbench.intent.numbers import Rng
from kbench.intent.shapes import ShapeArray, ShapeRng, ShapeXp

FP8 = {"float8_e4m3fn": ml_dtypes.float8_e4m3fn, "float8_e5m2": ml_dtypes.float8_e5m2}


@pytest.mark.parametrize("dtype", FP8)
def test_decode_of_all_256_codes(dtype: str) -> None:
    codes = np.arange(256, dtype=np.uint8)
    expected = codes.view(FP8[dtype]).astype(np.float32)
    np.testing.assert_array_equal(decode(codes, dtype), expected)
    np.testing.assert_array_equal(np.signbit(decode(codes, dtype)[:1]), [False])
    assert decode(np.array([56], np.uint8), dtype, 2.0)[0] == expected[56] * 2


@pytest.mark.parametrize("dtype", FP8)
def test_encode_rounds_to_nearest_even_and_saturates(dtype: str) -> None:
    values = decode(np.arange(256, dtype=np.uint8), dtype)
    finite = np.unique(values[np.isfinite(values)])
    middle = (finite[1:] + finite[:-1]) / np.float32(2)
    near = [np.nextafter(middle, np.float32(side)) for side in (-np.inf, np.inf)]
    scattered = np.random.default_rng(1).normal(0, 1, 20_000).astype(np.float32)
    x = np.concatenate([finite, middle, *near, scattered, scattered * np.float32(1e-3), scattered * np.float32(1e4)])
    largest = finite[-1]
    expected = np.clip(x, -largest, largest).astype(FP8[dtype]).view(np.uint8)
    np.testing.assert_array_equal(encode(x, dtype), expected)
    edge = np.array([np.inf, -np.inf, np.nan, -0.0], np.float32)
    top = int(expected[np.argmax(x)])
    np.testing.assert_array_equal(encode(edge, dtype), [top, top | 0x80, 0x7F, 0x80])
    assert encode(np.array([3.0], np.float32), dtype, 1.5) == encode(np.array([2.0], np.float32), dtype)


def test_the_same_call_gives_the_same_bits_and_another_occurrence_gives_others() -> None:
    rng = Rng(np, "problem")
    first, second = rng.bits(100), rng.bits(100)
    rng.restart()
    again = rng.bits(100)
    assert (first == again).all()
    assert (first != second).any()
    again[:] = 0
    rng.restart()
    assert (rng.bits(100) == first).all(), "handed-out arrays are copies"
    assert (Rng(np, "another").bits(100) != first).any()


def test_inputs_are_pinned_to_known_bits() -> None:
    # Results of different versions and devices are comparable only while these stay.
    rng = Rng(np, "pinned")
    assert rng.bits(2, "uint64").tolist() == [0x87F148EB1FC0CAE6, 0x824913B3732D22B7]
    assert rng.permutation(8).tolist() == [3, 1, 2, 4, 0, 6, 7, 5]
    assert rng.normal(3).tolist() == [0.3473968505859375, 0.6484222412109375, -1.53131103515625]
    assert rng.random(2, "float16").tolist() == [0.369140625, 0.88818359375]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_random_and_normal_have_the_right_moments(dtype: str) -> None:
    rng = Rng(np, "moments")
    uniform = rng.random((100, 1000), dtype).astype(np.float64)
    normal = rng.normal((100, 1000), dtype).astype(np.float64)
    assert uniform.shape == (100, 1000)
    assert 0 <= uniform.min() < uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.01
    assert abs(uniform.std() - 12**-0.5) < 0.01
    assert abs(normal.mean()) < 0.02
    assert abs(normal.std() - 1) < 0.02


def test_integers_permutation_and_refusals() -> None:
    rng = Rng(np, "ints")
    values = rng.integers(-3, 4, (1000,), "int32")
    assert values.dtype == np.int32
    assert set(values.tolist()) == set(range(-3, 4))
    assert sorted(rng.permutation(1000).tolist()) == list(range(1000))
    with pytest.raises(SpecError, match="low < high"):
        rng.integers(3, 3, 1)
    with pytest.raises(SpecError, match=r"rng\.bits"):
        rng.random(3, "int32")


@given(st.lists(st.integers(0, 500), min_size=1, max_size=60), st.integers(1, 200), st.integers(0, 100))
def test_sectors_counts_distinct_sectors(rows: list[int], row_bytes: int, gap: int) -> None:
    stride = row_bytes + gap
    touched = {byte // 32 for row in rows for byte in range(row * stride, row * stride + row_bytes)}
    assert sectors(np.array(rows), row_bytes, stride_bytes=stride) == 32 * len(touched)


def test_shape_arrays_occupy_no_memory_but_behave() -> None:
    xp, rng = ShapeXp(), ShapeRng()
    x = rng.bits((2**30, 2**10), "float16")
    assert x.nbytes == 2**41
    assert x.reshape(2**20, -1).shape == (2**20, 2**20)
    assert (x[5:].T * 3 + 1).shape == (2**10, 2**30 - 5)
    assert x.astype("float32").nbytes == 2**42
    assert xp.empty_like(x).dtype == np.float16
    assert isinstance(host(x).array, ShapeArray)
    slots = rng.integers(0, 9, 10)
    slots[::3] = -1
    assert xp.float32(3) == np.float32(3)


def test_host_memory_takes_a_shape_or_contents() -> None:
    blank = host((3, 4), "float16", pinned=False)
    assert (blank.array.shape, blank.array.dtype, blank.pinned, blank.nbytes) == ((3, 4), np.float16, False, 24)
    filled = host(np.arange(6).reshape(2, 3))
    assert filled[1].array.tolist() == [3, 4, 5]
    filled[1].array[:] = 0
    assert filled.array.sum() == 3


def test_bfloat16_is_known_wherever_specs_are_called() -> None:
    """In a process that has opened no device, as the one that plans."""
    script = """
import numpy as np
from kbench.intent.dtypes import DType
from kbench.intent.numbers import Rng
from kbench.intent.shapes import ShapeRng, ShapeXp
dtype = DType("bfloat16")
for xp, rng in ((ShapeXp(), ShapeRng()), (np, Rng(np, "p"))):
    x, y, z = rng.random(8, dtype), xp.empty(8, dtype), rng.bits(8, dtype)
    product = (x.astype(np.float32) * np.float32(3)).astype(dtype)
    assert {str(a.dtype) for a in (x, y, z, product, x * x)} == {"bfloat16"} and x.nbytes == 16
"""
    subprocess.run([sys.executable, "-c", script], check=True)
