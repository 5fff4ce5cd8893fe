"""CUPTI's buffers: filled here as CUPTI fills them, by a library that steps over records as CUPTI does."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kbench.errors import ClockError
from kbench.machine.cuda.buffers import Buffers, Layout, loaded

KERNEL = np.dtype({"names": ["kind", "start", "end", "correlation_id", "name"],
                   "formats": ["i4", "u8", "u8", "u4", "i8"], "offsets": [0, 16, 24, 92, 104],
                   "itemsize": 216})  # fmt: skip
COPY = np.dtype({"names": ["kind", "bytes", "start", "end", "correlation_id"],
                 "formats": ["i4", "u8", "u8", "u8", "u4"], "offsets": [0, 8, 16, 24, 44],
                 "itemsize": 96})  # fmt: skip
KERNELS, COPIES = 10, 1
OTHER, OTHER_BYTES = 77, 40
SIZES = {KERNELS: KERNEL.itemsize, COPIES: COPY.itemsize, OTHER: OTHER_BYTES}
NAME = ctypes.create_string_buffer(b"_Z4copyPf")


class Library:
    """As much of CUPTI as Buffers calls. asked: how often it was asked for the next record."""

    def __init__(self, status: int = 0) -> None:
        self.asked, self.status = 0, status
        self.give: Any = None
        self.take: Any = None

        @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
        def following(buffer: int, valid: int, record: int) -> int:
            self.asked += 1
            at = ctypes.c_void_p.from_address(record)
            kind = ctypes.c_uint32.from_address(at.value or 0).value
            if kind not in SIZES:
                return 8
            at.value = (at.value or 0) + SIZES[kind]
            return 12 if (at.value or 0) + OTHER_BYTES > buffer + valid else 0

        self.cuptiActivityGetNextRecord = following

    def cuptiActivityRegisterCallbacks(self, give: Any, take: Any) -> int:  # noqa: N802
        self.give, self.take = give, take
        return self.status

    def deliver(self, records: bytes, missing: int = 0) -> int:
        """Ask for a buffer, fill it and hand it over; its address."""
        address, size, most = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t(9)
        self.give(ctypes.byref(address), ctypes.byref(size), ctypes.byref(most))
        assert address.value
        assert (address.value % 8, most.value) == (0, 0)
        assert size.value >= len(records)
        ctypes.memmove(address.value, records, len(records))
        self.take(None, 0, address.value, size.value, len(records) - missing)
        return address.value


def kernel(correlation: int, start: int, end: int) -> bytes:
    found = np.zeros(1, KERNEL)
    found[0] = (KERNELS, start, end, correlation, ctypes.addressof(NAME))
    return found.tobytes()


def copy(correlation: int, start: int, end: int, nbytes: int) -> bytes:
    found = np.zeros(1, COPY)
    found[0] = (COPIES, nbytes, start, end, correlation)
    return found.tobytes()


OTHERS = np.array([OTHER, *[0] * (OTHER_BYTES // 4 - 1)], np.int32).tobytes()


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
def buffers(library: Library) -> Buffers:
    stamps = ("correlation_id", "start", "end")
    layouts = {KERNELS: Layout(KERNEL, (*stamps, "name")), COPIES: Layout(COPY, (*stamps, "bytes"))}
    made = Buffers(library, layouts)
    made.register()
    return made


def test_records_of_several_kinds_come_out_as_they_went_in(library: Library, buffers: Buffers) -> None:
    library.deliver(kernel(5, 100, 2**40) + copy(4, 90, 95, 2**33) + OTHERS + kernel(6, 200, 300))
    library.deliver(copy(7, 400, 401, 8))
    expected = [
        (KERNELS, 5, 100, 2**40, "_Z4copyPf"),
        (COPIES, 4, 90, 95, 2**33),
        (KERNELS, 6, 200, 300, "_Z4copyPf"),
        (COPIES, 7, 400, 401, 8),
    ]
    assert buffers.activities() == expected
    assert buffers.activities()[1].bytes == 2**33
    assert buffers.activities() == expected  # they stay, until they are forgotten
    buffers.forget()
    assert buffers.activities() == []


def test_cupti_is_asked_once_for_the_length_of_each_kind(library: Library, buffers: Buffers) -> None:
    library.deliver(b"".join(kernel(n, n + 1, n + 2) for n in range(1000)) + OTHERS)
    assert len(buffers.activities()) == 1000
    library.deliver(kernel(1, 2, 3) + copy(1, 2, 3, 4))
    assert len(buffers.activities()) == 1002
    assert library.asked == 3


def test_what_was_forgotten_unread_does_not_come_back_and_its_memory_does(library: Library, buffers: Buffers) -> None:
    first = library.deliver(kernel(1, 2, 3))
    buffers.forget()
    second = library.deliver(kernel(2, 3, 4))
    assert second == first
    assert [a.correlation_id for a in buffers.activities()] == [2]
    assert library.deliver(b"") == first  # an empty one is free again at once
    assert library.deliver(kernel(3, 4, 5)) == first
    assert [a.correlation_id for a in buffers.activities()] == [2, 3]


def test_a_buffer_that_is_not_what_it_should_be_is_an_error(library: Library, buffers: Buffers) -> None:
    library.deliver(kernel(1, 2, 3) + kernel(2, 3, 4))
    buffers.activities()
    library.deliver(kernel(1, 2, 3) + kernel(2, 3, 4), missing=100)
    with pytest.raises(ClockError, match="end 100 bytes behind"):
        buffers.activities()
    library.deliver(b"\x09\0\0\0" + bytes(36))
    with pytest.raises(ClockError, match="gave status 8"):
        buffers.activities()


def test_a_cupti_that_takes_no_callbacks_says_so() -> None:
    with pytest.raises(OSError, match="gave status 15"):
        Buffers(Library(status=15), {}).register()


def test_a_record_without_a_name_is_none_that_ends_the_process(library: Library, buffers: Buffers) -> None:
    """CUPTI's forced flush hands over what it does not know all of yet."""
    nameless = np.zeros(1, KERNEL)
    nameless["kind"] = KERNELS
    library.deliver(nameless.tobytes() + kernel(1, 2, 3))
    assert [(a.name, a.start) for a in buffers.activities()] == [("", 0), ("_Z4copyPf", 2)]


