"""What counts as right, and what a wrong output says of itself."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbench.errors import SpecError
from kbench.experiment import check
from kbench.experiment.check import compare, reference_of
from kbench.experiment.result import Check
from kbench.intent.numbers import decode
from kbench.intent.op import HostArray, Out
from kbench.machine.device import POISON


def verdict(out: Out, got: Any) -> Check:
    return compare("y", out, got, reference_of("y", out, np), np)


def out_of(reference: Any, **options: Any) -> Out:
    array = reference if isinstance(reference, np.ndarray) else reference()
    return Out(np.zeros_like(array), reference, **options)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "CHUNK", 100)


@pytest.mark.parametrize(
    ("dtype", "rtol"), [("float32", 1e-5), ("float64", 1e-5), ("float16", 2e-3), ("bfloat16", 1.6e-2)]
)
def test_the_default_tolerance_of_a_dtype(dtype: str, rtol: float) -> None:
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    expected = np.full((7, 50), 4.0, kind)
    within, beyond = expected.copy(), expected.copy()
    within[3, 4] = kind.type(4 * (1 + rtol)) if dtype != "bfloat16" else ml_dtypes.bfloat16(4.0625)
    beyond[3, 4] = 4 * (1 + 3 * rtol)
    assert verdict(out_of(expected), within).ok
    found = verdict(out_of(expected), beyond)
    assert not found.ok
    assert found.tolerance == f"rtol {rtol:g}, atol {rtol * 4:.2g}"
    assert found.message.startswith("first wrong at [3, 4]: expected 4, got 4.")
    assert found.message.endswith("; 1 of 350 wrong")


def test_atol_defaults_to_rtol_of_the_mean_magnitude_so_that_cancelled_sums_pass() -> None:
    expected = np.array([100.0, -100.0, 0.0, np.inf, np.nan], np.float32)
    got = expected + np.array([0, 0, 6e-4, 0, 0], np.float32)
    found = verdict(out_of(expected), got)
    assert found.ok
    assert found.tolerance == "rtol 1e-05, atol 0.00067"
    assert found.max_error == pytest.approx(6e-4, rel=1e-3)
    assert not verdict(out_of(expected, atol=0.0), got).ok


@pytest.mark.parametrize(("value", "ok"), [(np.inf, True), (-np.inf, False), (3e38, False), (np.nan, False)])
def test_infinities_equal_only_themselves(value: float, ok: bool) -> None:
    expected = np.array([1, np.inf], np.float32)
    assert verdict(out_of(expected), np.array([1, value], np.float32)).ok is ok


def test_nan_equals_nan_within_a_tolerance_and_by_payload_when_exact() -> None:
    expected = np.array([0x7FC00000, 0x3F800000], np.uint32).view(np.float32)
    other = np.array([0xFFC00001, 0x3F800000], np.uint32).view(np.float32)
    assert verdict(out_of(expected), other).ok
    found = verdict(out_of(expected, exact=True), other)
    assert not found.ok
    assert "expected nan (0x7fc00000), got nan (0xffc00001)" in found.message
    assert found.tolerance == "bits"


def test_exact_tells_the_two_zeros_apart() -> None:
    zero = np.zeros(3, np.float16)
    assert verdict(out_of(zero), -zero).ok
    assert not verdict(out_of(zero, exact=True), -zero).ok


def test_integers_are_compared_exactly() -> None:
    expected = np.arange(300, dtype=np.int64) << 40
    got = expected.copy()
    got[257] += 1
    found = verdict(out_of(expected), got)
    assert found.message == f"first wrong at [257]: expected {257 << 40}, got {(257 << 40) + 1}; 1 of 300 wrong"


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_fp8_passes_within_one_step(dtype: str) -> None:
    codes = np.arange(256, dtype=np.uint8)
    values = decode(codes, dtype)
    order = np.argsort(values[np.isfinite(values)], kind="stable")
    finite = codes[np.isfinite(values)][order]
    finite = finite[finite != 0x80]  # -0 and +0 are the same place
    assert verdict(out_of(finite[1:], dtype=dtype), finite[:-1]).ok
    two = verdict(out_of(finite[2:], dtype=dtype), finite[:-2])
    assert not two.ok
    assert two.tolerance == f"one {dtype} step"
    assert f"{len(finite) - 2} of {len(finite) - 2} wrong" in two.message
    nan = codes[np.isnan(values)]
    assert verdict(out_of(nan, dtype=dtype), nan[::-1].copy()).ok
    assert not verdict(out_of(nan, dtype=dtype), np.full_like(nan, finite[-1])).ok


def test_fp8_with_a_tolerance_of_its_own_compares_values() -> None:
    expected = np.array([0x38, 0x40], np.uint8)  # 1.0, 2.0
    got = np.array([0x3A, 0x40], np.uint8)  # 1.25
    assert verdict(out_of(expected, dtype="float8_e4m3fn", rtol=0.3, atol=0.0), got).ok
    found = verdict(out_of(expected, dtype="float8_e4m3fn", rtol=0.2, atol=0.0), got)
    assert found.message.startswith("first wrong at [0]: expected 1, got 1.25;")
    assert found.max_error == 0.25


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float32", "float64"])
@pytest.mark.parametrize("exact", [True, False])
def test_what_is_still_poison_was_never_written(dtype: str, exact: bool) -> None:
    expected = np.arange(1, 251).reshape(10, 25).astype(dtype)
    got = expected.copy()
    got[2:4] = np.full((2, 25), POISON, np.uint8).repeat(expected.itemsize).view(dtype).reshape(2, 25)
    got[9, 24] = 7
    found = verdict(out_of(expected, exact=exact), got)
    assert "first wrong at [2, 0]" in found.message
    assert found.message.endswith("51 of 250 wrong, 50 of them never written")
    kept = verdict(out_of(expected, exact=exact, poison=False), got)
    assert "never written" not in kept.message


@given(st.lists(st.floats(width=32), min_size=1, max_size=300), st.data())
def test_one_changed_bit_is_found_where_it_is(values: list[float], data: st.DataObject) -> None:
    expected = np.array(values, np.float32)
    at = data.draw(st.integers(0, len(values) - 1))
    got = expected.copy()
    got.view(np.uint32)[at] ^= np.uint32(1 << data.draw(st.integers(0, 31)))
    assert verdict(out_of(expected, exact=True), expected.copy()).ok
    assert verdict(out_of(expected, exact=True), got).message.startswith(f"first wrong at [{at}]:")


def test_references_may_be_arrays_callables_and_callables_of_what_was_there_before() -> None:
    initial = np.arange(6, dtype=np.float32).reshape(2, 3)
    doubled = np.ascontiguousarray(initial.T).T * 2
    assert verdict(Out(initial, doubled), initial * 2).ok
    assert verdict(Out(initial, lambda: initial * 2), initial * 2).ok

    def grown(before: Any) -> Any:
        before += 1
        return before

    reference = reference_of("y", Out(initial, grown, poison=False), np)
    assert reference.flat.tolist() == [1, 2, 3, 4, 5, 6]
    assert initial[0, 0] == 0
    host = HostArray(initial.copy())
    assert reference_of("y", Out(host, HostArray(initial)), np).shape == (2, 3)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (lambda: np.zeros(5, np.float32), r"output 'y' is float32\[4\], its reference is float32\[5\]"),
        (lambda: np.zeros(4), r"its reference is float64\[4\]"),
        (lambda: 1 / 0, r"test_check\.py:\d+: the reference of output 'y': ZeroDivisionError"),
    ],
)
def test_a_reference_that_does_not_fit_is_the_specs_fault(reference: Any, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        reference_of("y", Out(np.zeros(4, np.float32), reference), np)


def test_dtypes_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(SpecError, match="complex128 cannot be compared"):
        reference_of("y", out_of(np.zeros(3, np.complex128)), np)
