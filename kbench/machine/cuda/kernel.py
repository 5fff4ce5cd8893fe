"""A compiled kernel on a GPU: loaded through cupy.RawModule, launched with parameters packed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from kbench.errors import BuildError, SpecError
from kbench.intent.op import Dim
from kbench.machine.binary import Binary, Param
from kbench.machine.cuda import driver
from kbench.machine.cuda.nvrtc import Recipe
from kbench.machine.cuda.signature import parameters
from kbench.machine.install import install

DEFAULT_SHARED = 48 * 1024
"""Bytes of dynamic shared memory that a kernel may use without asking for more."""
_ALIGNMENT = 16  # of each packed parameter; C's largest

Value = np.generic | int | np.ndarray[Any, Any]
"""A kernel argument: a NumPy scalar, an address, or an address for each buffer set (uint64)."""


class LoadedKernel:
    """entry: its C++ name; params: what it takes; registers: a thread; max_threads: a block, as the driver sees it."""

    def __init__(self, binary: Binary) -> None:
        self.entry = binary.entry
        self._raw = _load(binary)
        self.function: int = self._raw.kernel.ptr
        self.params = binary.params if binary.symbol else _params(self._raw.name, self.function)
        # Asking for attributes also loads the code: with lazy loading a first launch behind a hold would wait for ever.
        self.registers: int = self._raw.num_regs
        self.max_threads: int = self._raw.max_threads_per_block
        self.static_shared: int = self._raw.shared_size_bytes

    def allow_shared(self, nbytes: int, limit: int) -> None:
        """Raise the kernel's bound on dynamic shared memory to `nbytes`. Raises SpecError above the device's limit."""
        if nbytes + self.static_shared > limit:
            raise SpecError(
                f"{self.entry}: {nbytes} bytes of dynamic and {self.static_shared} of static shared memory, "
                f"a block of this GPU has {limit}"
            )
        if nbytes > self._raw.max_dynamic_shared_size_bytes:
            self._raw.max_dynamic_shared_size_bytes = nbytes

    def blocks_per_multiprocessor(self, threads: int, shared_bytes: int) -> int:
        from cupy.cuda import driver as api

        return int(api.occupancyMaxActiveBlocksPerMultiprocessor(self.function, threads, shared_bytes))

    def prepare(
        self, grid: Dim, block: Dim, values: Sequence[Value], stream: int, shared_bytes: int = 0,
        cluster: Dim | None = None, count: int = 1,
    ) -> list[Callable[[], None]]:  # fmt: skip
        """Calls that launch, one for each of `count` buffer sets, with everything already packed."""
        packed = Packed(values, count)
        if cluster is not None:
            shape = (grid, block, cluster, shared_bytes, stream)
            return [driver.cluster_launch(self.function, *shape, address, keep=packed) for address in packed.addresses]
        from cupy.cuda import driver as api

        launch, function = api.launchKernel, self.function

        def call_with(address: int) -> Callable[[], None]:
            def call(_keep: Packed = packed) -> None:
                launch(function, *grid, *block, shared_bytes, stream, address, 0)

            return call

        return [call_with(address) for address in packed.addresses]


class Packed:
    """Parameters in memory as cuLaunchKernel wants them: for each set an array of the addresses of the values, which
    lies at `addresses[set]`."""

    def __init__(self, values: Sequence[Value], count: int = 1) -> None:
        columns = [_column(value) for value in values]
        widths = [-(-column.shape[-1] // _ALIGNMENT) * _ALIGNMENT for column in columns]
        offsets = np.cumsum([0, *widths], dtype=np.uint64)
        row = int(offsets[-1]) or _ALIGNMENT
        self._storage = np.zeros(count * row + _ALIGNMENT, np.uint8)
        start = -(-self._storage.ctypes.data // _ALIGNMENT) * _ALIGNMENT
        skipped = start - self._storage.ctypes.data
        table = self._storage[skipped : skipped + count * row].reshape(count, row)
        for column, offset in zip(columns, offsets.tolist(), strict=False):
            table[:, offset : offset + column.shape[-1]] = column
        rows = np.uint64(start) + np.arange(count, dtype=np.uint64) * np.uint64(row)
        self._pointers = np.zeros((count, max(len(columns), 1)), np.uint64)
        self._pointers[:, : len(columns)] = rows[:, None] + offsets[:-1]
        first, step = self._pointers.ctypes.data, self._pointers.strides[0]
        self.addresses = [first + k * step for k in range(count)]


def _column(value: Value) -> np.ndarray[Any, Any]:
    """The bytes of a value: one row for all sets, or one for each."""
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value, np.uint64).view(np.uint8).reshape(len(value), 8)
    return np.frombuffer(np.uint64(value).tobytes() if isinstance(value, int) else value.tobytes(), np.uint8)


def _load(binary: Binary) -> Any:
    """cupy.RawKernel of a cubin; or of source that CuPy compiles now, where nothing else could."""
    import cupy

    if binary.symbol:
        return cupy.RawModule(path=binary.path).get_function(binary.symbol)
    path = Path(binary.path)
    recipe = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=Recipe)
    module = cupy.RawModule(code=path.read_text(), options=recipe.options, name_expressions=(recipe.entry,))
    try:
        return module.get_function(recipe.entry)
    except cupy.cuda.compiler.CompileException as error:
        message = f"{Path(recipe.file).name} does not compile as {recipe.entry} (CuPy's NVRTC)"
        raise BuildError(message, log=str(error), command=recipe.command) from error


def _params(symbol: str, function: int) -> tuple[Param, ...]:
    sizes = driver.parameter_sizes(function)
    if sizes is None:
        raise BuildError(f"this driver does not tell a kernel's parameters: {install('compile')}")
    return parameters(symbol, sizes)
