"""Every instantiation that the verify suite and the tuning axes reach compiles for every architecture, with no GPU."""

from __future__ import annotations

import pytest
from bundled import planned, suite

from kbench.errors import KbenchError
from kbench.intent.plan import Instantiation, Planned
from kbench.machine.binary import Binary, Target
from kbench.machine.build import BuildRequest, build_all, request_of

ARCHITECTURES = ("sm_80", "sm_90", "sm_100", "sm_120")

# kernel: data types x entries each. Counted from the .cu files' own tables of contents.
VERIFIED = {
    "copy: 3 types x (naive, 4 vectors, unrolled, looping)": 3 * 7,
    "copy_blocks: 2 types x (naive, uint4, split, bulk)": 2 * 4,
    "transpose: 2 types x (naive, tiled, padded, vector)": 2 * 4,
    "transpose_heads: 2 types x (naive, vector)": 2 * 2,
    "reshape_and_cache: 3 types x (naive, vector, shared, gather), and sign_slots": 3 * 4 + 1,
    "swap_blocks: move_pages": 1,
    "fma: 2 types x 2 variants x 2 chain lengths": 2 * 2 * 2,
    "pipeline: KV write, stand-in, gather": 3,
}
HINTS = ["plain", "streaming", "bypass", "evict_first"]
TUNED = [
    ("copy", {"variant": "unrolled", "dtype": "float32", "loads": [1, 8], "hint": HINTS, "threads": 128}, 8),
    ("copy_blocks", {"variant": "split", "dtype": "float16", "loads": [1, 8], "hint": HINTS, "threads": 128}, 8),
    ("copy_blocks", {"variant": "bulk", "dtype": "float16", "chunk": [2048, 32768]}, 2),
    ("transpose", {"variant": "vector", "dtype": "float32", "hint": HINTS, "group": [1], "threads": 512}, 4),
    ("transpose", {"variant": "vector", "dtype": "float16", "tile": [128], "group": [1], "threads": [256, 1024]}, 2),
    ("reshape_and_cache", {"variant": "gather", "dtype": "float32", "page_size": [8, 32], "threads": 256}, 3),
    ("reshape_and_cache", {"variant": "shared", "page_size": [8, 64], "span": [64, 256], "threads": 64}, 3),
    ("fma", {"k": [256], "threads": 128}, 4),
]
EXPECTED = sum(VERIFIED.values()) + sum(count for _, _, count in TUNED)


def distinct(configs: tuple[Planned, ...]) -> set[Instantiation]:
    return {one for planned in configs for one in planned.instantiations if one is not None}


def cases() -> list[Instantiation]:
    verified = distinct(suite("verify").configs)
    assert len(verified) == sum(VERIFIED.values()) == 66
    found = set(verified)
    for name, axes, count in TUNED:
        tuned = distinct(planned(name, axes))
        assert len(tuned) == count, (name, axes)
        found |= tuned
    return sorted(found, key=lambda one: (one.source, one.entry))


def test_the_cases_are_counted() -> None:
    overlap = 1  # sign_slots is in both
    assert len(cases()) == EXPECTED - overlap == 99


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_instantiation_compiles(arch: str, capsys: pytest.CaptureFixture[str]) -> None:
    requests = [request_of(c, Target("cuda", arch)) for c in cases()]
    built: list[tuple[BuildRequest, Binary | KbenchError]] = list(build_all(requests))
    failed = [f"{request.entry}: {result}" for request, result in built if not isinstance(result, Binary)]
    assert not failed, "\n".join(failed)
    spilled = [b.entry for _, b in built if isinstance(b, Binary) and b.spill_bytes]
    assert not spilled, f"local memory: {spilled}"
    assert len(built) == 99
    with capsys.disabled():
        print(f" [{arch}: {len(built)} instantiations compiled] ", end="")
