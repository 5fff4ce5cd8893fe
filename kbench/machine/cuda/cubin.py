"""What a cubin says of its kernels: registers, memory, parameter sizes and thread limit, from its ELF sections."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

_KPARAM_INFO, _MAX_THREADS, _FRAME_SIZE, _REGISTERS = 0x17, 0x05, 0x11, 0x2F  # EIATTR codes, as cuobjdump -elf says
_SIZED = 0x04  # attribute formats: 4 has a 16-bit length and data, the others carry 16 bits in place
_RESERVED_SHARED = 1024
"""Bytes of shared memory that the system keeps of every block from sm_90 on; part of a kernel's section there."""


class KernelInfo(msgspec.Struct, frozen=True):
    """param_sizes: bytes of each parameter in order; max_threads: what __launch_bounds__ allows, None without one;
    frame_bytes: local memory of a thread (arrays and spills); shared_bytes: static shared memory of a block."""

    param_sizes: tuple[int, ...]
    max_threads: int | None
    registers: int
    frame_bytes: int
    shared_bytes: int


def kernel_info(image: bytes, symbol: str) -> KernelInfo:
    """The facts of one kernel of a cubin, by its lowered name. Raises KeyError where the cubin has no such kernel."""
    sections = _sections(image)
    sizes: dict[int, int] = {}
    max_threads = None
    for code, data in _attributes(sections[f".nv.info.{symbol}"].data):
        if code == _KPARAM_INFO:
            _index, ordinal, _offset, packed = struct.unpack("<IHHI", data)
            sizes[ordinal] = packed >> 18  # below: log2 of the alignment, memory space, constant bank
        elif code == _MAX_THREADS:
            x, y, z = struct.unpack("<III", data)
            max_threads = x * y * z
    number = _symbols(sections).index(symbol)
    whole = {
        code: value
        for code, data in _attributes(sections[".nv.info"].data)
        if code in (_FRAME_SIZE, _REGISTERS)
        for owner, value in [struct.unpack("<II", data)]
        if owner == number
    }
    shared = sections.get(f".nv.shared.{symbol}")
    reserved = _RESERVED_SHARED if ".nv.shared.reserved.0" in sections else 0
    return KernelInfo(
        tuple(size for _, size in sorted(sizes.items())), max_threads, whole[_REGISTERS], whole.get(_FRAME_SIZE, 0),
        shared.size - reserved if shared else 0,
    )  # fmt: skip


class _Section(msgspec.Struct, frozen=True):
    data: bytes
    size: int


def _sections(image: bytes) -> dict[str, _Section]:
    """Every section by name (64-bit little-endian ELF); one without bytes in the file has only a size."""
    if image[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a cubin: no 64-bit ELF header")
    (table,) = struct.unpack_from("<Q", image, 0x28)
    entry_size, count, names_index = struct.unpack_from("<HHH", image, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", image, table + i * entry_size) for i in range(count)]
    names = headers[names_index][4]
    found = {}
    for name, kind, _flags, _address, offset, size in headers:
        no_bits = kind == 8
        data = b"" if no_bits else image[offset : offset + size]
        found[_text(image, names + name)] = _Section(data, size)
    return found


def _symbols(sections: dict[str, _Section]) -> list[str]:
    table, names = sections[".symtab"].data, sections[".strtab"].data
    return [_text(names, name) for name, _info, _other, _section, _value, _size in struct.iter_unpack("<IBBHQQ", table)]


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()


def _attributes(section: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(section):
        form, code, value = struct.unpack_from("<BBH", section, at)
        at += 4
        if form == _SIZED:
            yield code, section[at : at + value]
            at += value
