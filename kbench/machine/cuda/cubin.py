"""What a cubin says of its kernels: parameter sizes and the thread limit, from its .nv.info sections."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

_KPARAM_INFO, _MAX_THREADS = 0x17, 0x05  # EIATTR codes, as cuobjdump -elf names them
_SIZED = 0x04  # attribute formats: 4 has a 16-bit length and data, the others carry 16 bits in place


class KernelInfo(msgspec.Struct, frozen=True):
    """param_sizes: bytes of each parameter in order; max_threads: what __launch_bounds__ allows, None without one."""

    param_sizes: tuple[int, ...]
    max_threads: int | None


def kernel_info(image: bytes, symbol: str) -> KernelInfo:
    """The facts of one kernel of a cubin, by its lowered name. Raises KeyError where the cubin has no such kernel."""
    sizes: dict[int, int] = {}
    max_threads = None
    for code, data in _attributes(_sections(image)[f".nv.info.{symbol}"]):
        if code == _KPARAM_INFO:
            _index, ordinal, _offset, packed = struct.unpack("<IHHI", data)
            sizes[ordinal] = packed >> 18  # below: log2 of the alignment, memory space, constant bank
        elif code == _MAX_THREADS:
            x, y, z = struct.unpack("<III", data)
            max_threads = x * y * z
    return KernelInfo(tuple(size for _, size in sorted(sizes.items())), max_threads)


def _sections(image: bytes) -> dict[str, bytes]:
    """Every section that has bytes in the file, by name (64-bit little-endian ELF)."""
    if image[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a cubin: no 64-bit ELF header")
    (table,) = struct.unpack_from("<Q", image, 0x28)
    entry_size, count, names_index = struct.unpack_from("<HHH", image, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", image, table + i * entry_size) for i in range(count)]
    names = headers[names_index][4]
    found = {}
    for name, kind, _flags, _address, offset, size in headers:
        end = image.index(b"\0", names + name)
        no_bits = kind == 8
        found[image[names + name : end].decode()] = b"" if no_bits else image[offset : offset + size]
    return found


def _attributes(section: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(section):
        form, code, value = struct.unpack_from("<BBH", section, at)
        at += 4
        if form == _SIZED:
            yield code, section[at : at + value]
            at += value
