"""Kernel arguments held against the kernel's own parameters before its first launch, the same for every device.

Nothing that launches kernels from Python checks these by itself: a float64 array for a `float*`, a 64-bit integer for
an `int`, one argument too few. Here each is an error with the entry, the index and what was expected. Needs no GPU
library: an array is anything with .dtype, .nbytes and .flags.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from kbench.errors import SpecError
from kbench.intent.op import HostArray, Pointers
from kbench.machine.binary import Param

# C type -> NumPy dtypes of arrays that may stand behind a pointer to it; the first one is what a value is converted to.
_DTYPES: dict[str, tuple[str, ...]] = {
    "float": ("float32",),
    "double": ("float64",),
    "__half": ("float16", "uint16"),
    "__nv_bfloat16": ("bfloat16", "uint16"),
    "__nv_fp8_e4m3": ("float8_e4m3fn", "uint8"),
    "__nv_fp8_e5m2": ("float8_e5m2", "uint8"),
    "bool": ("bool", "uint8"),
    "char": ("int8", "uint8"),
    "signed char": ("int8",),
    "unsigned char": ("uint8", "bool", "float8_e4m3fn", "float8_e5m2"),
    "short": ("int16",),
    "unsigned short": ("uint16", "float16", "bfloat16"),
    "int": ("int32",),
    "unsigned int": ("uint32",),
    "long": ("int64",),
    "unsigned long": ("uint64",),
    "long long": ("int64",),
    "unsigned long long": ("uint64",),
}
_ADDRESSES = ("long", "unsigned long", "long long", "unsigned long long", "void", "")
_SPELLINGS = {
    "unsigned": "unsigned int",
    "signed": "int",
    "half": "__half",
    "nv_bfloat16": "__nv_bfloat16",
    "int8_t": "signed char",
    "uint8_t": "unsigned char",
    "int16_t": "short",
    "uint16_t": "unsigned short",
    "int32_t": "int",
    "uint32_t": "unsigned int",
    "int64_t": "long long",
    "uint64_t": "unsigned long long",
    "size_t": "unsigned long",
}


def normal_ctype(name: str) -> str:
    """One spelling of each C++ type: "long long int" and "int64_t" are "long long"; "half" is "__half"; no cv words."""
    words = re.sub(r"\b(const|volatile|struct|enum)\b", " ", name).replace("*", " * ").split()
    stars = " *" * words.count("*")
    words = [w for w in words if w != "*"]
    if "unsigned" in words and words[0] != "unsigned":  # g++ says "long long unsigned int"
        words = ["unsigned", *[w for w in words if w != "unsigned"]]
    if len(words) > 1 and words[-1] == "int" and {"short", "long"} & set(words):
        words = words[:-1]
    plain = " ".join(words)
    return _SPELLINGS.get(plain, plain) + stars


def check_arguments(entry: str, params: Sequence[Param], args: Sequence[Any]) -> tuple[Any, ...]:
    """The arguments of one launch, ready to be passed: a pointer's array (or HostArray, or Pointers) as it was given, a
    value as a NumPy scalar with the bytes of the C parameter (bfloat16 and fp8 as their bits, structs as np.void).
    None is the null pointer. Raises SpecError naming `entry` and the argument's index."""
    if len(args) != len(params):
        raise SpecError(f"{entry} takes {len(params)} arguments, got {len(args)}")
    ready = []
    for index, (param, value) in enumerate(zip(params, args, strict=True)):
        where = f"{entry}: argument {index}"
        pointer = param.kind in ("pointer", "const") or (param.kind == "" and not _is_number(value))
        ready.append(_pointer(where, param, value) if pointer else _value(where, param, value))
    return tuple(ready)


def is_array(value: Any) -> bool:
    """Whether `value` is an array of any library (NumPy scalars are not)."""
    return hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, np.generic)


def _is_number(value: Any) -> bool:
    return isinstance(value, (numbers.Number, np.generic, bytes))


