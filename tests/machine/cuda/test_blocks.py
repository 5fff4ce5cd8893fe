"""Device memory under a memory checker: exactly what was asked for, so that it sees what kbench's guards would hide."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from kbench.machine.cuda import blocks
from kbench.machine.cuda.memory import GuardedMemory
from kbench.machine.pool import Slot


class Pointer:
    def __init__(self, ptr: int) -> None:
        self.ptr = ptr


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What was asked of CuPy: from its pool, or of the driver."""
    calls: list[tuple[str, int]] = []

    def alloc(nbytes: int) -> Pointer:
        calls.append(("pool", nbytes))
        return Pointer(0x10000)

    def memory(nbytes: int) -> int:
        calls.append(("driver", nbytes))
        return 0x20000

    errors = {"driver": SimpleNamespace(CUDADriverError=OSError), "runtime": SimpleNamespace(CUDARuntimeError=OSError)}
    made = {"alloc": alloc, "Memory": memory, "MemoryPointer": lambda memory, offset: Pointer(memory + offset)}
    cuda = SimpleNamespace(**made, **errors)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda))
    monkeypatch.setitem(sys.modules, "cupy.cuda", cuda)  # type: ignore[arg-type]
    monkeypatch.delenv("KBENCH_PROFILER", raising=False)
    return calls


def test_guard_bands_stand_around_an_array(asked: list[tuple[str, int]]) -> None:
    block = blocks.DeviceBlock(1000)
    assert asked == [("pool", 2 * blocks.GUARD + 1024)]
    assert block.address == 0x10000 + blocks.GUARD
    before, after = block.bands()
    assert before == (0x10000, blocks.GUARD)
    assert after == (block.address + 1000, blocks.GUARD + 24)


@pytest.mark.parametrize(("tool", "bare"), [("sanitizer", True), ("ncu", False), ("nsys", False)])
def test_a_checker_gets_arrays_of_their_own_size(
    asked: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, tool: str, bare: bool
) -> None:
    monkeypatch.setenv("KBENCH_PROFILER", tool)
    block = blocks.DeviceBlock(1000)
    assert asked == ([("driver", 1000)] if bare else [("pool", 2 * blocks.GUARD + 1024)])
    assert (block.address == 0x20000) is bare
    assert (block.bands() == ()) is bare


def test_outputs_can_be_left_as_they_are() -> None:
    filled: list[int] = []
    memory = object.__new__(GuardedMemory)
    owner = memory._owner = object()
    slots: list[Any] = []
    for index in range(3):
        block = SimpleNamespace(fill=lambda source, stream, index=index: filled.append(index), host=True)
        slots.append(Slot(block))
    memory._slots, memory._sources = slots, [(n, None) for n in (1, 2, 3)]
    memory._pool = SimpleNamespace(stream=0, guards=lambda bands: SimpleNamespace(fill=lambda: None))  # type: ignore[assignment]
    memory.buffers = [slot.block for slot in slots]
    memory.restore(but={1})
    assert filled == [0, 2]
    assert all(slot.holds(owner, source) for slot, source in zip(slots, (1, 2, 3), strict=True)), "a run refills none"
