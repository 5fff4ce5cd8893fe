"""What a compiler made of one instantiation."""

from __future__ import annotations

import msgspec


class Param(msgspec.Struct, frozen=True):
    """One kernel parameter. kind: "pointer", "const" (pointer to const) or "value"; ctype: the pointed-to or value type
    in C++ words ("float", "__half", "long long", …; "" where it is not known); size: its bytes (0 if not known)."""

    kind: str
    ctype: str
    size: int


class Target(msgspec.Struct, frozen=True):
    """What to compile for. device: "cuda" or "cpu"; arch: "sm_90", or the cpu build mode fast, check, asan or tsan."""

    device: str
    arch: str


class Binary(msgspec.Struct, frozen=True):
    """A compiled instantiation on disk.

    entry: the C++ name expression; symbol: its lowered name; path: cubin, shared library or executable;
    registers, spill_bytes (local memory), shared_bytes (static) are None where the compiler does not say.
    """

    entry: str
    symbol: str
    path: str
    target: Target
    compiler: str
    params: tuple[Param, ...]
    key: str
    size_bytes: int
    compile_s: float
    log: str = ""
    registers: int | None = None
    spill_bytes: int | None = None
    shared_bytes: int | None = None
    max_threads: int | None = None
