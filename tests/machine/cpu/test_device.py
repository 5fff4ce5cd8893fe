"""CpuDevice and what it binds: the contract, aliases, tables, copies, calls, poison, restoring, the clock."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from kbench.errors import DeviceError, KernelFault, SpecError, UsageError
from kbench.intent.op import Call, Copy, CopyBatch, HostArray, Launch, Op, Out, Pointers
from kbench.machine.cpu.bound import CpuBound
from kbench.machine.device import POISON, Bound, Device
from tests.machine.cpu.conftest import Runner, op_of


def as_contract(device: Device, bound: Bound) -> None:
    """Checked by mypy: the cpu's classes fit the protocols."""


def test_the_contract(cpu: Runner) -> None:
    bound = scale(cpu, np.ones(4, np.float32))
    as_contract(cpu.device, bound)
    info = cpu.device.info
    assert (info.kind, info.label, info.peak_bytes_per_s, info.multiprocessors) == ("cpu", "cpu (emulated)", None, None)
    assert info.name
    assert info.uid.startswith("cpu-")
    assert (bound.occupancy(), bound.registers()) == (None, None)
    assert cpu.device.target().arch == "fast"
    bound.close()
    bound.close()


def scale(cpu: Runner, x: Any, y: Any = None, **options: Any) -> CpuBound:
    """y = 3 x, in place where no y is given."""
    y = x if y is None else y
    launch = Launch(grid=1, block=256, args=(y, x, 3.0, x.size))
    op = Op(steps=(launch,), outputs={"y": (y, y)}, bytes_read=1)
    return cpu.device.bind(op, [cpu.compile("steps.cu", "scale<float>")], **options)


def test_poison_restore_and_read(cpu: Runner) -> None:
    x, y = np.arange(100, dtype=np.float32), np.full(100, 7, np.float32)
    bound = scale(cpu, x, y)
    bound.restore({})
    assert np.array_equal(bound.read("y"), y)
    bound.restore({"y": True})
    assert (bound.read("y").view(np.uint8) == POISON).all()
    bound.run()
    assert np.array_equal(bound.read("y"), x * 3)
    bound.restore({"y": np.array([3, 99])})
    poisoned = bound.read("y").view(np.uint8).reshape(100, 4)
    assert np.flatnonzero((poisoned == POISON).all(1)).tolist() == [3, 99]
    bound.restore({"y": False})
    assert np.array_equal(bound.read("y"), y)
    assert np.array_equal(y, np.full(100, 7))  # the caller's own array is never touched
    bound.close()


def test_poison_of_strided_outputs_and_of_every_item_size(cpu: Runner) -> None:
    for dtype in (np.bool_, np.float16, ml_dtypes.bfloat16, np.int32, np.complex64, np.complex128):
        base = np.zeros((6, 8), dtype)
        op = Op(steps=(Call(lambda a: None, (base,)),), outputs={"y": Out(base[::2, 1:5], None)}, bytes_read=1)
        bound = cpu.device.bind(op, [None])
        bound.restore({"y": True})
        assert (np.ascontiguousarray(bound.read("y")).view(np.uint8) == POISON).all()
        bound.restore({"y": np.array([0, 11])})
        read = np.ascontiguousarray(bound.read("y")).view(np.uint8).reshape(12, -1)
        assert np.flatnonzero((read == POISON).all(1)).tolist() == [0, 11]
        bound.close()


def test_views_of_one_base_stay_aliases_and_inputs_that_are_also_outputs_are_writable(cpu: Runner) -> None:
    x = np.arange(64, dtype=np.float32)
    in_place = scale(cpu, x)
    in_place.run()
    in_place.run()
    assert np.array_equal(in_place.read("y"), x * 9)
    in_place.close()
    shifted = scale(cpu, x[:32], x[32:])  # const x and y in one base: the const pointer may not lock it
    shifted.run()
    assert np.array_equal(shifted.read("y"), x[:32] * 3)
    shifted.close()


def test_an_address_table_points_into_the_devices_own_memory(cpu: Runner) -> None:
    caches = np.arange(4 * 64, dtype=np.float32).reshape(4, 64)
    out = np.full((3, 64), 5, np.float32)
    launch = Launch(grid=3, block=64, args=(out, Pointers([caches[2], caches[0], out[2]]), 64))
    binary = cpu.compile("steps.cu", "gather_rows")
    bound = cpu.device.bind(Op(steps=(launch,), outputs={"o": (out, out)}, bytes_read=1), [binary])
    bound.run()
    assert np.array_equal(bound.read("o"), [caches[2], caches[0], np.full(64, 5)])
    bound.close()
    beyond = Launch(grid=5, block=64, args=(np.zeros((5, 64), np.float32), Pointers([caches[0]] * 4), 64))
    bound = cpu.device.bind(Op(steps=(beyond,), outputs={"o": (beyond.args[0], None)}, bytes_read=1), [binary])
    with pytest.raises(KernelFault, match=r"illegal memory read .* argument 1 \(Pointers, 4 addresses\)"):
        bound.run()
    bound.close()


