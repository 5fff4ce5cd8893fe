"""Tuning axes that some variants alone have, and names beside an axis's defaults."""

from __future__ import annotations

from typing import Any

import pytest

from kbench import Launch, kernel
from kbench.errors import SpecError, UsageError
from kbench.intent.shapes import ShapeRng, ShapeXp


def declare(only: dict[str, Any], **more: Any) -> Any:
    @kernel(
        "k.cu",
        entry="k",
        axes={"n": [8], "variant": ["naive", "split", "memcpy"], "threads": [64, 128], "loads": [2, 4]},
        tuning=("variant", "threads", "loads"),
        baselines=("memcpy",),
        only=only,
        **more,
    )
    def k(xp: Any, rng: Any, *, n: int, variant: str, threads: int, loads: int) -> Launch:
        y = xp.empty(n, "float32")
        return Launch(grid=1, block=threads or 1, args=(y, loads), outputs={"y": (y, y)}, bytes_written=y.nbytes)

    return k


def test_other_variants_and_baselines_have_no_such_axis() -> None:
    configs = declare({"loads": ("split",)}).configs({})
    counts = {v: [c for c in configs if c.axes["variant"] == v] for v in ("naive", "split", "memcpy")}
    assert [len(c) for c in counts.values()] == [2, 4, 1]
    assert all("loads" not in c.axes and "loads" not in c.tuning for c in counts["naive"] + counts["memcpy"])
    assert {c.axes["loads"] for c in counts["split"]} == {2, 4}


def test_the_spec_receives_none() -> None:
    one = declare({"loads": ("split",)})
    seen = {c.axes["variant"]: one.op(ShapeXp(), ShapeRng(), c).steps[0].args[1] for c in one.configs({"loads": [4]})}
    assert seen == {"naive": None, "split": 4, "memcpy": None}


def test_a_baseline_can_be_given_an_axis() -> None:
    configs = declare({"loads": ("split", "memcpy")}).configs({})
    assert sum(c.axes["variant"] == "memcpy" for c in configs) == 2


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ({"n": ("split",)}, "only is for tuning axes"),
        ({"variant": ("split",)}, "only is for tuning axes"),
        ({"loads": ("spilt",)}, "no value of the variant axis"),
    ],
)
def test_what_does_not_fit_together_is_a_spec_error(only: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        declare(only)


def hinted(also: dict[str, Any]) -> Any:
    @kernel("k.cu", entry="k", axes={"hint": ["streaming"]}, also=also)
    def k(xp: Any, rng: Any, *, hint: str) -> Launch:
        y = xp.empty(8, "float32")
        return Launch(grid=1, block=1, args=(y,), outputs={"y": (y, y)}, bytes_written=y.nbytes)

    return k


def test_further_names_are_taken_but_not_swept() -> None:
    one = hinted({"hint": ["plain"]})
    assert [c.axes["hint"] for c in one.configs({})] == ["streaming"]
    assert [c.axes["hint"] for c in one.configs({"hint": ["plain", "streaming"]})] == ["plain", "streaming"]
    with pytest.raises(UsageError, match="did you mean plain"):
        one.configs({"hint": ["plane"]})


def test_further_names_belong_to_an_axis_and_are_not_its_own() -> None:
    with pytest.raises(SpecError, match="also names an axis that does not exist"):
        hinted({"hind": ["plain"]})
    with pytest.raises(SpecError, match="twice"):
        hinted({"hint": ["streaming"]})


def test_a_variant_that_is_there_when_asked_for_may_have_axes_of_its_own() -> None:
    one = declare({"loads": ("looping",)}, also={"variant": ["looping"]})
    assert all("loads" not in config.axes for config in one.configs({}))
    assert {config.axes["loads"] for config in one.configs({"variant": "looping"})} == {2, 4}
