"""kbench: benchmark and profile GPU kernels written as raw CUDA C++ files.

What a spec needs is importable from here, and so is what a program needs that measures (sweep, measure); nothing heavy
is loaded until it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kbench.api import Rows, Timing, measure, sweep
    from kbench.intent.numbers import cdiv, decode, encode, host, sectors, to_numpy
    from kbench.intent.op import Call, Copy, CopyBatch, HostArray, Launch, Op, Out, Pointers, Skip
    from kbench.intent.spec import Kernel, kernel

__version__ = "0.1.0"

_NUMERIC = "kbench.intent.numbers"
_HOMES = {
    "kbench.api": ("Rows", "Timing", "measure", "sweep"),
    _NUMERIC: ("cdiv", "decode", "encode", "host", "sectors", "to_numpy"),
    "kbench.intent.op": ("Call", "Copy", "CopyBatch", "HostArray", "Launch", "Op", "Out", "Pointers", "Skip"),
    "kbench.intent.spec": ("Kernel", "kernel"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Call", "Copy", "CopyBatch", "HostArray", "Kernel", "Launch", "Op", "Out", "Pointers", "Rows", "Skip", "Timing",
    "cdiv", "decode", "encode", "host", "kernel", "measure", "sectors", "sweep", "to_numpy",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'kbench' has no attribute {name!r}")
    if _HOME[name] == _NUMERIC:
        return _deferred(name)
    return getattr(import_module(_HOME[name]), name)


def _deferred(name: str) -> Any:
    """A function that is imported when it is called: spec files name these at their top, and listing kernels loads the
    spec files but must not load NumPy."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(_NUMERIC), name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    return call
