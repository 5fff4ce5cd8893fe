"""Parameters of a kernel from its lowered name: the Itanium C++ ABI writes their types into it, templates filled in."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache

from kbench.machine.arguments import normal_ctype
from kbench.machine.binary import Param


def parameters(symbol: str, sizes: Sequence[int]) -> tuple[Param, ...]:
    """One Param for each size. An extern "C" kernel's name has no types, so its parameters have a size and kind ""."""
    types = _types(demangle(symbol))
    if types is None or len(types) != len(sizes):
        return tuple(Param("", "", size) for size in sizes)
    return tuple(_param(words, size) for words, size in zip(types, sizes, strict=True))


def demangle(symbol: str) -> str:
    """ "void scale<float, 4>(float*, float const*)" of a mangled name; "" for one that is not mangled, or where there
    is no C++ runtime library to ask."""
    library = _runtime()
    if library is None or not symbol.startswith("_Z"):
        return ""
    status = ctypes.c_int()
    text = library.__cxa_demangle(symbol.encode(), None, None, ctypes.byref(status))
    if not text:
        return ""
    try:
        return ctypes.string_at(text).decode()
    finally:
        ctypes.CDLL(None).free(ctypes.c_void_p(text))


@cache
def _runtime() -> ctypes.CDLL | None:
    for name in ("libstdc++.so.6", "libc++abi.so.1"):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library.__cxa_demangle.restype = ctypes.c_void_p
        return library
    return None


def _types(function: str) -> list[str] | None:
    """The words between the parentheses of the parameter list, split at the commas of the outermost level."""
    if not function.endswith(")"):
        return None
    depth, start = 0, len(function)
    for start in range(len(function) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(function[start], 0)
        if depth == 0:
            break
    found, depth = [""], 0
    for letter in function[start + 1 : -1]:
        depth += {"(": 1, "<": 1, "[": 1, ")": -1, ">": -1, "]": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    words = [word.strip() for word in found]
    return [] if words == [""] else words


def _param(words: str, size: int) -> Param:
    if not words.endswith("*"):
        return Param("value", normal_ctype(words), size)
    pointee = words[:-1].rstrip()
    return Param("const" if pointee.endswith("const") else "pointer", normal_ctype(pointee), size)
