"""Inputs and number formats: the same bits on every device, by integer arithmetic up to one final rounding."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from typing import Any

import numpy as np

from kbench.errors import SpecError
from kbench.intent.dtypes import DType
from kbench.intent.op import HostArray
from kbench.intent.shapes import ShapeArray
from kbench.intent.traffic import SECTOR

_CHUNK = 1 << 24  # words hashed at a time: bounds the temporaries of a 1 GiB array


def cdiv(a: int, b: int) -> int:
    """ceil(a / b) for integers."""
    return -(-a // b)


class Rng:
    """Seeded generator for specs. `xp` is the device's array module; `problem` seeds it.

    The n-th call with the same arguments gives the same array in every configuration of a problem, on every device;
    arrays are
    made once per problem and handed out as copies. bits: hashed bits, so that a wrong copy cannot look right. random:
    uniform on
    [0, 1) in steps of the dtype's precision. normal: sum of twelve uniform 16-bit integers (Irwin-Hall), mean 0,
    variance 1, within ±6. integers: low <= value < high. permutation: of 0 … n-1 as int64.
    """

    def __init__(self, xp: Any, problem: str) -> None:
        self._xp = xp
        self._problem = problem
        self._made: dict[tuple[Any, ...], Any] = {}
        self._calls: dict[tuple[Any, ...], int] = {}

    def restart(self) -> None:
        """Begin another configuration of the same problem."""
        self._calls.clear()

    def bits(self, shape: Any, dtype: Any = "uint8") -> Any:
        size, kind = _size(shape), np.dtype(getattr(dtype, "storage", dtype))
        nbytes = int(np.prod(size, dtype=np.int64)) * kind.itemsize
        return self._memo(
            ("bits", size, str(kind)),
            lambda seed: self._words(seed, cdiv(nbytes, 8)).view(np.uint8)[:nbytes].view(kind).reshape(size),
        )

    def random(self, shape: Any, dtype: Any = "float32") -> Any:
        return self._memo(
            ("random", _size(shape), str(dtype)), lambda seed: self._uniform(seed, _size(shape), str(dtype))
        )

    def normal(self, shape: Any, dtype: Any = "float32") -> Any:
        return self._memo(
            ("normal", _size(shape), str(dtype)), lambda seed: self._normal(seed, _size(shape), str(dtype))
        )

    def integers(self, low: int, high: int, shape: Any, dtype: Any = "int64") -> Any:
        if high <= low:
            raise SpecError(f"rng.integers needs low < high, got {low} and {high}")

        def make(seed: int) -> Any:
            words = self._words(seed, int(np.prod(_size(shape), dtype=np.int64)))
            return ((words % np.uint64(high - low)).astype(np.int64) + low).astype(dtype).reshape(_size(shape))

        return self._memo(("integers", low, high, _size(shape), str(dtype)), make)

    def permutation(self, n: int) -> Any:
        # The hash is a bijection of 64-bit words, so there are no ties and the order is the same everywhere.
        return self._memo(("permutation", n), lambda seed: self._xp.argsort(self._words(seed, n)).astype(np.int64))

    def _memo(self, what: tuple[Any, ...], make: Any) -> Any:
        nth = self._calls.get(what, 0)
        self._calls[what] = nth + 1
        if (what, nth) not in self._made:
            text = repr((self._problem, what, nth)).encode()
            self._made[what, nth] = make(int.from_bytes(hashlib.sha256(text).digest()[:8], "little"))
        return self._made[what, nth].copy()

    def _words(self, seed: int, count: int) -> Any:
        """`count` hashed 64-bit words: the finaliser of splitmix64 (Steele, Lea, Flood 2014) over a counter."""
        xp = self._xp
        words = xp.empty(count, np.uint64)
        for start in range(0, count, _CHUNK):
            stop = min(start + _CHUNK, count)
            z = xp.arange(start, stop, dtype=np.uint64)
            z *= np.uint64(0x9E3779B97F4A7C15)
            z += np.uint64(seed)
            for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
                z ^= z >> np.uint64(shift)
                z *= np.uint64(factor)
            words[start:stop] = z ^ (z >> np.uint64(31))
        return words

    def _uniform(self, seed: int, size: tuple[int, ...], dtype: str) -> Any:
        bits = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}.get(dtype)
        if bits is None:
            raise SpecError(
                f"rng.random makes float64, float32, float16 and bfloat16, not {dtype}: use rng.bits or encode"
            )
        words = self._words(seed, int(np.prod(size, dtype=np.int64))) >> np.uint64(64 - bits)
        # Exact: `bits` significant bits fit the dtype's significand, the scale is a power of two.
        wide = np.float64 if bits > 24 else np.float32
        return (words.astype(wide) * wide(2.0**-bits)).astype(_real(dtype)).reshape(size)

    def _normal(self, seed: int, size: tuple[int, ...], dtype: str) -> Any:
        count = int(np.prod(size, dtype=np.int64))
        total = self._xp.zeros(count, np.int64)
        for part in range(3):
            words = self._words((seed + part * 0x632BE59BD9B4E019) % 2**64, count)
            for shift in (0, 16, 32, 48):
                total += ((words >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64)
        centred = total - 6 * 65535
        exact = centred.astype(np.float64) / np.float64(65536)  # |centred| < 2^19: exact in float32 too
        return exact.astype(np.float32).astype(_real(dtype)).reshape(size)


def _size(shape: Any) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, int | np.integer) else tuple(int(s) for s in shape)


def _real(dtype: str) -> Any:
    if dtype == "bfloat16":
        import ml_dtypes

        return ml_dtypes.bfloat16
    return np.dtype(dtype)


def host(source: Any, dtype: Any = "uint8", pinned: bool = True) -> HostArray:
    """Host memory for a transfer: of a shape (undefined contents) or with the contents of a device or NumPy array.

    pinned: page-locked and readable from a kernel; else ordinary pageable memory.
    """
    if isinstance(source, int | tuple | list):
        return HostArray(np.empty(source, getattr(dtype, "storage", dtype)), pinned)
    if isinstance(source, ShapeArray):
        return HostArray(source, pinned)
    return HostArray(to_numpy(source).copy(), pinned)


def to_numpy(array: Any) -> Any:
    """The array's contents as a NumPy array (a device array is copied to the host)."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def sectors(index: Any, row_bytes: int, *, stride_bytes: int | None = None) -> int:
    """Bytes of the distinct 32-byte sectors that rows touch.

    index: integer array of row numbers; row i covers `row_bytes` bytes from i * stride_bytes (default: row_bytes).
    """
    stride = row_bytes if stride_bytes is None else stride_bytes
    if isinstance(index, ShapeArray):
        return int(index.size) * cdiv(row_bytes, SECTOR) * SECTOR
    rows = np.unique(to_numpy(index).astype(np.int64).ravel())
    first = rows * stride // SECTOR
    last = (rows * stride + row_bytes - 1) // SECTOR
    if not rows.size or (first[1:] > last[:-1]).all():
        return int((last - first + 1).sum()) * SECTOR
    # Rows are sorted, so a row shares sectors only with what came before: count what lies beyond the furthest end so
    # far.
    reached = np.concatenate(([np.int64(-1)], np.maximum.accumulate(last)[:-1]))
    return int(np.maximum(last - np.maximum(first, reached + 1) + 1, 0).sum()) * SECTOR


