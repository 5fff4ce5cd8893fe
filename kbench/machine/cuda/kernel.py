"""A compiled kernel on a GPU: loaded through cupy.RawModule, launched with parameters packed once."""

from __future__ import annotations

import ctypes
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
        self, grid: Dim, block: Dim, values: Sequence[np.generic | int], stream: int, shared_bytes: int = 0,
        cluster: Dim | None = None,
    ) -> Callable[[], None]:  # fmt: skip
        """A call that launches, with everything already packed. values: addresses are ints, all else NumPy scalars."""
        packed = Packed(values)
        if cluster is not None:
            return driver.cluster_launch(
                self.function, grid, block, cluster, shared_bytes, stream, packed.address, keep=packed
            )
        from cupy.cuda import driver as api

        launch, function, address = api.launchKernel, self.function, packed.address

        def call(_keep: Packed = packed) -> None:
            launch(function, *grid, *block, shared_bytes, stream, address, 0)

        return call


class Packed:
    """Parameters in memory as cuLaunchKernel wants them: an array of the addresses of the values, at `address`."""

    def __init__(self, values: Sequence[np.generic | int]) -> None:
        pieces = [np.uint64(v).tobytes() if isinstance(v, int) else v.tobytes() for v in values]
        offsets = np.cumsum([0, *(-(-len(piece) // _ALIGNMENT) * _ALIGNMENT for piece in pieces)])
        self._bytes = ctypes.create_string_buffer(int(offsets[-1]) + _ALIGNMENT)
        start = -(-ctypes.addressof(self._bytes) // _ALIGNMENT) * _ALIGNMENT
        for offset, piece in zip(offsets, pieces, strict=False):
            ctypes.memmove(start + int(offset), piece, len(piece))
        self._addresses = (ctypes.c_void_p * max(len(pieces), 1))(*(start + int(o) for o in offsets[:-1]))
        self.address = ctypes.addressof(self._addresses)


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
