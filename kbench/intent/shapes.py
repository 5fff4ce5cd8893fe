"""NumPy with arrays that have a shape and a dtype but occupy no memory, so that planning a 100 GB sweep costs
nothing."""

from __future__ import annotations

from typing import Any

import ml_dtypes  # noqa: F401 - registers bfloat16 with NumPy, for every device and for planning
import numpy as np


class ShapeArray(np.ndarray):
    """An array of one stored zero behind strides of zero. Arithmetic gives another one; `nbytes` is what it would
    occupy."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs.get("out") is not None:
            return kwargs["out"][0] if kwargs.get("out") else ShapeArray.of((), np.float64)
        tiny = [np.zeros((1,) * x.ndim, x.dtype) if isinstance(x, np.ndarray) else x for x in inputs]
        shape = np.broadcast_shapes(*(np.shape(x) for x in inputs))
        result = getattr(ufunc, method)(*tiny, **kwargs)
        parts = tuple(ShapeArray.of(shape, r.dtype) for r in (result if isinstance(result, tuple) else (result,)))
        return parts if isinstance(result, tuple) else parts[0]

    @staticmethod
    def of(shape: Any, dtype: Any) -> ShapeArray:
        size = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
        one: Any = np.zeros(1, np.dtype(dtype))
        flat = np.lib.stride_tricks.as_strided(one, size, (0,) * len(size))
        return flat.view(ShapeArray)

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        return ShapeArray.of(self.shape, dtype)

    def copy(self, *args: Any, **kwargs: Any) -> Any:
        return ShapeArray.of(self.shape, self.dtype)


class ShapeXp:
    """Stands in for `xp`: creation functions give ShapeArrays, everything else is NumPy's own."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, shape: Any, dtype: Any = float, **kwargs: Any) -> ShapeArray:
        return ShapeArray.of(shape, dtype)

    zeros = ones = empty

    def full(self, shape: Any, fill_value: Any, dtype: Any = None, **kwargs: Any) -> ShapeArray:
        return ShapeArray.of(shape, dtype or np.asarray(fill_value).dtype)

    def empty_like(self, prototype: Any, dtype: Any = None, shape: Any = None, **kwargs: Any) -> ShapeArray:
        return ShapeArray.of(prototype.shape if shape is None else shape, dtype or prototype.dtype)

    zeros_like = ones_like = empty_like

    def arange(self, *args: Any, dtype: Any = np.int64, **kwargs: Any) -> ShapeArray:
        return ShapeArray.of(len(range(*args)), dtype)

    def ascontiguousarray(self, array: Any, **kwargs: Any) -> ShapeArray:
        return ShapeArray.of(array.shape, array.dtype)

    def take(self, array: Any, indices: Any, axis: int | None = None, **kwargs: Any) -> ShapeArray:
        picked = np.shape(indices)
        rest = () if axis is None else (array.shape[:axis], array.shape[axis + 1 :])
        return ShapeArray.of((*rest[0], *picked, *rest[1]) if rest else picked, array.dtype)


class ShapeRng:
    """Stands in for `rng`: shapes and dtypes only."""

    def random(self, shape: Any, dtype: Any = "float32") -> ShapeArray:
        return ShapeArray.of(shape, getattr(dtype, "storage", dtype))

    normal = random

    def bits(self, shape: Any, dtype: Any = "uint8") -> ShapeArray:
        return self.random(shape, dtype)

    def integers(self, low: int, high: int, shape: Any, dtype: Any = "int64") -> ShapeArray:
        return ShapeArray.of(shape, dtype)

    def permutation(self, n: int) -> ShapeArray:
        return ShapeArray.of(n, "int64")
