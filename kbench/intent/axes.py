"""The values of an axis: lists, names, numbers and the range grammar.

    128                  one value                     2^20, 64KiB, 1.5, true, float16, naive
    128,256,512          several
    1..8                 1 2 3 … 8                     step 1
    0..256:32            0 32 64 … 256                 step 32
    2^10..2^20:x4        1024 4096 … 1048576           factor 4

An axis whose name ends in `dtype` holds data types; text axes hold a closed set of names; number axes are open.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from kbench.errors import UsageError, did_you_mean
from kbench.intent.config import Value
from kbench.intent.dtypes import DType

_UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_NUMBER = re.compile(r"([+-]?\d[\d_]*)(?:\^(\d+)|(KiB|MiB|GiB))?")
_RANGE = re.compile(r"(?P<first>[^:]+?)\.\.(?P<last>[^:]+?)(?::(?P<factor>x?)(?P<step>[^:]+))?")
MOST_VALUES = 10_000


def parse_values(name: str, given: Any) -> tuple[Value, ...]:
    """The values of axis `name` from a string of the grammar, a number, or a sequence of these.

    Raises UsageError that names the axis and the offending part; duplicates are an error too.
    """
    parts = given if isinstance(given, Sequence) and not isinstance(given, str) else _split(given)
    values = tuple(value for part in parts for value in _expand(name, part))
    if not values:
        raise UsageError(f"axis {name} has no values")
    twice = {v for v in values if values.count(v) > 1} if len(values) <= 100 else set()
    if twice:
        raise UsageError(f"axis {name} has {sorted(map(str, twice))[0]} twice")
    if len({_family(v) for v in values}) > 1:
        raise UsageError(f"axis {name} mixes numbers and names: {', '.join(map(str, values))}")
    return values


def in_bytes(nbytes: int) -> str:
    """About so many, in the largest unit of the grammar that fits."""
    for unit, scale in reversed(_UNITS.items()):
        if nbytes >= scale:
            return f"{nbytes / scale:.3g} {unit}"
    return f"{nbytes} B"


def override(name: str, declared: Sequence[Value], given: Any) -> tuple[Value, ...]:
    """Values that replace an axis's declared ones: of the same family, and for names a subset of them."""
    values = parse_values(name, given)
    family = _family(declared[0])
    for value in values:
        if family == "integer" and _family(value) == "number":
            raise UsageError(f"axis {name} takes integers, got {value!r}")
        if _family(value) != family:
            article = "an" if family == "integer" else "a"
            raise UsageError(f"axis {name} takes {article} {family} such as {declared[0]}, got {value!r}")
        if family == "name" and value not in declared:
            raise UsageError(f"axis {name} has no value {value!r}{did_you_mean(str(value), map(str, declared))}")
    return values


def _family(value: Value) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, DType):
        return "dtype"
    if isinstance(value, str):
        return "name"
    return "number" if isinstance(value, float) else "integer"


def _split(given: Any) -> list[Any]:
    return [part.strip() for part in given.split(",")] if isinstance(given, str) else [given]


def _expand(name: str, part: Any) -> list[Value]:
    if isinstance(part, bool | int | float):
        if name.endswith("dtype"):
            raise UsageError(f"axis {name} takes data types, got {part!r}")
        return [part if isinstance(part, bool) else _in_range(part, part)]
    if not isinstance(part, str) or not part:
        raise UsageError(f"axis {name} has an empty or unreadable value: {part!r}")
    if name.endswith("dtype"):
        return [DType(part)]
    found = _RANGE.fullmatch(part)
    return _range(name, part, found) if found else [_scalar(part)]


def _scalar(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    found = _NUMBER.fullmatch(text)
    if found and len(text) < 100:
        base, power, unit = found.groups()
        number = int(base)
        exponent = int(power or 1)
        if abs(number) > 1 and exponent * (abs(number).bit_length() - 1) > 63:
            raise UsageError(f"{text} is too large: integers go to 2^63 - 1")
        return _in_range(text, int(number**exponent) * _UNITS.get(unit or "", 1))
    try:
        return _in_range(text, float(text)) if text[0] in "+-.0123456789" else text
    except ValueError:
        return text


def _in_range(text: Any, number: int | float) -> int | float:
    """A store and a kernel take 64 bits. Raises UsageError."""
    if isinstance(number, float) and not math.isfinite(number):
        raise UsageError(f"{text} is no finite number")
    if isinstance(number, int) and not -(2**63) <= number < 2**63:
        raise UsageError(f"{text} is too large: integers go to 2^63 - 1")
    return number


def _range(name: str, text: str, found: re.Match[str]) -> list[Value]:
    first, last = _scalar(found["first"]), _scalar(found["last"])
    step = _scalar(found["step"]) if found["step"] else 1
    if not all(isinstance(v, int) and not isinstance(v, bool) for v in (first, last, step)):
        raise UsageError(f"axis {name}: a range needs integers: {text}")
    assert isinstance(first, int)
    assert isinstance(last, int)
    assert isinstance(step, int)
    geometric = found["factor"] == "x"
    if last < first:
        raise UsageError(f"axis {name}: the range {text} is empty: it goes up, and {last} is less than {first}")
    if step < (2 if geometric else 1) or (geometric and first < 1):
        raise UsageError(
            f"axis {name}: the range {text} never ends: it goes up by 1 or more, or from 1 on by a factor of 2 or more"
        )
    values: list[Value] = []
    value = first
    while value <= last:
        values.append(value)
        if len(values) > MOST_VALUES:
            raise UsageError(f"axis {name}: the range {text} has more than {MOST_VALUES} values")
        value = value * step if geometric else value + step
    return values
