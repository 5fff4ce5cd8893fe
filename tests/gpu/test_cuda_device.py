"""The cuda device on a real GPU: memory, arguments, steps and faults."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kbench.errors import DeviceError, SpecError, UsageError
from kbench.intent.op import Call, Copy, CopyBatch, HostArray, Launch, Op, Pointers
from kbench.machine.build import BuildRequest, build

pytestmark = pytest.mark.gpu
N = 1024


def host(array: np.ndarray, pinned: bool = True) -> HostArray:
    return HostArray(array, pinned)


# ---------------------------------------------------------------- the device itself
def test_what_the_driver_says_of_the_gpu(gpu: Any) -> None:
    info = gpu.info
    assert info.kind == "cuda"
    assert info.uid.startswith(("GPU-", "MIG-"))
    assert gpu.target().arch == info.arch
    assert int(info.arch.removeprefix("sm_")) >= 75
    assert info.multiprocessors > 0
    assert info.l2_bytes > 2**20
    assert info.memory_bytes > 2**30
    assert info.max_threads_per_sm >= 1024
    if info.memory_clock_hz and info.bus_bits:
        assert info.peak_bytes_per_s == 2 * info.memory_clock_hz * info.bus_bits / 8


def test_nvml_and_cuda_mean_the_same_gpu(gpu: Any) -> None:
    from kbench.machine.cuda.visible import gpus

    found, missing = gpus()
    if not found:
        pytest.skip(missing)
    assert (found[0].uid, found[0].arch, found[0].driver) == (gpu.info.uid, gpu.info.arch, gpu.info.driver)


def test_a_gpu_that_is_not_there(gpu: Any) -> None:
    from kbench.machine.cuda.device import CudaDevice

    with pytest.raises(DeviceError, match="there is no GPU 99"):
        CudaDevice(99)


def test_a_gpu_takes_no_options_of_the_cpu(gpu: Any) -> None:
    with pytest.raises(UsageError, match="order"):
        gpu.bind(None, (), order="reverse")


# ---------------------------------------------------------------- running kernels
@pytest.mark.parametrize(("ctype", "dtype"), [("float", "float32"), ("__half", "float16")])
def test_a_template_kernel_runs_on_copies_of_its_arguments(gpu: Any, bind: Any, ctype: str, dtype: str) -> None:
    xp = gpu.xp
    x, y = xp.arange(N, dtype=dtype), xp.zeros(N, dtype)
    bound = bind(Launch(entry=f"scale<{ctype}>", grid=8, block=128, args=(y, x, 2, N)), outputs={"y": y})
    bound.run()
    assert xp.array_equal(bound.read("y"), x * 2)
    assert not y.any()
    assert bound.damaged() is None


def test_an_input_that_a_kernel_changes_is_named(gpu: Any, bind: Any) -> None:
    xp = gpu.xp
    x, y = xp.arange(N, dtype="int32"), xp.zeros(N, "int32")
    copying = Copy(y, x)
    bound = bind(copying, outputs={"y": y})
    bound.run()
    assert bound.changed() is None
    bound = bind(Launch(entry="increment", grid=8, block=128, args=(x, N)), copying, outputs={"y": y})
    bound.run()
    assert (bound.changed() or "").startswith(f"step 0, argument 0 (int32[{N}]): changed by the kernel")
    bound.restore({})
    assert bound.changed() is None
    bound = bind(Launch(entry="increment", grid=8, block=128, args=(x, N)), copying, outputs={"y": y}, scratch=[x])
    bound.run()
    assert bound.changed() is None


def test_resources_as_loaded_are_those_that_the_compiler_told(gpu: Any, bind: Any) -> None:
    y = gpu.xp.zeros(N, "float32")
    for entry in ("increment", "late_fill", "scale<float>"):
        told = build(BuildRequest(str(Path(__file__).with_name("device_kernels.cu")), entry, gpu.target()))
        kernel = gpu.kernel(told)
        assert (kernel.registers, kernel.static_shared) == (told.registers, told.shared_bytes)
    bound = bind(Launch(entry="scale<float>", grid=8, block=128, args=(y, y, 1.0, N)), outputs={"y": y})
    assert bound.registers() > 0
    assert 0 < bound.occupancy() <= 1


def test_restore_brings_back_contents_and_poisons_what_is_asked(gpu: Any, bind: Any) -> None:
    xp = gpu.xp
    x = xp.arange(N, dtype="int32")
    bound = bind(Launch(entry="increment", grid=8, block=128, args=(x, N)), outputs={"x": x})
    for _ in range(3):
        bound.run()
    assert xp.array_equal(bound.read("x"), x + 3)
    bound.restore({})
    assert xp.array_equal(bound.read("x"), x)
    bound.restore({"x": True})
    assert (bound.read("x").view("uint8") == 0xFB).all()
    bound.restore({"x": xp.array([1, 5])})
    found = bound.read("x")
    assert found[0] == 0
    assert (found[[1, 5]].view("uint32") == 0xFBFBFBFB).all()
    assert xp.array_equal(found[6:], x[6:])


def test_views_of_one_allocation_still_alias(gpu: Any, bind: Any) -> None:
    xp = gpu.xp
    whole = xp.arange(2 * N, dtype="float32")
    step = Launch(entry="scale<float>", grid=8, block=128, args=(whole[N:], whole[:N], 3, N))
    bound = bind(step, outputs={"whole": whole, "half": whole[N:]})
    bound.run()
    assert xp.array_equal(bound.read("whole"), xp.concatenate([whole[:N], whole[:N] * 3]))
    assert xp.array_equal(bound.read("half"), whole[:N] * 3)


def test_a_struct_by_value(gpu: Any, bind: Any) -> None:
    kind = np.dtype([("slope", "f4"), ("offset", "f8")], align=True)
    y = gpu.xp.zeros(N, "float32")
    how = np.array((2.0, 5.0), kind)[()]
    bound = bind(Launch(entry="affine", grid=8, block=128, args=(y, how, N)), outputs={"y": y})
    bound.run()
    assert np.array_equal(bound.read("y").get(), 2 * np.arange(N, dtype="f4") + 5)


def test_pointers_are_rebuilt_for_the_copies(gpu: Any, bind: Any) -> None:
    xp = gpu.xp
    rows, y = [xp.full(N, 10.0**k, "float32") for k in range(3)], xp.zeros(N, "float32")
    step = Launch(entry="gather", grid=8, block=128, args=(y, Pointers(rows), 3, N))
    bound = bind(step, outputs={"y": y})
    for row in rows:
        row[...] = 0  # these were the initial values; the kernel must not see them
    bound.run()
    assert (bound.read("y") == 111).all()


def test_more_than_48_kib_of_dynamic_shared_memory(gpu: Any, bind: Any) -> None:
    words = 16 * 1024
    x, y = gpu.xp.arange(words, dtype="int32"), gpu.xp.zeros(words, "int32")
    step = Launch(entry="reverse", grid=1, block=256, args=(y, x, words), shared_bytes=4 * words)
    bound = bind(step, outputs={"y": y})
    bound.run()
    assert gpu.xp.array_equal(bound.read("y"), x[::-1])


def test_clusters(gpu: Any, bind: Any) -> None:
    y = gpu.xp.full(16, 99, "uint32")
    step = Launch(entry="ranks", grid=16, block=32, args=(y,), cluster=4)
    if not gpu.has_clusters:
        with pytest.raises(SpecError, match="compute capability"):
            bind(step, outputs={"y": y})
        return
    bound = bind(step, outputs={"y": y})
    bound.run()
    assert bound.read("y").tolist() == [0, 1, 2, 3] * 4


# ---------------------------------------------------------------- what is refused before anything runs
def test_what_does_not_fit_the_kernel_or_the_gpu(gpu: Any, bind: Any) -> None:
    xp = gpu.xp
    x, y = xp.zeros(N, "float32"), xp.zeros(N, "float32")

    def refused(match: str, **changes: Any) -> None:
        step = {"entry": "scale<float>", "grid": 8, "block": 128, "args": (y, x, 1.0, N)} | changes
        with pytest.raises(SpecError, match=match):
            bind(Launch(**step), outputs={"y": y})

    refused("takes 4 arguments, got 3", args=(y, x, 1.0))
    refused("argument 1 is a pointer to float", args=(y, x.astype("float64"), 1.0, N))
    refused("argument 3 is an integer", args=(y, x, 1.0, 2.5))
    refused("2048 threads", block=2048)
    refused("65536", grid=(1, 65536))
    refused("dynamic", shared_bytes=10**6)
    refused("NumPy array: make it with xp", args=(y, np.zeros(N, "f4"), 1.0, N))
    if gpu.has_clusters:
        refused("no multiple of the cluster", cluster=3)


def test_memory_that_does_not_fit_is_a_memory_error_and_harms_nothing(gpu: Any, bind: Any) -> None:
    free = gpu.xp.cuda.runtime.memGetInfo()[0]
    huge = gpu.xp.empty(int(0.6 * free), "uint8")
    half = huge.size // 2
    with pytest.raises(MemoryError):
        bind(Copy(huge[:half], huge[half : 2 * half]), outputs={"y": huge[:half]})
    del huge
    gpu.xp.get_default_memory_pool().free_all_blocks()
    x = gpu.xp.zeros(N, "int32")
    bound = bind(Launch(entry="increment", grid=8, block=128, args=(x, N)), outputs={"x": x})
    bound.run()
    assert (bound.read("x") == 1).all()


# ---------------------------------------------------------------- guard bytes
@pytest.mark.parametrize("n", [N, N - 3])
def test_sixteen_bytes_past_the_end(gpu: Any, bind: Any, n: int) -> None:
    y = gpu.xp.zeros(n, "float32")
    bound = bind(Launch(entry="overrun", grid=8, block=128, args=(y, n, 4)), outputs={"y": y})
    bound.run()
    assert (bound.read("y") == 1).all()
    words = bound.damaged()
    assert words is not None
    assert words.startswith(f"argument 0 (float32[{n}], {4 * n} bytes)")
    assert "byte offsets +0 to +15 past it" in words
    bound.restore({})
    assert bound.damaged() is None


def test_a_byte_before_the_start(gpu: Any, bind: Any) -> None:
    y = gpu.xp.zeros(N, "float32")
    bound = bind(Launch(entry="overrun", grid=8, block=128, args=(y, N, -2)), outputs={"y": y})
    bound.run()
    assert "byte offsets -8 to -1" in (bound.damaged() or "")


def test_an_overrunning_copy_does_not_hide_behind_the_guard_it_copies(gpu: Any, bind: Any) -> None:
    xp = gpu.xp
    x, y = xp.arange(N, dtype="float32"), xp.zeros(N, "float32")
    step = Launch(entry="copy16", grid=9, block=32, args=(y.view("uint8"), x.view("uint8"), N // 4 + 1))
    bound = bind(step, outputs={"y": y})
    bound.run()
    assert "byte offsets +0 to +15 past it" in (bound.damaged() or "")


def test_guards_of_pinned_memory_that_a_kernel_writes(gpu: Any, bind: Any) -> None:
    y = host(np.zeros(N, "f4"))
    bound = bind(Launch(entry="overrun", grid=8, block=128, args=(y, N, 4)), outputs={"y": y})
    bound.run()
    assert "argument 0 in host memory" in (bound.damaged() or "")


def test_a_wild_address_is_a_fault_that_can_be_recognised(tmp_path: Path) -> None:
    source = str(Path(__file__).with_name("device_kernels.cu"))
    script = f"""
