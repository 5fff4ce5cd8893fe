"""Data type names: NumPy's, plus bfloat16 and the two fp8 types; each with its C++ type. Imports no NumPy."""

from __future__ import annotations

from kbench.errors import UsageError, did_you_mean

_CPP = {
    "float64": ("double", 8),
    "float32": ("float", 4),
    "float16": ("__half", 2),
    "bfloat16": ("__nv_bfloat16", 2),
    "float8_e4m3fn": ("__nv_fp8_e4m3", 1),
    "float8_e5m2": ("__nv_fp8_e5m2", 1),
    "int64": ("long long", 8),
    "int32": ("int", 4),
    "int16": ("short", 2),
    "int8": ("signed char", 1),
    "uint64": ("unsigned long long", 8),
    "uint32": ("unsigned int", 4),
    "uint16": ("unsigned short", 2),
    "uint8": ("unsigned char", 1),
}
_AMBIGUOUS = {
    "float": "NumPy's float has 64 bits and C++'s has 32: say float32 or float64",
    "double": "say float64",
    "half": "say float16",
    "int": "say int32 or int64",
    "fp16": "say float16",
    "fp32": "say float32",
    "bf16": "say bfloat16",
    "fp8": "say float8_e4m3fn or float8_e5m2",
}


class DType(str):
    """A data type's name; a str, so that `xp.empty(n, dtype=dtype)` takes it.

    `cpp` is the C++ type, `itemsize` its bytes, `storage` the NumPy dtype name of arrays that hold it
    (fp8 is stored as uint8 on every device), `is_float` whether it is a floating-point type.
    """

    __slots__ = ()

    def __new__(cls, name: str) -> DType:
        if name in _AMBIGUOUS:
            raise UsageError(f"dtype {name!r} is ambiguous: {_AMBIGUOUS[name]}")
        if name not in _CPP:
            raise UsageError(f"unknown dtype {name!r}{did_you_mean(name, _CPP)}")
        return super().__new__(cls, name)

    @property
    def cpp(self) -> str:
        return _CPP[self][0]

    @property
    def itemsize(self) -> int:
        return _CPP[self][1]

    @property
    def storage(self) -> str:
        return "uint8" if self.startswith("float8") else str(self)

    @property
    def is_float(self) -> bool:
        return "float" in self


def dtype_names() -> tuple[str, ...]:
    return tuple(_CPP)
