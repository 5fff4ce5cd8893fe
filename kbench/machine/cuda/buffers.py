"""What CUPTI collects, read from the buffers in which it delivers them.

cupti-python makes an object of every record, with a view of it for every field that is asked for: together some ten
times as long as a short kernel takes. Here a record is unpacked by the layout that cupti-python states for it, and is
as long as CUPTI itself says, once for each kind; a buffer whose records do not end where it ends is an error.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from kbench.errors import ClockError

_BUFFER_BYTES = 2**20  # some 4,000 records; CUPTI asks for more buffers as it needs them
_END = 12  # CUPTI_ERROR_MAX_LIMIT_REACHED: the buffer holds no further record
_CODES = {"u1": "B", "i4": "i", "u4": "I", "i8": "q", "u8": "Q"}

_Request = ctypes.CFUNCTYPE(
    None, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_size_t)
)
_Complete = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)


class Layout:
    """Where the fields of a kind of record lie, from cupti-python's dtype of it. Calling it with bytes and the place of
    a record in them gives an activity: a tuple of `kind` and the fields, by name."""

    def __init__(self, dtype: Any, fields: Sequence[str]) -> None:
        fields = ("kind", *fields)
        placed = sorted((dtype.fields[name][1], name, dtype.fields[name][0]) for name in fields)
        text, end = "=", 0
        for offset, _, kind in placed:
            text += f"{offset - end}x{_CODES[kind.str[1:]]}"
            end = offset + kind.itemsize
        self._unpack = struct.Struct(text)
        found = [name for _, name, _ in placed]
        self._ordered = itemgetter(*(found.index(name) for name in fields))
        activity: Any = namedtuple("Activity", fields)  # type: ignore[misc]
        self._make = activity._make
        self._name = fields.index("name") if "name" in fields else 0

    def __call__(self, data: bytes, at: int, names: dict[int, str]) -> Any:
        """names: of the addresses of names met so far."""
        values = self._ordered(self._unpack.unpack_from(data, at))
        if not self._name:
            return self._make(values)
        address = values[self._name]
        if address not in names:  # none in a record that was cut short, which has no time stamps either
            names[address] = ctypes.string_at(address).decode() if address else ""
        return self._make((*values[: self._name], names[address], *values[self._name + 1 :]))


def loaded(name: str = "libcupti.so", function: int | None = None) -> Any:
    """The library of this name that the process has loaded; of several (PyTorch may bring one of its own) the one in
    which `function` lies, an address. Raises OSError where there is none."""
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, *_, path = (*line.split(maxsplit=5), "")[:6]
        first, last = (int(end, 16) for end in span.split("-"))
        if path.rpartition("/")[2].startswith(name):
            found.append((function is not None and first <= function < last, path))
    if not found:
        raise OSError(f"{name} is not among the libraries of this process")
    return ctypes.CDLL(max(found, key=itemgetter(0))[1], mode=os.RTLD_NOLOAD)  # never a second one


class Buffers:
    """Memory for CUPTI to fill, used again and again. library: CUPTI as ctypes loads it; layouts: of the kinds of
    record to read; others are left out."""

    def __init__(self, library: Any, layouts: Mapping[int, Layout]) -> None:
        self._library, self._layouts = library, layouts
        self._memory: dict[int, Any] = {}
        self._sizes: dict[int, int] = {}  # of a record of each kind
        self._free: list[int] = []
        self._full: list[tuple[int, int]] = []
        self._read: list[Any] = []
        self._callbacks = _Request(self._give), _Complete(self._take)  # CUPTI holds no reference to them
        self._next = library.cuptiActivityGetNextRecord
        self._next.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_void_p)]

    def register(self) -> None:
        """Have CUPTI deliver here. Raises OSError."""
        if status := self._library.cuptiActivityRegisterCallbacks(*self._callbacks):
            raise OSError(f"cuptiActivityRegisterCallbacks gave status {status}")

    def forget(self) -> None:
        """Whatever was delivered so far."""
        self._read.clear()
        while self._full:
            self._free.append(self._full.pop()[0])

    def activities(self) -> list[Any]:
        """Everything that was delivered and not forgotten; to be called while the kernels are loaded. Raises ClockError
        where a buffer is not what it should be."""
        names: dict[int, str] = {}
        while self._full:
            address, valid = self._full.pop(0)
            try:
                self._read += self._activities(address, valid, names)
            finally:
                self._free.append(address)
        return self._read

    def _activities(self, buffer: int, valid: int, names: dict[int, str]) -> Iterator[Any]:
        data, at = ctypes.string_at(buffer, valid), 0
        while at < valid:
            kind = int.from_bytes(data[at : at + 4], sys.byteorder)
            if layout := self._layouts.get(kind):
                yield layout(data, at, names)
            at += self._sizes.get(kind) or self._size(kind, buffer, at, valid)
        if at != valid:
            raise ClockError(f"CUPTI's records end {at - valid} bytes behind what it delivered")

    def _size(self, kind: int, buffer: int, at: int, valid: int) -> int:
        """Of the record there: CUPTI is asked where the next one begins. Kept, but for the last one of a buffer, of
        which CUPTI says no more than that it is the last."""
        record = ctypes.c_void_p(buffer + at)
        status = self._next(buffer, valid, ctypes.byref(record))
        if status == _END:
            return valid - at
        size = (record.value or 0) - buffer - at
        if status or size <= 0:
            raise ClockError(f"cuptiActivityGetNextRecord gave status {status}, after {size} bytes of kind {kind}")
        self._sizes[kind] = size
        return size

    def _give(self, buffer: Any, size: Any, most_records: Any) -> None:
        """Called by CUPTI when it needs a buffer, in whatever thread that may be."""
        try:
            address = self._free.pop()
        except IndexError:
            memory = ctypes.create_string_buffer(_BUFFER_BYTES + 8)
            address = -(-ctypes.addressof(memory) // 8) * 8  # as records are aligned
            self._memory[address] = memory
        buffer[0], size[0], most_records[0] = address, _BUFFER_BYTES, 0

    def _take(self, context: int, stream: int, buffer: int, size: int, valid: int) -> None:
        """Called by CUPTI with a buffer that is full, or that was asked for by a flush; perhaps in a thread of its own.
        From then on the buffer is not CUPTI's any more."""
        if valid:
            self._full.append((buffer, valid))
        elif buffer:
            self._free.append(buffer)
