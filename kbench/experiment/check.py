"""Hold an output against its reference: bits, or values within a tolerance. Works on NumPy and CuPy arrays alike.

Default tolerances (|got - expected| <= atol + rtol |expected|, NaN equals NaN): rtol 1e-5 for float32 and float64,
2e-3 for float16, 1.6e-2 for bfloat16, and atol = rtol x the mean |expected|, because the rounding of a sum is relative
to its terms and not to a result that happens to be near zero. fp8: one step of the format. Integers: equal.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kbench.errors import SpecError
from kbench.experiment.result import Check
from kbench.intent.guest import FAULTS
from kbench.intent.op import HostArray, Out
from kbench.machine.device import POISON

RTOL = {"float64": 1e-5, "float32": 1e-5, "float16": 2e-3, "bfloat16": 1.6e-2}
CHUNK = 2**23
"""Elements compared at a time: some hundred MB of temporaries, however large the output."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What an output must be: contiguous, flat, and the mean of its finite magnitudes (0 where nobody needs it)."""

    flat: Any
    shape: tuple[int, ...]
    dtype: str
    scale: float


@dataclass(frozen=True)
class Tolerance:
    """kind: "bits", "steps" (of an fp8 format) or "values"."""

    kind: str
    dtype: str
    rtol: float = 0.0
    atol: float = 0.0

    @property
    def words(self) -> str:
        if self.kind == "values":
            return f"rtol {self.rtol:g}, atol {self.atol:.2g}"
        return "bits" if self.kind == "bits" else f"one {self.dtype} step"


def reference_of(name: str, out: Out, xp: Any) -> Reference:
    """Evaluate an output's reference. Raises SpecError where it has not the output's shape and dtype, or fails."""
    initial = out.array.array if isinstance(out.array, HostArray) else out.array
    expected = xp.asarray(_evaluated(name, out.reference, initial))
    if tuple(expected.shape) != tuple(initial.shape) or str(expected.dtype) != str(initial.dtype):
        raise SpecError(
            f"output {name!r} is {initial.dtype}{list(initial.shape)}, "
            f"its reference is {expected.dtype}{list(expected.shape)}"
        )
    dtype = str(out.dtype or initial.dtype)
    if expected.dtype.itemsize not in (1, 2, 4, 8):
        raise SpecError(f"output {name!r}: {dtype} cannot be compared")
    flat = xp.ascontiguousarray(expected).reshape(-1)
    needs_scale = _kind(out, dtype) == "values" and out.atol is None
    return Reference(flat, tuple(expected.shape), dtype, _scale(xp, flat, dtype) if needs_scale else 0.0)


def _evaluated(name: str, reference: Any, initial: Any) -> Any:
    if isinstance(reference, HostArray):
        return reference.array
    if not callable(reference):
        return reference
    try:
        return reference(before=initial.copy()) if _takes_before(reference) else reference()
    except (MemoryError, SpecError):
        raise
    except FAULTS as error:
        code = getattr(reference, "__code__", None)
        where = f"{code.co_filename}:{code.co_firstlineno}: " if code else ""
        raise SpecError(f"{where}the reference of output {name!r}: {type(error).__name__}: {error}") from error


def works_in_place(out: Out) -> bool:
    """Whether what must come out depends on what was there before: a second run may then make something else of it."""
    return callable(out.reference) and _takes_before(out.reference)


def _takes_before(reference: Any) -> bool:
    return "before" in inspect.signature(reference).parameters


def compare(name: str, out: Out, got: Any, reference: Reference, xp: Any) -> Check:
    """The verdict on one output; `got` is a copy of its contents. Two passes only where something is wrong."""
    tolerance = _tolerance(out, reference)
    flat = xp.ascontiguousarray(got).reshape(-1)
    wrong: Any = 0
    unwritten: Any = 0
    worst: Any = 0.0
    for chunk, expected in _chunks(flat, reference.flat):
        bad, error = _bad(xp, chunk, expected, tolerance)
        wrong = wrong + xp.count_nonzero(bad)
        if out.poison is not False:
            unwritten = unwritten + xp.count_nonzero(bad & (_bits(chunk) == _poison(chunk.dtype.itemsize)))
        if error is not None:
            worst = xp.maximum(worst, error)
    max_error = float(worst) if tolerance.kind == "values" else None
    count = int(wrong)
    if count == 0:
        return Check(name, True, tolerance.words, "", max_error)
    message = _first_wrong(xp, flat, reference, tolerance) + f"; {count} of {flat.size} wrong"
    if int(unwritten):
        message += f", {int(unwritten)} of them never written"
    return Check(name, False, tolerance.words, message, max_error)


