"""Aliases, views and long copy lists: every operand is found in the right base at the right offset."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from kbench.errors import SpecError
from kbench.intent.op import Call, Copy, CopyBatch, HostArray, Launch, Op, Pointers
from kbench.machine.layout import Operand, Table, Transfers, layout


def _op(*steps: Any, **outputs: Any) -> Op:
    return Op(steps=steps, outputs={k: (v, v) for k, v in outputs.items()}, bytes_read=1)


def _launch(*args: Any) -> Launch:
    return Launch(grid=1, block=1, args=args)


def _rebuild(operand: Operand, contents: list[bytes]) -> np.ndarray:
    return np.ndarray(operand.shape, operand.dtype, contents[operand.base], operand.offset, operand.strides)


def _bytes(found: Any) -> list[bytes]:
    import ctypes

    return [ctypes.string_at(base.address, base.nbytes) for base in found.bases]


def test_views_of_one_array_share_a_base_and_keep_their_offsets() -> None:
    x = np.arange(100, dtype=np.int32)
    found = layout(_op(_launch(x[10:20], x.reshape(10, 10)[3], x, 7), y=x[50:]))
    assert len(found.bases) == 1
    first, second, whole, number = found.steps[0]
    assert (first.offset, second.offset, whole.offset, number) == (40, 120, 0, 7)
    for operand, array in ((first, x[10:20]), (second, x[30:40]), (found.outputs["y"], x[50:])):
        assert np.array_equal(_rebuild(operand, _bytes(found)), array)


def test_strided_and_reversed_views_are_rebuilt() -> None:
    x = np.arange(60, dtype=np.float64).reshape(6, 10)
    views = [x[::2, 1::3], x[::-1], x.T, np.broadcast_to(x[0], (4, 10)), x[2:2]]
    found = layout(_op(Call(print, (*views, x)), y=x))
    assert len(found.bases) == 1
    for operand, view in zip(found.steps[0], views, strict=False):
        assert np.array_equal(_rebuild(operand, _bytes(found)), view)


def test_two_arrays_over_one_buffer_are_one_base() -> None:
    buffer = bytearray(64)
    low, high, other = np.frombuffer(buffer, np.uint8, 40), np.frombuffer(buffer, np.uint8, 40, 24), np.zeros(3)
    found = layout(_op(_launch(other, high, low), y=other))
    assert [b.nbytes for b in found.bases] == [24, 64]  # in the order of first use
    assert [o.offset for o in found.steps[0]] == [0, 24, 0]
    apart = np.frombuffer(buffer, np.uint8, 8, 56)
    assert len(layout(_op(_launch(np.frombuffer(buffer, np.uint8, 8), apart), y=apart)).bases) == 2


def test_pointer_tables_host_arrays_and_outputs() -> None:
    cache = np.zeros((4, 32), np.float16)
    pinned = HostArray(np.zeros((8, 16), np.uint8))
    found = layout(_op(_launch(Pointers([cache[2], cache[0]]), pinned[3]), y=cache))
    table, host = found.steps[0]
    assert isinstance(table, Table)
    assert [o.offset for o in table.operands] == [128, 0]
    assert host.host
    assert host.offset == 48
    assert [(b.host, b.pinned) for b in found.bases] == [(False, False), (True, True)]


def test_copies_become_rows() -> None:
    dst, src = np.zeros((8, 4), np.int32), HostArray(np.ones((8, 4), np.int32), pinned=False)
    found = layout(_op(CopyBatch([(dst[7], src[1]), (dst[0], src[2])]), Copy(dst[1], src[3]), y=dst))
    batch, one = found.steps
    assert isinstance(batch, Transfers)
    assert batch.dst_offset.tolist() == [112, 0]
    assert batch.src_offset.tolist() == [16, 32]
    assert batch.nbytes.tolist() == [16, 16]
    assert (one.dst_base.tolist(), one.src_base.tolist(), one.src_offset.tolist()) == ([0], [1], [48])


def test_sixteen_thousand_copies_are_laid_out_quickly() -> None:
    dst, src = np.zeros((16384, 64), np.uint8), np.ones((16384, 64), np.uint8)
    order = np.random.default_rng(0).permutation(16384)
    pairs = [(dst[i], src[j]) for i, j in enumerate(order)]
    start = time.perf_counter()
    found = layout(_op(CopyBatch(pairs), y=dst))
    assert time.perf_counter() - start < 1.0
    assert np.array_equal(found.steps[0].src_offset, order * 64)


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (lambda x: _op(_launch(x), y=x.copy()), "output 'y' is not an argument of any step"),
        (lambda x: _op(_launch(x, HostArray(x[2:])), y=x), "both as HostArray and as a plain array"),
        (lambda x: _op(Copy(x[:4], x[4:9]), y=x), "destination has 16 bytes, source 20"),
        (lambda x: _op(CopyBatch([(x[:2], x[2:4]), (x[::2], x[1::2])]), y=x), "copy 1: an array with gaps"),
        (lambda x: _op(Copy(x[:8], x[6:14]), y=x), "copy 0: destination and source overlap"),
        (lambda x: _op(Copy(x, 3), y=x), "expected an array, got int"),
    ],
)
def test_mistakes_are_named(op: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        layout(op(np.zeros(16, np.int32)))