def _pointer(where: str, param: Param, value: Any) -> Any:
    wanted = f"a pointer to {param.ctype or 'an unknown type'}"
    if value is None:
        return np.uint64(0)
    if isinstance(value, Pointers):
        if not param.ctype.endswith("*") and param.ctype not in _ADDRESSES:
            raise SpecError(f"{where} is {wanted}, got Pointers(…), an array of addresses")
        return value
    array = value.array if isinstance(value, HostArray) else value
    if not is_array(array):
        raise SpecError(f"{where} is {wanted}, got {type(value).__name__} {value!r}")
    known = _DTYPES.get(param.ctype)
    if known and str(array.dtype) not in known:
        raise SpecError(f"{where} is {wanted} ({' or '.join(known)}), got an array of {array.dtype}")
    if not array.flags.c_contiguous:
        raise SpecError(
            f"{where} is a view with gaps (shape {array.shape}, strides {array.strides}): a kernel sees one address"
        )
    return value


def _value(where: str, param: Param, value: Any) -> np.generic:
    """A value parameter: an int may become a float, a float never an int, and whatever is passed must fit."""
    if not _is_number(value):
        raise SpecError(f"{where} is a value ({param.ctype or f'{param.size} bytes'}), got {type(value).__name__}")
    dtype = _DTYPES.get(param.ctype, ("",))[0]
    if not dtype or isinstance(value, (bytes, np.void)):
        return _raw(where, param, value)
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, numbers.Integral):
        number: int | float = int(plain)
    elif isinstance(plain, numbers.Real):
        number = float(plain)
    else:
        raise SpecError(f"{where} is a {param.ctype}, got {type(value).__name__} {value!r}")
    return _integer(where, param, dtype, number) if dtype in _INTEGERS else _float(where, param, dtype, number)


_INTEGERS = {"int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool"}


def _integer(where: str, param: Param, dtype: str, number: int | float) -> np.generic:
    if isinstance(number, float):
        raise SpecError(f"{where} is an integer ({param.ctype}), got the float {number!r}")
    low, high = (0, 1) if dtype == "bool" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    if param.ctype == "char":
        high = 255
        if number > 127:
            return np.uint8(number) if number <= high else _out_of_range(where, param, number, low, high)
    if not low <= number <= high:
        _out_of_range(where, param, number, low, high)
    return np.dtype(dtype).type(number)  # type: ignore[no-any-return]


def _out_of_range(where: str, param: Param, number: int | float, low: int, high: int) -> np.generic:
    raise SpecError(f"{where}: {number} does not fit {param.ctype} ({low} to {high})")


def _float(where: str, param: Param, dtype: str, number: int | float) -> np.generic:
    if dtype in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        import ml_dtypes

        kind: Any = getattr(ml_dtypes, dtype)
    else:
        kind = np.dtype(dtype).type
    try:
        with np.errstate(over="ignore"):
            scalar = kind(float(number))
    except OverflowError as error:
        raise SpecError(f"{where}: {number} does not fit {param.ctype}") from error
    if math.isfinite(number) and not math.isfinite(float(scalar)):
        raise SpecError(f"{where}: {number} does not fit {param.ctype}")
    bits = {"bfloat16": np.uint16, "float8_e4m3fn": np.uint8, "float8_e5m2": np.uint8}.get(dtype)
    return scalar if bits is None else np.frombuffer(scalar.tobytes(), bits)[0]  # type: ignore[no-any-return]


def _raw(where: str, param: Param, value: Any) -> np.generic:
    """Bytes as they are: structs, enums, and parameters whose type the compiler did not tell."""
    if not isinstance(value, (bytes, np.generic)):
        kind = param.ctype or "a type the compiler does not tell"
        raise SpecError(
            f"{where} is {kind}: pass a NumPy scalar or bytes of its size, got {type(value).__name__} {value!r}"
        )
    data = value if isinstance(value, bytes) else value.tobytes()
    if param.size and len(data) != param.size:
        raise SpecError(f"{where} has {len(data)} bytes, the kernel's {param.ctype or 'parameter'} has {param.size}")
    return value if isinstance(value, np.generic) else np.frombuffer(data, f"V{len(data)}")[0]
