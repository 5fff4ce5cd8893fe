"""ThreadSanitizer and AddressSanitizer builds: planted races and overruns are found with their lines, and only they."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kbench.errors import DeviceError, KernelFault
from kbench.intent.op import Call, Copy, HostArray, Launch, Op, Pointers
from kbench.machine.cpu.sanitize import sanitize
from tests.machine.cpu.conftest import Runner, op_of
from tests.machine.cpu.test_features import CASES

N = 1000


@pytest.fixture(scope="module", autouse=True)
def _works(cpu: Runner) -> None:
    """Skip, with the device's own reason, where a sanitizer cannot be built or run."""
    x = np.zeros(4, np.float32)
    for tool in ("tsan", "asan"):
        try:
            sanitize(op_of(1, 4, [x, x, 1.0, 4]), [cpu.compile("steps.cu", "scale<float>", tool)])
        except DeviceError as error:
            pytest.skip(str(error))


def run(cpu: Runner, tool: str, name: str) -> dict[str, Any]:
    grid = {"race_blocks": 64, "oob_far": 1}.get(name, 4 if name.startswith("oob") or name == "ok" else 1)
    args = [np.zeros(N, np.float32), np.arange(N, dtype=np.float32), N]
    op = op_of(grid, 256, args, 512 if name == "dyn_oob" else 0)
    return sanitize(op, [cpu.compile("bugs.cu", name, tool)])


@pytest.mark.parametrize(
    ("name", "line"),
    [("race_shared", 32), ("race_warp", 34), ("race_global", 36), ("race_blocks", 37), ("race_second", 41)],
)
def test_a_race_is_found_with_both_lines(cpu: Runner, name: str, line: int) -> None:
    with pytest.raises(KernelFault, match="data race") as fault:
        run(cpu, "tsan", name)
    assert fault.value.kind == "race"
    assert str(fault.value).count(f"bugs.cu:{line}") == 2
    assert "Previous" in str(fault.value)


@pytest.mark.parametrize("threads", [1, 64])
def test_a_race_between_blocks_is_found_however_soon_they_end(cpu: Runner, threads: int) -> None:
    op = op_of(64, threads, [np.zeros(N, np.float32), np.zeros(N, np.float32), N])
    for _ in range(4):
        with pytest.raises(KernelFault, match="data race"):
            sanitize(op, [cpu.compile("bugs.cu", "race_blocks", "tsan")])


@pytest.mark.parametrize(
    "name", ["race_fixed", "race_warp_fixed", "race_none", pytest.param("ok", marks=pytest.mark.slow)]
)
def test_no_race_where_there_is_none(cpu: Runner, name: str) -> None:
    run(cpu, "tsan", name)


def test_a_wild_address_is_no_race(cpu: Runner) -> None:
    """Of one block: from several it is a race too."""
    with pytest.raises(KernelFault, match=r"oob_far: .*ThreadSanitizer.*|wild address under tsan") as fault:
        run(cpu, "tsan", "oob_far")
    assert fault.value.kind == "fault"


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        (
            "oob_write_1",
            "asan",
            r"WRITE of size 4 at bugs.cu:5\n.*\n  that region is argument 0 \(float32\[1000\], 4000 bytes\)",
        ),
        ("oob_read_1", "asan", r"READ of size 4 at bugs.cu:6\n"),
        ("dyn_oob", "asan", r"WRITE of size 4 at bugs.cu:16\n.* 512-byte region"),
        ("shared_oob", "asan undefined", r"bugs.cu:14"),
        ("local_oob", "asan undefined", r"bugs.cu:17"),
        ("do_assert", "assert", r"assertion failed: threadIdx.x < 7 at bugs.cu:27 .*thread \(7, 0, 0\)"),
    ],
)
def test_an_overrun_is_found_to_the_byte(cpu: Runner, name: str, kind: str, message: str) -> None:
    with pytest.raises(KernelFault, match=message) as fault:
        run(cpu, "asan", name)
    assert fault.value.kind in kind.split()


def test_the_schedule_is_watched_too(cpu: Runner) -> None:
    with pytest.raises(KernelFault, match=r"64 threads .* at __syncthreads bugs.cu:19") as fault:
        run(cpu, "tsan", "div_sync")
    assert fault.value.kind == "barrier"


QUICK = ["hist", "votes", "last_block_reduces", "struct_by_value_and_constants"]
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in CASES if name not in QUICK]


@pytest.mark.parametrize("name", [*QUICK, *SLOW])
@pytest.mark.parametrize("tool", ["tsan", pytest.param("asan", marks=pytest.mark.slow)])
def test_clean_features_stay_clean_and_right(cpu: Runner, tool: str, name: str) -> None:
    entry, grid, block, args, shared_bytes, check = CASES[name](np.random.default_rng(1))
    small = 7 if name == "hist" else grid
    out = sanitize(op_of(small, block, args, shared_bytes), [cpu.compile("features.cu", entry, tool)], workers=3)
    check({int(index): array for index, array in out.items()})


def test_steps_carry_their_arrays_along(cpu: Runner) -> None:
    host, device = HostArray(np.arange(64, dtype=np.float32)), np.zeros(64, np.float32)
    rows = np.zeros((2, 32), np.float32)

    def add_one(array: Any) -> None:
        array += 1

    steps = (
        Copy(device, host),
        Launch(grid=1, block=64, args=(device, device, 2.0, 64)),
        Call(add_one, (device,)),
        Launch(grid=2, block=32, args=(rows, Pointers([device[32:], device[:32]]), 32)),
    )
    op = Op(steps=steps, outputs={"rows": (rows, None)}, bytes_read=1)
    scale, gather = cpu.compile("steps.cu", "scale<float>", "asan"), cpu.compile("steps.cu", "gather_rows", "asan")
    out = sanitize(op, [None, scale, None, gather])["rows"]
    assert np.array_equal(out.reshape(-1), np.roll(np.arange(64) * 2 + 1, 32))
    beyond = (*steps[:3], Launch(grid=2, block=32, args=(rows, Pointers([device[33:], device[:32]]), 32)))
    with pytest.raises(KernelFault, match=r"READ of size 4 at steps.cu:11"):
        sanitize(Op(steps=beyond, outputs=op.outputs, bytes_read=1), [None, scale, None, gather])


def test_an_endless_kernel_is_ended(cpu: Runner) -> None:
    op = op_of(1, 256, [np.zeros(N, np.float32), np.zeros(N, np.float32), N])
    with pytest.raises(KernelFault, match="ran past 1 s") as fault:
        sanitize(op, [cpu.compile("bugs.cu", "spin", "asan")], timeout_s=1)
    assert fault.value.kind == "timeout"


def test_an_in_process_build_is_refused(cpu: Runner) -> None:
    x = np.zeros(4, np.float32)
    with pytest.raises(DeviceError, match="a build of mode asan or tsan, not check"):
        sanitize(op_of(1, 4, [x, x, 1.0, 4]), [cpu.compile("steps.cu", "scale<float>")])
