"""Theoretical occupancy against what the driver says, for every bundled kernel, block size and shared-memory size."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest
from bundled import NAMES, planned

from kbench.intent.plan import Instantiation
from kbench.machine.build import build, request_of
from kbench.machine.occupancy import Footprint, limits_of, occupancy

pytestmark = pytest.mark.gpu

THREADS = [*range(32, 1025, 32), 1, 33, 100, 1000]
SHARED = [0, 1, 127, 128, 1024, 4096, 16384, 16385, 32768, 48 * 1024, 64 * 1024, 100 * 1024, 163 * 1024, 227 * 1024]
CAPS = ["0", "24", "64"]


@cache
def instantiations(kernel: str) -> tuple[Instantiation, ...]:
    found = planned(kernel, {"max_registers": ",".join(CAPS)})
    return tuple(dict.fromkeys(i for p in found if p.status == "ok" for i in p.instantiations if i is not None))


@pytest.mark.parametrize("kernel", NAMES)
def test_as_the_driver_counts_blocks(kernel: str, gpu: Any) -> None:
    from kbench.machine.cuda.kernel import LoadedKernel

    limits, target = limits_of(gpu.info.arch), gpu.target()
    assert limits.block_shared_bytes == gpu.shared_bytes_per_block
    assert limits.warps * 32 == gpu.info.max_threads_per_sm
    assert limits.shared_bytes == gpu.info.shared_bytes_per_sm
    different, asked = [], 0
    wanted = instantiations(kernel)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        requests = [request_of(what, target) for what in wanted]
        binaries = list(pool.map(build, requests))
    for what, binary in zip(wanted, binaries, strict=True):
        loaded = LoadedKernel(binary)
        assert (loaded.registers, loaded.static_shared) == (binary.registers, binary.shared_bytes), what.entry
        loaded.allow_shared(limits.block_shared_bytes - loaded.static_shared, limits.block_shared_bytes)
        for threads in (t for t in THREADS if t <= loaded.max_threads):
            for dynamic in (d for d in SHARED if d + loaded.static_shared <= limits.block_shared_bytes):
                ours = occupancy(limits, Footprint(threads, loaded.registers, loaded.static_shared + dynamic)).blocks
                drivers = loaded.blocks_per_multiprocessor(threads, dynamic)
                asked += 1
                if ours != drivers:
                    different.append((what.entry, threads, dynamic, ours, drivers))
    assert asked > 0 or kernel == "swap_blocks"
    assert not different[:5]


def test_what_a_sweep_reports(gpu: Any) -> None:
    """`Bound.occupancy` asks the driver; a diagnosis computes: both say the same of the same launch."""
    from kbench.experiment.job import launched
    from kbench.intent.numbers import Rng

    for one in planned("transpose", {"rows": "256", "cols": "256", "dtype": "float32", "shared_bytes": "0,32KiB"}):
        if one.status != "ok" or one.instantiations[0] is None:
            continue
        op = one.kernel.op(gpu.xp, Rng(gpu.xp, one.config.problem), one.config)
        binaries = [build(request_of(i, gpu.target())) for i in one.instantiations if i]
        bound, shape = gpu.bind(op, binaries), launched(op)
        try:
            assert shape is not None
            used = (binaries[0].shared_bytes or 0) + shape.dynamic_bytes
            footprint = Footprint(shape.block_threads, bound.registers() or 0, used)
            assert occupancy(limits_of(gpu.info.arch), footprint).share == bound.occupancy(), one.config.id
        finally:
            bound.close()
