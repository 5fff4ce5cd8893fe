"""What the cpu device says of a kernel holds on a GPU: kernels that only move data leave the same bits on both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import pytest
from bundled import NAMES, of_suite, planned

from kbench.intent.numbers import Rng, to_numpy
from kbench.intent.op import HostArray, as_out
from kbench.intent.plan import Planned
from kbench.machine.build import build, request_of
from kbench.machine.device import Device

pytestmark = pytest.mark.gpu

MOVING = [name for name in NAMES if name not in ("fma", "pipeline")]  # these round, and not alike


def digests(device: Device, one: Planned) -> dict[str, str]:
    """A hash of each output's bytes after one launch on memory that was restored and poisoned."""
    op = one.kernel.op(device.xp, Rng(device.xp, one.config.problem), one.config)
    outs = {name: as_out(out) for name, out in op.outputs.items()}
    target = device.target()
    binaries = [build(request_of(i, target)) if i else None for i in one.instantiations]
    bound = device.bind(op, binaries)
    try:
        bound.restore({name: out.poison for name, out in outs.items() if out.poison is not False})
        bound.run()
        assert bound.damaged() is None
        return {name: hashlib.sha256(to_numpy(bound.read(name)).tobytes()).hexdigest() for name in outs}
    finally:
        bound.close()


def initial(device: Device, one: Planned) -> dict[str, str]:
    """The same before the launch."""
    op = one.kernel.op(device.xp, Rng(device.xp, one.config.problem), one.config)
    arrays = {name: as_out(out).array for name, out in op.outputs.items()}
    plain = {name: a.array if isinstance(a, HostArray) else a for name, a in arrays.items()}
    return {name: hashlib.sha256(to_numpy(a).tobytes()).hexdigest() for name, a in plain.items()}


@pytest.mark.parametrize("name", MOVING)
def test_cpu_and_gpu_leave_the_same_bits(name: str, gpu: Any) -> None:
    from kbench.machine.cpu.device import CpuDevice

    cpu = CpuDevice()
    try:
        configs = [one for one in of_suite("verify", name, "cpu") if one.status == "ok"]
        assert len(configs) >= 30
        for one in configs:
            found = digests(cpu, one)
            assert digests(gpu, one) == found, one.config.id
            if set(found) & {"cache", "key_cache"}:  # in place: the inputs too were the same bits, and they changed
                assert initial(cpu, one) == initial(gpu, one) != found, one.config.id
    finally:
        cpu.close()


def verified(configs: Iterable[Planned]) -> int:
    """How many there were; every one of them holds on the GPU."""
    from kbench.experiment.sweep import verify
    from kbench.intent.method import Method
    from kbench.intent.plan import Plan

    results = list(verify(Plan(tuple(configs), Method()), "cuda:0"))
    assert not [(r.config.id, r.status, r.message) for r in results if r.status != "ok"]
    return len(results)


@pytest.mark.parametrize("name", NAMES)
def test_every_case_holds_on_the_gpu(name: str) -> None:
    assert verified(of_suite("verify", name)) >= 9  # pipeline has as few as these


# Inline PTX runs on a GPU only: every cache hint, and the copy engine of an SM.
HINTS = ["plain", "streaming", "bypass", "evict_first"]
PTX = [
    ("copy", {"nbytes": [100012], "dtype": "float32", "variant": "unrolled", "threads": [128], "hint": HINTS}, 4),
    ("copy_blocks", {"pairs": [3], "variant": "split", "threads": [96], "loads": [1, 4], "hint": HINTS}, 16),
    ("copy_blocks", {"pairs": [3], "dim": [109], "variant": "bulk", "chunk": [2048, 16384, 32768]}, 6),
    ("transpose", {"rows": [200], "cols": [1000], "variant": "vector", "threads": [256], "hint": HINTS}, 16),
    ("transpose_heads", {"tokens": [77], "variant": "vector", "threads": [128], "loads": [4], "hint": HINTS}, 8),
]


@pytest.mark.parametrize(("name", "axes", "count"), PTX)
def test_inline_ptx_holds(name: str, axes: dict[str, Any], count: int) -> None:
    assert verified(planned(name, axes)) == count