def test_the_length_of_a_last_record_is_not_kept(library: Library, buffers: Buffers) -> None:
    """All that CUPTI says of it is that none follows."""
    library.deliver(kernel(1, 2, 3) + bytes(8))
    assert len(buffers.activities()) == 1
    library.deliver(kernel(2, 3, 4) + kernel(3, 4, 5))
    assert [a.correlation_id for a in buffers.activities()] == [1, 2, 3]


def test_a_buffer_is_not_given_away_while_it_is_read(library: Library, buffers: Buffers) -> None:
    given: list[int] = []
    plain = library.cuptiActivityGetNextRecord

    def following(buffer: int, valid: int, record: Any) -> int:
        given.append(library.deliver(kernel(9, 9, 9)))
        return int(plain(buffer, valid, record))

    buffers._next = following
    first = library.deliver(kernel(1, 2, 3) + kernel(2, 3, 4))
    assert [a.correlation_id for a in buffers.activities()][:2] == [1, 2]
    assert given[0] != first
    assert library.deliver(b"") in {first, *given}


def test_buffers_may_be_asked_for_and_handed_over_by_several_threads(library: Library, buffers: Buffers) -> None:
    def work() -> None:
        for number in range(200):
            library.deliver(kernel(number, 1, 2))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        buffers.activities()
    assert len(buffers.activities()) == 800


def test_a_loaded_library_is_found_by_its_name() -> None:
    assert loaded("libc.so.6").strlen(b"four") == 4
    with pytest.raises(OSError, match="libnowhere"):
        loaded("libnowhere.so")


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_of_two_libraries_of_one_name_the_one_is_found_that_holds_a_function(tmp_path: Path) -> None:
    for number in (1, 2):  # two of one name, in folders that no careless reader of /proc/self/maps gets right
        folder = tmp_path / f"of {number} (deleted)"
        folder.mkdir()
        source = folder / "twice.c"
        source.write_text(f"int number(void) {{ return {number}; }}\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "libtwice.so.1", source], check=True)
    libraries = [ctypes.CDLL(str(tmp_path / f"of {number} (deleted)" / "libtwice.so.1")) for number in (1, 2)]
    for number, library in enumerate(libraries, 1):
        assert library.number() == number
        address = ctypes.cast(library.number, ctypes.c_void_p).value
        assert loaded("libtwice.so", address).number() == number