from kbench.errors import KernelFault
from kbench.intent.op import Launch, Op
from kbench.machine.build import BuildRequest, build
from kbench.machine.cuda.device import CudaDevice
gpu = CudaDevice()
y = gpu.xp.zeros(64, "float32")
op = Op(steps=[Launch(grid=1, block=32, args=(y,))], outputs={{"y": (y, y)}}, bytes_read=1)
bound = gpu.bind(op, [build(BuildRequest({source!r}, "wild", gpu.target()))])
for attempt in range(2):
    try:
        bound.run()
    except KernelFault as error:
        print(error.kind, error, flush=True)
bound.close()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    for line in lines:
        assert line.startswith("fault wild: ")
        assert "illegal" in line.lower()


# ---------------------------------------------------------------- copies, host memory, library calls, streams
@pytest.mark.parametrize("pinned", [True, False])
def test_copies_between_host_and_device(gpu: Any, bind: Any, pinned: bool) -> None:
    xp = gpu.xp
    data = np.arange(N, dtype="int32")
    up, down = host(data, pinned), host(np.zeros(N, "int32"), pinned)
    there, back = xp.zeros(N, "int32"), xp.zeros(N, "int32")
    steps = (Copy(there, up), Copy(back, there), Copy(down[: N // 2], back[: N // 2]))
    bound = bind(*steps, outputs={"back": back, "down": down}, bytes_h2d=4 * N)
    bound.run()
    assert np.array_equal(bound.read("back").get(), data)
    assert np.array_equal(bound.read("down").get(), np.concatenate([data[: N // 2], np.zeros(N // 2, "int32")]))
    assert bound.clock("auto")[0] == "host"


@pytest.mark.parametrize("direction", ["h2d", "d2h", "d2d"])
def test_a_batch_of_copies(gpu: Any, bind: Any, direction: str) -> None:
    rows = np.arange(64 * N, dtype="int32").reshape(64, N)
    src: Any = host(rows) if direction == "h2d" else gpu.xp.asarray(rows)
    dst: Any = host(np.zeros_like(rows)) if direction == "d2h" else gpu.xp.zeros((64, N), "int32")
    order = np.random.default_rng(1).permutation(64).tolist()
    bound = bind(CopyBatch([(dst[i], src[j]) for i, j in enumerate(order)]), outputs={"dst": dst})
    bound.run()
    assert np.array_equal(bound.read("dst").get(), rows[order])


def test_a_kernel_reads_pinned_memory_in_place(gpu: Any, bind: Any) -> None:
    x, y = host(np.arange(N, dtype="f4")), gpu.xp.zeros(N, "float32")
    bound = bind(Launch(entry="scale<float>", grid=8, block=128, args=(y, x, 2, N)), outputs={"y": y})
    bound.run()
    assert np.array_equal(bound.read("y").get(), 2 * np.arange(N, dtype="f4"))
    rows = Pointers([host(np.full(N, 1.0, "f4")), host(np.full(N, 2.0, "f4"))])
    bound = bind(Launch(entry="gather", grid=8, block=128, args=(y, rows, 2, N)), outputs={"y": y})
    bound.run()
    assert (bound.read("y") == 3).all()


def test_pageable_memory_is_refused_where_the_gpu_cannot_reach_it(gpu: Any, bind: Any) -> None:
    x, y = host(np.arange(N, dtype="f4"), pinned=False), gpu.xp.zeros(N, "float32")
    step = Launch(entry="scale<float>", grid=8, block=128, args=(y, x, 2, N))
    if gpu.reads_pageable:
        bound = bind(step, outputs={"y": y})
        bound.run()
        assert bound.read("y")[5] == 10
    else:
        with pytest.raises(SpecError, match="argument 1 is pageable host memory"):
            bind(step, outputs={"y": y})


def test_a_library_call_gets_the_copies(gpu: Any, bind: Any) -> None:
    xp = gpu.xp
    x, y = xp.arange(N, dtype="float32"), xp.zeros(N, "float32")
    bound = bind(Call(xp.multiply, (x, x, y)), outputs={"y": y})
    bound.run()
    assert xp.array_equal(bound.read("y"), x * x)
    assert not y.any()
    batch = bound.sample(5, clock="events", cache="cold")
    assert "library call" in batch.note
    assert len(batch.elapsed_s) == 5


def test_steps_on_streams_wait_for_those_they_are_after(gpu: Any, bind: Any) -> None:
    xp = gpu.xp
    a, b, y = xp.zeros(N, "float32"), xp.zeros(N, "float32"), xp.zeros(N, "float32")
    late = 300_000
    steps = (
        Launch(entry="late_fill", grid=8, block=128, args=(a, 2.0, N, late), stream=1),
        Launch(entry="late_fill", grid=8, block=128, args=(b, 3.0, N, late), stream=2),
        Launch(entry="gather", grid=8, block=128, args=(y, Pointers([a, b]), 2, N), stream=0, after=(0, 1)),
        Copy(b, y, stream=3, after=(2,)),
    )
    bound = bind(*steps, outputs={"y": y, "b": b})
    for _ in range(5):
        bound.restore({"y": True})
        bound.run()
        assert (bound.read("y") == 5).all()
        assert (bound.read("b") == 5).all()
    both = bound.sample(10, clock="events", cache="warm").elapsed_s
    assert (
        0.99 * late * 1e-9 <= min(both) < 1.7 * late * 1e-9
    )  # the two fills overlap, and all of it is inside the stamps


def test_only_earlier_steps_can_be_waited_for(gpu: Any, bind: Any) -> None:
    x = gpu.xp.zeros(N, "int32")
    step = Launch(entry="increment", grid=8, block=128, args=(x, N), after=(0,))
    with pytest.raises(SpecError, match="step 0 is after step 0"):
        bind(step, outputs={"x": x})


def test_where_only_cupy_can_compile_the_same_kernel_runs(gpu: Any, monkeypatch: Any, tmp_path: Path) -> None:
    from kbench.machine.cuda import nvrtc

    monkeypatch.setattr(nvrtc, "_nvrtc", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = Path(__file__).with_name("device_kernels.cu")
    binary = build(BuildRequest(str(source), "scale<float>", gpu.target()))
    assert binary.compiler == "cupy"
    x, y = gpu.xp.arange(N, dtype="float32"), gpu.xp.zeros(N, "float32")
    step = Launch(grid=8, block=128, args=(y, x, 2, N))
    bound = gpu.bind(Op(steps=[step], outputs={"y": (y, y)}, bytes_read=1), [binary])
    bound.run()
    assert gpu.xp.array_equal(bound.read("y"), 2 * x)
    with pytest.raises(SpecError, match="argument 3 is an integer"):
        gpu.bind(
            Op(steps=[Launch(grid=8, block=128, args=(y, x, 2, 0.5))], outputs={"y": (y, y)}, bytes_read=1), [binary]
        )
    bound.close()