def _kind(out: Out, dtype: str) -> str:
    loose = out.rtol is not None or out.atol is not None
    if out.exact or "float" not in dtype:
        return "bits"
    return "steps" if dtype.startswith("float8") and not loose else "values"


def _tolerance(out: Out, reference: Reference) -> Tolerance:
    kind = _kind(out, reference.dtype)
    if kind != "values":
        return Tolerance(kind, reference.dtype)
    rtol = out.rtol if out.rtol is not None else RTOL.get(reference.dtype, 0.0)
    return Tolerance(kind, reference.dtype, rtol, out.atol if out.atol is not None else rtol * reference.scale)


def _chunks(*flats: Any) -> Iterator[tuple[Any, ...]]:
    for start in range(0, flats[0].size, CHUNK):
        yield tuple(flat[start : start + CHUNK] for flat in flats)


def _bits(flat: Any) -> Any:
    return flat.view(np.dtype(f"u{flat.dtype.itemsize}"))


def _poison(itemsize: int) -> Any:
    return np.frombuffer(bytes([POISON]) * itemsize, f"u{itemsize}")[0]


def _values(xp: Any, flat: Any, dtype: str) -> Any:
    """As float64 where the type needs it, else float32 (which holds every value of the smaller types)."""
    if dtype.startswith("float8"):
        from kbench.intent.numbers import decode

        return decode(flat.view(xp.uint8), dtype)
    with np.errstate(invalid="ignore"):  # a signalling NaN is a value like any other here
        return flat.astype(xp.float64 if flat.dtype.itemsize >= 4 else xp.float32)


def _bad(xp: Any, got: Any, expected: Any, tolerance: Tolerance) -> tuple[Any, Any]:
    """Which elements are wrong, and the largest finite error (None where bits are compared)."""
    if tolerance.kind == "bits":
        return _bits(got) != _bits(expected), None
    if tolerance.kind == "steps":
        g, e = (_ordered(xp, a.view(xp.uint8), tolerance.dtype) for a in (got, expected))
        return xp.abs(g - e) > 1, None
    with np.errstate(invalid="ignore", over="ignore"):
        g, e = (_values(xp, a, tolerance.dtype) for a in (got, expected))
        error = xp.abs(g - e)
        close = error <= tolerance.atol + tolerance.rtol * xp.abs(e)
        right = (close & xp.isfinite(e)) | (g == e) | (xp.isnan(g) & xp.isnan(e))
        return ~right, xp.where(xp.isfinite(error), error, 0).max()


def _ordered(xp: Any, codes: Any, dtype: str) -> Any:
    """fp8 codes as integers in the order of their values; all NaNs as one, far from every number."""
    magnitude = (codes & 0x7F).astype(xp.int16)
    nan = magnitude == 0x7F if dtype == "float8_e4m3fn" else magnitude > 0x7C
    return xp.where(nan, 1000, xp.where(codes >= 0x80, -magnitude, magnitude))


def _scale(xp: Any, flat: Any, dtype: str) -> float:
    total: Any = 0.0
    count: Any = 0
    for (chunk,) in _chunks(flat):
        magnitude = xp.abs(_values(xp, chunk, dtype))
        finite = xp.isfinite(magnitude)
        total = total + xp.where(finite, magnitude, 0).sum(dtype=xp.float64)
        count = count + xp.count_nonzero(finite)
    return float(total) / max(int(count), 1)


def _first_wrong(xp: Any, flat: Any, reference: Reference, tolerance: Tolerance) -> str:
    start = 0
    for chunk, expected in _chunks(flat, reference.flat):
        bad = xp.flatnonzero(_bad(xp, chunk, expected, tolerance)[0])
        if bad.size:
            at = int(bad[0])
            where = [int(i) for i in np.unravel_index(start + at, reference.shape)]
            one = slice(at, at + 1)
            shown = [_shown(xp, a[one], tolerance) for a in (expected, chunk)]
            return f"first wrong at {where}: expected {shown[0]}, got {shown[1]}"
        start += chunk.size
    raise AssertionError("the second pass found nothing wrong")


def _shown(xp: Any, one: Any, tolerance: Tolerance) -> str:
    """A value in words, with its bits where bits are compared: two floats may print alike."""
    if "float" not in tolerance.dtype:
        return str(one.item())
    value = f"{float(_values(xp, one, tolerance.dtype)[0]):.9g}"
    return f"{value} (0x{int(_bits(one)[0]):0{2 * one.dtype.itemsize}x})" if tolerance.kind == "bits" else value
