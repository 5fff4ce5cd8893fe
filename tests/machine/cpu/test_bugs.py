"""One planted bug per kernel of bugs.cu: each is found, named and placed; the clean kernels stay clean."""

from __future__ import annotations

import itertools
import mmap
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kbench.errors import KernelFault
from kbench.machine.cpu.compiler import host_compiler
from tests.machine.cpu.conftest import KERNELS, Runner, op_of

N = 1000
HAS_LINES = shutil.which("addr2line") is not None
SOURCE = (KERNELS / "bugs.cu").read_text()
NAMES = re.findall(r"__global__ void (\w+)\(", SOURCE)

# kernel -> (kind, a piece of the message)
FOUND = {
    "oob_write_1": (
        "fault",
        r"illegal memory write 0 bytes past the end of argument 0 \(float32\[1000\], 4000 bytes\)",
    ),
    "oob_read_1": ("fault", r"illegal memory read 0 bytes past the end of argument 1"),
    "oob_neg": ("fault", r"illegal memory write 4 bytes before the start of argument 0"),
    "oob_far": ("fault", r"far from every array|non-canonical address"),
    "const_write": ("fault", r"argument 1 .* is read-only for this kernel \(const\), byte offset 20"),
    "null_read": ("fault undefined", r"null pointer"),
    "misaligned4": ("fault undefined", r"misaligned"),
    "misaligned2": ("undefined", r"misaligned access: .* 8-byte alignment"),
    "int_overflow": ("undefined", r"bugs.cu:13:\d+: signed overflow: 70000 \* 70000 in 'int'"),
    "shared_oob": (
        "fault undefined",
        r"index 32 out of bounds for type '.*float ?\[32\]'|past the end of __shared__ t|shared memory",
    ),
    "shared_oob_ptr": ("fault", r"shared memory|past the end of __shared__"),
    "dyn_oob": ("fault", r"illegal write of shared memory: dynamic, byte offset 512"),
    "local_oob": ("undefined", r"index 1000 out of bounds for type 'float ?\[4\]'"),
    "div_sync": (
        "barrier",
        r"64 threads \(0-63\) at __syncthreads bugs.cu:19; 192 threads \(64-255\) at __syncthreads bugs.cu:20",
    ),
    "div_one_line": (
        "barrier",
        r"64 threads \(0-63\) at __syncthreads bugs.cu:43; 192 threads \(64-255\) at another __syncthreads bugs.cu:43",
    ),
    "div_loop": (
        "barrier",
        r"not reached by threads that took part in an earlier one: 32 threads \(0-31\) exited; 224 threads",
    ),
    "shfl_half": ("warp", r"a shuffle whose mask names lanes that have exited without taking part"),
    "warp_deadlock": (
        "deadlock",
        r"128 threads \(0..254\) at __syncthreads .*; 128 threads \(1..255\) at a warp operation",
    ),
    "warp_mask": ("warp", r"a lane calls a warp operation whose mask does not name it"),
    "warp_mixed": ("warp", r"different warp operations under one mask"),
    "spin": ("timeout", r"ran past its time limit"),
    "do_assert": ("assert", r"assertion failed: threadIdx.x < 7 at bugs.cu:27 .*thread \(7, 0, 0\)"),
    "do_trap": ("trap", r"__trap\(\).*thread \(9, 0, 0\)"),
    "div_zero": ("fault undefined", r"division by zero"),
    "big_stack": ("fault", r"local memory .* overflowed"),
}
CLEAN = ["ok", "race_fixed", "race_warp_fixed", "race_none"]
BY_OTHER_MEANS = [
    "exit_sync",
    "shfl_part",
    "uninit_shared",
    "race_shared",
    "race_warp",
    "race_global",
    "race_blocks",
    "race_second",
]
# What guard pages, canaries and the scheduler find without compiled-in checks.
UNCHECKED = ["oob_write_1", "oob_read_1", "const_write", "shared_oob", "dyn_oob", "div_sync", "do_trap"]


def run(cpu: Runner, name: str, mode: str, **options: Any) -> dict[int, Any]:
    n = 100 if name == "div_zero" else N
    grid = {"ok": 4, "race_blocks": 64}.get(name, 4 if name.startswith("oob") else 1)
    args = [np.zeros(N, np.float32), np.arange(N, dtype=np.float32), n]
    place = "start" if name == "oob_neg" else "end"
    if name == "spin":
        options["timeout_s"] = 0.3
    shared = 512 if name == "dyn_oob" else 0
    return cpu.run("bugs.cu", name, grid, 256, args, shared_bytes=shared, mode=mode, place=place, **options)


@pytest.fixture(scope="module", autouse=True)
def _compiled(cpu: Runner) -> None:
    cpu.compile_all("bugs.cu", NAMES)
    cpu.compile_all("bugs.cu", UNCHECKED, "fast")


def test_every_kernel_of_the_file_is_tested() -> None:
    assert sorted([*FOUND, *CLEAN, *BY_OTHER_MEANS]) == sorted(NAMES)
    assert len(NAMES) == 37


@pytest.mark.parametrize(("name", "mode"), [*((n, "check") for n in FOUND), *((n, "fast") for n in UNCHECKED)])
def test_the_bug_is_found(cpu: Runner, name: str, mode: str) -> None:
    if name == "misaligned2" and host_compiler().zig:
        pytest.skip("zig's clang checks no alignment where a whole struct is assigned, and no instruction of it faults")
    kinds, message = FOUND[name]
    with pytest.raises(KernelFault, match=message) as fault:
        run(cpu, name, mode)
    assert fault.value.kind in kinds.split()
    assert str(fault.value).startswith(f"{name}: ")
    if fault.value.kind == "fault" and HAS_LINES and name != "shared_oob_ptr":
        line = next(i for i, text in enumerate(SOURCE.splitlines(), 1) if f" {name}(" in text)
        assert f"bugs.cu:{line}" in str(fault.value) or name in ("shared_oob", "big_stack")


