"""Rows picked out of each problem."""

from __future__ import annotations

import msgspec
import pytest
from synthetic import Model, Traffic, config, stored

from kbench.errors import UsageError
from kbench.experiment.result import Result, Standing
from kbench.reading.picks import picked
from kbench.record.store import KernelNote

NOTES = {"copy": KernelNote("", ("naive", "uint2", "uint4", "memcpy"), ("memcpy",))}


def row(variant: str, seconds: float, place: str = "") -> Result:
    model = Model()
    result = model.ok(config("copy", ("variant",), n=4, variant=variant), Traffic(2**28, 2**28))
    standing = Standing(place, contest="one", among=3) if place else None  # type: ignore[arg-type]
    return msgspec.structs.replace(result, measurement=model.measurement(seconds), standing=standing)


def variants(rows: list[Result], *picks: str) -> list[str]:
    return [str(found.result.config.axes["variant"]) for found in picked(stored(rows), NOTES, picks)]


def test_each_pick_once_and_never_a_baseline() -> None:
    rows = [row("uint4", 2e-4), row("naive", 5e-4), row("uint2", 9e-4), row("memcpy", 1e-4)]
    assert variants(rows, "best") == ["uint4"]
    assert variants(rows, "naive", "best", "worst") == ["naive", "uint4", "uint2"]
    assert variants(rows[:2], "best", "worst", "naive") == ["uint4", "naive"]
    assert variants(rows[:1], "best", "worst") == ["uint4"]
    assert variants(rows[3:], "worst") == []


def test_who_is_best_by_its_standing_is_not_the_worst_by_its_time() -> None:
    rows = [row("naive", 2.01e-4, "best"), row("uint4", 2.00e-4, "tied")]
    assert variants(rows, "best") == ["naive"]
    assert variants(rows, "worst") == ["uint4"]


def test_an_unknown_pick_comes_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="did you mean worst"):
        picked([], {}, ["worse"])