def test_steps_run_one_after_another(cpu: Runner) -> None:
    host = HostArray(np.arange(64, dtype=np.float32))
    device, result = np.zeros(64, np.float32), HostArray(np.zeros(64, np.float32), pinned=False)
    halves = [(result[32:], device[:32]), (result[:32], device[32:])]

    def add_one(array: Any, given: HostArray) -> None:
        assert isinstance(given, HostArray)
        array += 1

    steps = (
        Copy(device, host),
        Launch(grid=1, block=64, args=(device, device, 2.0, 64)),
        Call(add_one, (device, host)),
        CopyBatch(halves),
    )
    op = Op(steps=steps, outputs={"d": (device, None), "r": (result, None)}, bytes_read=1)
    bound = cpu.device.bind(op, [None, cpu.compile("steps.cu", "scale<float>"), None, None])
    for _ in range(2):
        bound.restore({"d": True, "r": True})
        bound.run()
        assert np.array_equal(bound.read("d"), np.arange(64) * 2 + 1)
        assert np.array_equal(bound.read("r"), np.roll(np.arange(64) * 2 + 1, 32))
    batch = bound.sample(3, clock="auto", cache="warm")
    assert len(batch.elapsed_s) == 3
    assert "perf_counter around all steps" in batch.note
    bound.close()


def test_many_copies_run_in_native_code(cpu: Runner) -> None:
    src = np.random.default_rng(0).integers(0, 255, (16384, 64), dtype=np.uint8)
    dst, order = np.zeros_like(src), np.random.default_rng(1).permutation(16384)
    op = Op(
        steps=(CopyBatch([(dst[i], src[j]) for i, j in enumerate(order)]),), outputs={"d": (dst, None)}, bytes_read=1
    )
    bound = cpu.device.bind(op, [None])
    bound.restore({"d": True})
    bound.run()
    assert np.array_equal(bound.read("d"), src[order])
    batch = bound.sample(5, clock="host", cache="warm")
    assert max(batch.elapsed_s) < 0.05
    assert "launcher" in batch.note
    bound.close()


def test_samples(cpu: Runner) -> None:
    bound = scale(cpu, np.ones(256, np.float32))
    assert bound.clock("auto") == ("host", bound.clock("host")[1])
    for cache in ("cold", "warm"):
        batch = bound.sample(4, clock="auto", cache=cache)
        assert (batch.clock, batch.cache, len(batch.elapsed_s), batch.submit_s) == ("host", cache, 4, ())
        assert all(0 < t < 1 for t in batch.elapsed_s)
        assert 0 < batch.floor_s < 0.01
        assert "no measure of a GPU" in batch.note
        assert ("read-only pass over" in batch.note) == (cache == "cold")
    bound.close()


def test_sampling_runs_the_steps_exactly_as_often_as_asked(cpu: Runner) -> None:
    x = np.ones(16, np.float32)
    bound = scale(cpu, x)
    bound.sample(3, clock="auto", cache="warm")
    assert np.array_equal(bound.read("y"), x * 27)
    bound.close()


def test_what_cannot_be_asked_of_the_cpu(cpu: Runner) -> None:
    x = np.ones(16, np.float32)
    bound = scale(cpu, x)
    with pytest.raises(UsageError, match="no clock 'events': only host"):
        bound.clock("events")
    with pytest.raises(UsageError, match="cold or warm, not 'sustained'"):
        bound.sample(1, clock="host", cache="sustained")
    bound.close()
    with pytest.raises(UsageError, match="unknown thread order 'backward'"):
        scale(cpu, x, order="backward")
    with pytest.raises(UsageError, match="not at 'middle'"):
        scale(cpu, x, place="middle")
    with pytest.raises(UsageError, match="no build mode 'slow'"):
        cpu.device.target("slow")
    clustered = Launch(grid=2, block=32, args=(x, x, 1.0, 16), cluster=2)
    with pytest.raises(UsageError, match="clusters"):  # a reason to skip
        cpu.device.bind(
            Op(steps=(clustered,), outputs={"x": (x, x)}, bytes_read=1), [cpu.compile("steps.cu", "scale<float>")]
        )
    with pytest.raises(DeviceError, match="not tsan"):
        cpu.device.bind(op_of(1, 32, [x, x, 1.0, 16]), [cpu.compile("steps.cu", "scale<float>", "tsan")])


def test_arguments_are_checked_when_bound(cpu: Runner) -> None:
    x = np.ones(16, np.float32)
    binary = cpu.compile("steps.cu", "scale<float>")
    for args, message in (
        ((x, x, 1.0), "takes 4 arguments, got 3"), ((x, x.astype(np.float64), 1.0, 16), "argument 1 .* float64"),
        ((x, x, 1.0, 16.0), "argument 3 is an integer"), ((x, x[::2], 1.0, 8), "argument 1 is a view with gaps"),
    ):  # fmt: skip
        with pytest.raises(SpecError, match=message):
            cpu.device.bind(op_of(1, 32, args), [binary])


def test_empty_arrays_and_null_pointers(cpu: Runner) -> None:
    empty = np.zeros(0, np.float32)
    cpu.run("steps.cu", "scale<float>", 1, 32, [empty, empty, 1.0, 0])
    out = cpu.run("steps.cu", "is_null", 1, 1, [np.full(1, 7, np.int32), None])
    assert out[0][0] == 1


def test_many_kernels_one_after_another_leave_no_mappings_behind(cpu: Runner) -> None:
    """A sweep binds thousands of kernels in one process; the kernel's limit is 65,530 mappings."""
    x = np.arange(256, dtype=np.float32)
    binary = cpu.compile("bugs.cu", "race_fixed")

    def mappings() -> int:
        with open("/proc/self/maps") as maps:  # noqa: PTH123
            return sum(1 for _ in maps)

    counts = []
    for _ in range(30):
        bound = cpu.device.bind(op_of(4, 256, [np.zeros_like(x), x, 256]), [binary], workers=1)
        bound.run()
        bound.close()
        counts.append(mappings())
    assert counts[-1] <= counts[4] + 8