@cache
def _codes(dtype: str) -> tuple[Any, Any, int]:
    """Of an fp8 format: the value of all 256 codes, the thresholds between its positive codes, its largest finite code.

    OCP 8-bit floating point specification, revision 1.0: e4m3 (bias 7, no infinities, NaN 0x7f), e5m2 (bias 15,
    IEEE-like).
    """
    mantissa, bias, top = {"float8_e4m3fn": (3, 7, 0x7E), "float8_e5m2": (2, 15, 0x7B)}[dtype]
    values = np.zeros(256, np.float32)
    for code in range(128):
        exponent, fraction = code >> mantissa, code & ((1 << mantissa) - 1)
        scale = 2.0 ** (max(exponent, 1) - bias)
        values[code] = (fraction / (1 << mantissa) + (exponent > 0)) * scale
    values[top + 1 : 128] = np.nan
    if dtype == "float8_e5m2":
        values[0x7C] = np.inf
    values[128:] = -values[:128]
    middle = (values[:top] + values[1 : top + 1]) / np.float32(2)
    # A tie goes to the even code: to the upper one behind an odd code, so there the threshold itself already rounds up.
    even = np.arange(top) % 2 == 0
    return values, np.where(even, np.nextafter(middle, np.float32(np.inf)), middle).astype(np.float32), top


def encode(array: Any, dtype: str, scale: Any = 1.0) -> Any:
    """uint8 fp8 codes of array / scale (float32): round to nearest even, saturating at the largest finite value, NaN
    stays
    NaN (0x7f). dtype: float8_e4m3fn or float8_e5m2. NumPy and CuPy arrays; same shape."""
    xp = _xp_of(array)
    _, thresholds, _ = _codes(_fp8(dtype))
    scaled = array.astype(np.float32) / xp.float32(scale) if np.ndim(scale) == 0 else array.astype(np.float32) / scale
    magnitude = xp.abs(scaled)
    code = (
        xp.searchsorted(xp.asarray(thresholds), magnitude.ravel(), side="right").astype(np.uint8).reshape(array.shape)
    )
    code = xp.where(xp.signbit(scaled), code | np.uint8(0x80), code)
    return xp.where(xp.isnan(scaled), np.uint8(0x7F), code).astype(np.uint8)


def decode(codes: Any, dtype: str, scale: Any = 1.0) -> Any:
    """float32 values of uint8 fp8 codes, times scale; same shape. dtype: float8_e4m3fn or float8_e5m2."""
    xp = _xp_of(codes)
    values, _, _ = _codes(_fp8(dtype))
    return xp.asarray(values)[codes.astype(np.int32)] * (xp.float32(scale) if np.ndim(scale) == 0 else scale)


def _fp8(dtype: str) -> str:
    if not DType(dtype).startswith("float8"):
        raise SpecError(f"encode and decode are for float8_e4m3fn and float8_e5m2, not {dtype}")
    return str(dtype)


def _xp_of(array: Any) -> Any:
    """NumPy, or the module that the array's own type comes from: CuPy is not named on this floor."""
    return np if isinstance(array, np.ndarray) else sys.modules[type(array).__module__.partition(".")[0]]
