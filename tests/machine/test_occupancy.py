"""Occupancy against NVIDIA's own calculator, and by hand."""

from __future__ import annotations

import pytest
from occupancy_reference import Answer, Case, ask, cases, missing, recorded

from kbench.errors import UsageError
from kbench.machine.occupancy import ARCHITECTURES, Footprint, limits_of, occupancy


def ours(case: Case) -> Answer:
    found = occupancy(
        limits_of(case.arch), Footprint(case.threads, case.registers, case.static + case.dynamic),
        None if case.carveout < 0 else case.carveout,
    )  # fmt: skip
    allowed = {
        "registers": found.by_registers, "shared memory": found.by_shared, "warps": found.by_warps,
        "blocks": found.by_blocks,
    }  # fmt: skip
    limiting = frozenset(name for name, number in allowed.items() if number == found.blocks)
    assert set(found.limiters) == (limiting if found.share < 1 else set())
    return Answer(
        found.blocks, found.by_registers, found.by_shared, found.by_warps, found.by_blocks, limiting
    )  # fmt: skip


def test_as_nvidia_calculates_it() -> None:
    headers, why = missing()
    if headers is None:
        pytest.skip(why)
    asked = list(cases(39_000, seed=3))
    said = ask(headers, asked)
    known = {case.arch for case, answer in zip(asked, said, strict=True) if answer is not None}
    assert known >= {"sm_75", "sm_80", "sm_86", "sm_89", "sm_90"}
    different = [
        (case, ours(case), answer)
        for case, answer in zip(asked, said, strict=True)
        if answer is not None and ours(case) != answer
    ]
    assert not different[:5]


def test_as_it_was_recorded() -> None:
    assert len(recorded()) >= 400
    assert {case.arch for case, _ in recorded()} == set(ARCHITECTURES)
    for case, answer in recorded():
        assert ours(case) == answer, case


def test_names_of_one_architecture() -> None:
    assert limits_of("sm_90a") == limits_of("sm_90")
    assert limits_of("sm_120f") == limits_of("sm_120")
    with pytest.raises(UsageError, match="sm_99"):
        limits_of("sm_99")


@pytest.mark.parametrize(
    ("footprint", "blocks", "limiters"),
    [
        (Footprint(256, 32), 8, ()),  # 64 warps: full
        (Footprint(256, 38), 6, ("registers",)),  # 40 a thread: 1280 a warp, 12 warps in each quarter
        (Footprint(768, 24), 2, ("warps",)),  # a third block of 24 warps has no place
        (Footprint(32, 16), 32, ("blocks",)),
        (Footprint(128, 32, 48 * 1024), 4, ("shared memory",)),  # 49 KiB with what is reserved
        (Footprint(1024, 128), 0, ("registers",)),
        (Footprint(128, 32, 228 * 1024), 0, ("shared memory",)),
        (Footprint(1056, 32), 0, ("warps",)),
    ],
)
def test_by_hand_on_sm_90(footprint: Footprint, blocks: int, limiters: tuple[str, ...]) -> None:
    found = occupancy(limits_of("sm_90"), footprint)
    assert (found.blocks, found.limiters) == (blocks, limiters)
    assert found.share == blocks * footprint.warps / 64


@pytest.mark.parametrize("footprint", [Footprint(0), Footprint(32, -1), Footprint(32, 1, -1)])
def test_no_such_block(footprint: Footprint) -> None:
    with pytest.raises(UsageError):
        occupancy(limits_of("sm_90"), footprint)
    with pytest.raises(UsageError, match="percentage"):
        occupancy(limits_of("sm_90"), Footprint(32), 101)
