"""Arguments against parameters: what passes is converted to the parameter's own bytes, what does not is named."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from kbench.errors import SpecError
from kbench.intent.op import HostArray, Pointers
from kbench.machine.arguments import check_arguments, normal_ctype
from kbench.machine.binary import Param


def _one(kind: str, ctype: str, size: int, value: Any) -> Any:
    return check_arguments("scale<float>", (Param(kind, ctype, size),), (value,))[0]


@pytest.mark.parametrize(
    ("spelled", "normal"),
    [
        ("long long int", "long long"),
        ("long long unsigned int", "unsigned long long"),
        ("long unsigned int", "unsigned long"),
        ("short unsigned int", "unsigned short"),
        ("unsigned", "unsigned int"),
        ("unsigned char", "unsigned char"),
        ("const int", "int"),
        ("int64_t", "long long"),
        ("half", "__half"),
        ("const float*const*", "float * *"),
        ("float4", "float4"),
    ],
)
def test_one_spelling(spelled: str, normal: str) -> None:
    assert normal_ctype(spelled) == normal


def test_pointers_pass_through() -> None:
    x, h = np.zeros(4, np.float32), HostArray(np.zeros(4, np.float32))
    params = (
        Param("pointer", "float", 4),
        Param("const", "float", 4),
        Param("const", "float *", 8),
        Param("pointer", "void", 1),
    )
    table = Pointers([x])
    out = check_arguments("k", params, (x, h, table, h))
    assert out[0] is x
    assert out[1] is h
    assert out[2] is table
    assert _one("pointer", "float", 4, None) == 0
    assert _one("pointer", "float4", 16, x) is x  # a type that NumPy has no word for
    assert _one("const", "__half", 2, np.zeros(2, np.float16)).dtype == np.float16
    assert _one("const", "__nv_bfloat16", 2, np.zeros(2, ml_dtypes.bfloat16)).size == 2
    assert _one("const", "__nv_fp8_e4m3", 1, np.zeros(2, np.uint8)).size == 2


@pytest.mark.parametrize(
    ("ctype", "size", "value", "expected"),
    [
        ("float", 4, 3, np.float32(3)),
        ("float", 4, 0.1, np.float32(0.1)),
        ("float", 4, np.float64(0.5), np.float32(0.5)),
        ("float", 4, float("inf"), np.float32(np.inf)),
        ("double", 8, 0.1, np.float64(0.1)),
        ("int", 4, -5, np.int32(-5)),
        ("int", 4, np.int64(2**31 - 1), np.int32(2**31 - 1)),
        ("unsigned int", 4, 2**32 - 1, np.uint32(2**32 - 1)),
        ("long long", 8, 2**40, np.int64(2**40)),
        ("unsigned long long", 8, 2**64 - 1, np.uint64(2**64 - 1)),
        ("char", 1, 200, np.uint8(200)),
        ("char", 1, -3, np.int8(-3)),
        ("bool", 1, True, np.bool_(True)),
        ("__half", 2, 1.5, np.float16(1.5)),
        ("__nv_bfloat16", 2, 1.5, np.uint16(0x3FC0)),
        ("__nv_bfloat16", 2, ml_dtypes.bfloat16(1.5), np.uint16(0x3FC0)),
        ("__nv_fp8_e4m3", 1, 448.0, np.uint8(0x7E)),
    ],
)
def test_values_get_the_parameters_bytes(ctype: str, size: int, value: Any, expected: Any) -> None:
    got = _one("value", ctype, size, value)
    assert got.tobytes() == expected.tobytes()
    assert len(got.tobytes()) == size


def test_structs_and_unknown_types_take_bytes_of_their_size() -> None:
    pair = np.array([(1.0, 2)], [("a", "f4"), ("n", "i4")])[0]
    assert _one("value", "Pair", 8, pair).tobytes() == pair.tobytes()
    assert _one("value", "Pair", 8, b"12345678").tobytes() == b"12345678"
    assert _one("value", "", 4, np.float32(2)).tobytes() == np.float32(2).tobytes()
    assert _one("", "", 4, np.int32(2)).tobytes() == np.int32(2).tobytes()
    x = np.zeros(3)
    assert _one("", "", 8, x) is x


@pytest.mark.parametrize(
    ("param", "value", "message"),
    [
        (
            ("pointer", "float", 4),
            np.zeros(2),
            r"argument 0 is a pointer to float \(float32\), got an array of float64",
        ),
        (("pointer", "float", 4), 3, "a pointer to float, got int 3"),
        (("pointer", "float", 4), np.zeros((4, 4), np.float32)[:, 1], "view with gaps"),
        (("pointer", "float", 4), Pointers([]), "got Pointers"),
        (("const", "__half", 2), HostArray(np.zeros(2, np.float32)), "pointer to __half"),
        (("value", "float", 4), np.zeros(1, np.float32), "is a value"),
        (("value", "int", 4), 2.0, r"is an integer \(int\), got the float 2.0"),
        (("value", "int", 4), np.float32(2), "is an integer"),
        (("value", "int", 4), 2**31, r"2147483648 does not fit int"),
        (("value", "unsigned int", 4), -1, "-1 does not fit unsigned int"),
        (("value", "bool", 1), 2, "does not fit bool"),
        (("value", "char", 1), 256, "does not fit char"),
        (("value", "float", 4), 1e39, "does not fit float"),
        (("value", "__half", 2), 70000, "does not fit __half"),
        (("value", "float", 4), 10**400, "does not fit float"),
        (("value", "float", 4), 1j, "is a float, got complex"),
        (("value", "float", 4), "3", "is a value"),
        (("value", "Pair", 8), b"123", "has 3 bytes, the kernel's Pair has 8"),
        (("value", "", 4), np.float64(1), "has 8 bytes"),
        (("value", "", 4), 3, "a type the compiler does not tell"),
    ],
)
def test_misfits_are_named(param: tuple[str, str, int], value: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message) as error:
        _one(*param, value)
    assert str(error.value).startswith("scale<float>: argument 0")


def test_the_count_is_checked() -> None:
    with pytest.raises(SpecError, match="scale takes 1 arguments, got 2"):
        check_arguments("scale", (Param("value", "int", 4),), (1, 2))
