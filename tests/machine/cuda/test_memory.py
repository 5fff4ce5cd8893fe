"""Guard bands and what they say, as far as host memory and words go: no GPU is needed for these."""

from __future__ import annotations

import ctypes

import numpy as np

from kbench.intent.op import HostArray, Launch, Op, Pointers
from kbench.machine.cuda.blocks import GUARD, HostBlock
from kbench.machine.cuda.damage import describe
from kbench.machine.cuda.kernel import Packed
from kbench.machine.cuda.memory import Damage
from kbench.machine.layout import Operand, layout


def pageable(array: np.ndarray) -> HostBlock:
    buffer = HostBlock(array.nbytes, None)
    buffer.fill(array.ctypes.data)
    return buffer


def test_a_host_buffer_holds_the_initial_contents_between_intact_guards() -> None:
    array = np.arange(1001, dtype=np.int16)
    buffer = pageable(array)
    operand = Operand(0, 20, (5, 2), array.dtype, (8, 2), 20)
    assert np.array_equal(buffer.view(operand), [[10, 11], [14, 15], [18, 19], [22, 23], [26, 27]])
    buffer.view(operand)[...] = 0
    assert buffer.overwritten() is None
    buffer.fill(array.ctypes.data)
    assert buffer.view(operand)[0, 0] == 10


def test_every_byte_outside_a_host_buffer_is_watched() -> None:
    array = np.zeros(1001, np.uint8)
    buffer = pageable(array)
    (before, _), (after, length) = buffer.bands()
    assert (before + GUARD, after) == (buffer.address, buffer.address + 1001)
    assert length >= GUARD
    for address, expected in (
        (buffer.address - 1, (True, GUARD - 1, GUARD - 1)),
        (before, (True, 0, 0)),
        (after, (False, 0, 0)),
        (after + length - 1, (False, length - 1, length - 1)),
    ):
        byte = ctypes.c_uint8.from_address(address)
        byte.value ^= 0x01
        assert buffer.overwritten() == expected
        buffer.fill(array.ctypes.data)
        assert buffer.overwritten() is None


def test_guards_of_two_buffers_differ_so_that_an_overrunning_copy_shows() -> None:
    one, two = pageable(np.zeros(64, np.uint8)), pageable(np.zeros(64, np.uint8))
    (_, (source, _)), (_, (target, _)) = one.bands(), two.bands()
    ctypes.memmove(target, source, 16)
    assert two.overwritten() is not None


def test_guard_bytes_are_those_of_instruments_cu() -> None:
    address = 0x7F12_3456_7890
    by_hand = [(((address + i) * 0x9E3779B97F4A7C15) % 2**64) >> 56 for i in range(300)]
    assert HostBlock._pattern(address, 300).tolist() == by_hand


def described(damage: Damage, *args: object) -> str:
    output = next(a for a in args if isinstance(a, np.ndarray))
    step = Launch(grid=1, block=1, args=args)
    op = Op(steps=(step,), outputs={"y": (output, output)}, bytes_read=1)
    found = layout(op)
    tables = {id(a): Operand(len(found.bases), 0, (2,), np.dtype("u8"), (8,), 16) for a in args}
    return describe(damage, op, found, tables, 4096 if damage.buffer < len(found.bases) else 16)


def test_damage_names_the_argument_and_the_offsets_from_it() -> None:
    y, x = np.zeros(1024, np.float32), np.ones(1024, np.float32)
    words = described(Damage(1, False, 0, 15), y, x, 3)
    assert words == (
        "argument 1 (float32[1024], 4096 bytes): memory past its end was overwritten, byte offsets +0 to +15 past it"
    )
    words = described(Damage(0, True, -16, -1), y, x, 3)
    assert words == (
        "argument 0 (float32[1024], 4096 bytes): memory before its start was overwritten, byte offsets -16 to -1"
    )


def test_damage_around_views_is_told_from_the_view_that_reaches_it() -> None:
    whole = np.zeros(1024, np.float32)
    words = described(Damage(0, False, 2, 3), whole[:256], whole[256:1000])
    assert words.startswith("argument 1 (float32[744], 2976 bytes)")
    assert "byte offsets +98 to +99 past it" in words
    words = described(Damage(0, True, -1, -1), whole[:256], whole[256:])
    assert words.startswith("argument 0 ")
    words = described(Damage(0, True, -1, -1), whole[512:], whole[256:])
    assert words.startswith("argument 1 ")
    assert "byte offsets -1025 to -1025" in words


def test_damage_behind_pointers_and_in_host_memory() -> None:
    a, b, y = np.zeros(4), np.ones(4), np.zeros(512)
    assert described(Damage(2, False, 0, 0), y, Pointers([a, b])).startswith("argument 1, array 1 of its Pointers")
    table = described(Damage(3, False, 0, 0), y, Pointers([a, b]))
    assert table.startswith("argument 1, the table of addresses itself")
    assert described(Damage(1, False, 0, 0), y, HostArray(a)).startswith("argument 1 in host memory (float64[4]")


def test_parameters_are_packed_as_the_driver_reads_them() -> None:
    struct = np.frombuffer(b"twenty bytes of data", "V20")[0]
    assert parameters(Packed([0x7F0000001000, np.float32(1.5), struct, np.uint8(3)]), (8, 4, 20, 1)) == [
        [(0x7F0000001000).to_bytes(8, "little"), np.float32(1.5).tobytes(), struct.tobytes(), b"\x03"]
    ]
    assert parameters(Packed([]), ()) == [[]]


def test_parameters_are_packed_for_many_buffer_sets_at_once() -> None:
    sets = np.array([0x1000, 0x2200, 0x7F00_0000_3400], np.uint64)
    found = parameters(Packed([sets, np.int32(-7), sets + np.uint64(16)], 3), (8, 4, 8))
    for row, address in zip(found, sets.tolist(), strict=True):
        assert row == [address.to_bytes(8, "little"), np.int32(-7).tobytes(), (address + 16).to_bytes(8, "little")]


def parameters(packed: Packed, sizes: tuple[int, ...]) -> list[list[bytes]]:
    """What the driver would read for each set."""
    found = []
    for where in packed.addresses:
        addresses = (ctypes.c_uint64 * len(sizes)).from_address(where)
        assert all(address % 16 == 0 for address in addresses)
        found.append([ctypes.string_at(a, size) for a, size in zip(addresses, sizes, strict=True)])
    return found