@pytest.mark.parametrize("name", CLEAN)
@pytest.mark.parametrize("order", ["forward", "reverse", "random"])
def test_a_clean_kernel_is_clean(cpu: Runner, name: str, order: str) -> None:
    run(cpu, name, "check", order=order, strict=True)


def test_uninitialised_shared_memory_reads_as_nan(cpu: Runner) -> None:
    out = run(cpu, "uninit_shared", "check")[0]
    assert np.isnan(out[0])
    assert (out[1:256] == 1).all()


def test_a_barrier_behind_an_early_return_is_allowed_unless_strict(cpu: Runner) -> None:
    assert (run(cpu, "exit_sync", "check")[0][:100] == 1).all()
    with pytest.raises(KernelFault, match=r"not reached by every thread.*156 threads .* exited"):
        run(cpu, "exit_sync", "check", strict=True)


def test_a_shuffle_without_the_lanes_that_the_block_does_not_have_is_allowed(cpu: Runner) -> None:
    x = np.arange(48, dtype=np.float32)
    out = cpu.run("bugs.cu", "shfl_part", 1, 48, [np.zeros_like(x), x, 48])[0]
    assert (out[:31] == x[1:32] + 1).all()


@pytest.mark.parametrize("name", ["race_shared", "race_warp", "race_second"])
def test_a_missing_barrier_shows_in_another_order(cpu: Runner, name: str) -> None:
    outs = {run(cpu, name, "check", order=order, workers=1)[0].tobytes() for order in ("forward", "reverse", "random")}
    assert len(outs) > 1


def test_a_launch_the_gpu_would_refuse_is_refused(cpu: Runner) -> None:
    args = [np.zeros(N, np.float32), np.zeros(N, np.float32), N]
    for grid, block, message in (
        (1, 2048, "invalid block size"), (1, (1, 1, 65), "invalid block size"),
        ((1, 65536), 32, "invalid grid size"), (2**40, 1, "invalid grid size"),
    ):  # fmt: skip
        with pytest.raises(KernelFault, match=message) as fault:
            cpu.run("bugs.cu", "ok", grid, block, args)
        assert fault.value.kind == "config"
    with pytest.raises(KernelFault, match="more than 227 KiB"):
        cpu.run("bugs.cu", "ok", 1, 32, args, shared_bytes=228 * 1024)


def test_a_write_between_the_array_and_the_guard_is_seen_by_the_canary(cpu: Runner) -> None:
    args = [np.zeros(30, np.uint8), np.zeros(32, np.uint8), 32]
    bound = cpu.device.bind(op_of(1, 64, args), [cpu.compile("spill.cu", "copy_bytes")])
    bound.run()
    assert bound.damaged() == "argument 0 (uint8[30], 30 bytes): memory around it was overwritten, at byte offset 30"
    bound.restore({})
    assert bound.damaged() is None
    bound.close()


KINDS = ("oob_write_1", "shared_oob", "div_sync", "warp_deadlock", "big_stack", "do_assert")


@pytest.mark.parametrize("rounds", [170, pytest.param(800, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", ["fast", "check"])
def test_a_thousand_faults_in_one_process_leave_it_whole(cpu: Runner, mode: str, rounds: int) -> None:
    """Six kinds of error, one to four workers, all orders, good launches in between: no crash, no growth."""
    x, zero = np.arange(N, dtype=np.float32), np.zeros(N, np.float32)
    op, faults = op_of(8, 256, [zero, x, N]), 0
    mappings, resident = [], []
    for i in range(rounds):
        options: dict[str, Any] = {"workers": 1 + i % 4, "order": ("forward", "reverse", "random")[i % 3], "seed": i}
        for name in KINDS:
            bound = cpu.device.bind(op, [cpu.compile("bugs.cu", name, mode)], **options)
            with pytest.raises(KernelFault):
                bound.run()
            bound.close()
            faults += 1
        assert np.array_equal(cpu.run("bugs.cu", "ok", 8, 256, [zero, x, N], mode="check", **options)[0], x)
        mirrored = cpu.run("bugs.cu", "race_fixed", 8, 256, [zero, x, N], mode="check", workers=1)[0]
        assert np.array_equal(mirrored[:256], x[:256][::-1])
        mappings.append(len(Path("/proc/self/maps").read_text().splitlines()))
        resident.append(int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE)
    assert faults == 6 * rounds
    # What is left behind for each fault, or for each with so many workers, makes every fourth round at least one with
    # more mappings than ever. A worker's first block does too (a stack and its guard for each of 256 threads), but once
    # for each of four workers. Mapped bytes say nothing: malloc reserves 64 MiB whenever two threads meet in it.
    most = list(itertools.accumulate(mappings, max))[rounds // 2 :]
    assert sum(then > before for before, then in itertools.pairwise(most)) <= rounds // 14
    assert resident[-1] <= resident[rounds // 2] + rounds * 64 * 1024


def test_launches_from_many_python_threads(cpu: Runner) -> None:
    cpu.compile("bugs.cu", "ok")
    wrong: list[str] = []

    def work(seed: int) -> None:
        x = np.random.default_rng(seed).random(N).astype(np.float32)
        for _ in range(15):
            if not np.array_equal(cpu.run("bugs.cu", "ok", 8, 256, [np.zeros_like(x), x, N], workers=2)[0], x):
                wrong.append("result")
            try:
                cpu.run("bugs.cu", "oob_write_1", 8, 256, [np.zeros_like(x), x, N], workers=2)
                wrong.append("not found")
            except KernelFault:
                pass

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
