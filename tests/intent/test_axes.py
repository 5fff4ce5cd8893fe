from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbench.errors import UsageError
from kbench.intent.axes import override, parse_values
from kbench.intent.dtypes import DType


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (128, (128,)),
        ("128", (128,)),
        ("128,256, 512", (128, 256, 512)),
        ([128, "2^9"], (128, 512)),
        ("2^20..2^28:x4", (2**20, 2**22, 2**24, 2**26, 2**28)),
        ("1..4", (1, 2, 3, 4)),
        ("0..256:128", (0, 128, 256)),
        ("64KiB,1MiB", (65536, 1048576)),
        ("4KiB..16KiB:x2", (4096, 8192, 16384)),
        ("naive,uint4", ("naive", "uint4")),
        ("1.5,2.5", (1.5, 2.5)),
        ("true,false", (True, False)),
        ("-3..-1", (-3, -2, -1)),
        ("1..10:4,100", (1, 5, 9, 100)),
    ],
)
def test_values_of_the_grammar(given_: object, expected: tuple[object, ...]) -> None:
    assert parse_values("n", given_) == expected


def test_an_axis_named_dtype_holds_data_types() -> None:
    (half, brain) = parse_values("cache_dtype", "float16,bfloat16")
    assert isinstance(half, DType)
    assert (half.cpp, half.itemsize, half.storage) == ("__half", 2, "float16")
    assert brain == "bfloat16"
    assert DType("float8_e4m3fn").storage == "uint8"


@pytest.mark.parametrize(
    ("name", "given_", "complaint"),
    [
        ("dtype", "float", "NumPy's float has 64 bits"),
        ("dtype", "flaot16", "did you mean"),
        ("dtype", 16, "takes data types"),
        ("n", "", "empty"),
        ("n", [], "no values"),
        ("n", "1,1", "twice"),
        ("n", "1,naive", "mixes"),
        ("n", "8..1", "is empty"),
        ("n", "1..8:x1", "never ends"),
        ("n", "0..8:x2", "never ends"),
        ("n", "1..2^40", "more than"),
        ("n", "1.5..3", "range needs integers"),
        ("n", "2^999999999", "too large"),
        ("n", "2^63", "too large"),
        ("n", "9223372036854775807KiB", "too large"),
        ("n", 2**63, "too large"),
        ("n", "1e999", "no finite number"),
        ("n", float("nan"), "no finite number"),
        ("n", "1" * 5000, "no finite number"),
    ],
)
def test_a_wrong_value_says_what_is_wrong(name: str, given_: object, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse_values(name, given_)


def test_overrides_stay_in_the_axis_family() -> None:
    assert override("threads", (128, 256), "64..128:x2") == (64, 128)
    assert override("dtype", (DType("float32"),), "float16") == ("float16",)
    with pytest.raises(UsageError, match=r"did you mean uint4\?"):
        override("variant", ("naive", "uint4"), "unit4")
    with pytest.raises(UsageError, match=r"takes an? integer"):
        override("threads", (128,), "many")
    with pytest.raises(UsageError, match="takes integers"):
        override("threads", (128,), "1.5")


@given(st.integers(1, 10**6), st.integers(0, 60), st.integers(1, 10**5))
def test_an_additive_range_is_pythons(first: int, count: int, step: int) -> None:
    last = first + count * step
    assert parse_values("n", f"{first}..{last}:{step}") == tuple(range(first, last + 1, step))


@given(st.integers(1, 1000), st.integers(2, 10), st.integers(0, 12))
def test_a_geometric_range_multiplies(first: int, factor: int, count: int) -> None:
    values = parse_values("n", f"{first}..{first * factor**count}:x{factor}")
    assert values == tuple(first * factor**k for k in range(count + 1))
