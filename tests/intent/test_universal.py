"""Axes that every kernel has where they are asked for."""

from __future__ import annotations

from typing import Any

import pytest
from bundled import catalog, planned

from kbench import Launch, kernel
from kbench.errors import UsageError
from kbench.intent.config import Config
from kbench.intent.method import Method
from kbench.intent.op import Launch as Step
from kbench.intent.plan import make_plan, select, select_suite
from kbench.intent.shapes import ShapeRng, ShapeXp
from kbench.intent.suite import Run, Suite

COPY = {"nbytes": "1MiB", "dtype": "float32", "variant": "float4", "threads": 256}


def shared(configs: Any) -> list[int]:
    ops = [catalog().kernels[c.kernel].op(ShapeXp(), ShapeRng(), c) for c in configs]
    return [step.shared_bytes for op in ops for step in op.steps if isinstance(step, Step)]


def test_without_being_asked_for_they_are_not_there() -> None:
    (one,) = planned("copy", COPY)
    assert set(one.config.axes) == set(COPY)
    assert one.instantiations[0] is not None
    assert one.instantiations[0].options == ()


def test_registers_are_a_compiler_option() -> None:
    free, capped = planned("copy", {**COPY, "max_registers": "0,32"})
    assert free.config.id == "copy[dtype=float32,max_registers=0,nbytes=1048576,threads=256,variant=float4]"
    assert "max_registers" in free.config.tuning
    assert free.config.problem == capped.config.problem == planned("copy", COPY)[0].config.problem
    none, cap = (i.options for p in (free, capped) for i in p.instantiations if i)
    assert (none, cap[0]) == ((), "--maxrregcount=32")


def test_shared_memory_is_added_to_each_launch() -> None:
    found = planned("copy", {**COPY, "shared_bytes": "0,16KiB"})
    assert shared(p.config for p in found) == [0, 16384]
    assert len({p.instantiations for p in found}) == 1  # nothing else is compiled
    two = planned("reshape_and_cache", {"tokens": 256, "slots": "random", "variant": "gather", "threads": 256,
                                        "shared_bytes": 1024})  # fmt: skip
    assert shared(p.config for p in two) == [1024, 1024]


def test_baselines_have_none() -> None:
    found = planned("copy", {**COPY, "variant": "memcpy,float4", "max_registers": "0,32", "shared_bytes": "0,1024"})
    kinds = [p.config.axes["variant"] for p in found]
    assert (kinds.count("memcpy"), kinds.count("float4")) == (1, 4)
    assert all("max_registers" not in p.config.axes for p in found if p.config.axes["variant"] == "memcpy")


def test_in_suites_and_over_several_kernels() -> None:
    suite = Suite("t", (Run("copy", {**COPY, "max_registers": [0, 24]}), Run("fma", {"n": 4096, "k": 4})))
    selections = select_suite(suite, catalog().pick, {"shared_bytes": "2048"})
    found = make_plan(selections, Method(), device="cuda").configs
    assert {p.config.axes.get("shared_bytes") for p in found} == {2048}
    assert [p.config.axes.get("max_registers") for p in found if p.config.kernel == "copy"] == [0, 24]
    assert all("max_registers" not in p.config.axes for p in found if p.config.kernel == "fma")
    assert len(select(catalog().pick(["copy", "fma"]), {"max_registers": "16"})) == 2


def test_the_cpu_device_says_that_it_has_no_such_thing() -> None:
    for axis in ("max_registers", "shared_bytes"):
        zero, some = planned("copy", {**COPY, axis: "0,64"}, device="cpu")
        assert (zero.status, some.status) == ("ok", "skipped")
        assert some.message.startswith(f"{axis} is for GPUs")


@pytest.mark.parametrize("value", ["-1", "fast", "1.5", "true"])
def test_values_are_counts(value: str) -> None:
    with pytest.raises(UsageError, match="max_registers takes whole numbers"):
        planned("copy", {**COPY, "max_registers": value})


def test_unknown_axes_are_told_with_these_among_the_known() -> None:
    with pytest.raises(UsageError, match="did you mean max_registers"):
        planned("copy", {**COPY, "max_register": 3})


def test_a_kernel_of_ones_own_may_have_an_axis_of_that_name() -> None:
    @kernel("k.cu", entry="k", axes={"shared_bytes": [64]}, options=("-DN={shared_bytes}",))
    def k(xp: Any, rng: Any, *, shared_bytes: int) -> Launch:
        y = xp.empty(8, "float32")
        return Launch(grid=1, block=32, args=(y,), outputs={"y": (y, y)}, shared_bytes=shared_bytes, bytes_written=32)

    (config,) = k.configs({"shared_bytes": "128"})
    assert config == Config("k", {"shared_bytes": 128}, ())
    assert k.op(ShapeXp(), ShapeRng(), config).steps[0].shared_bytes == 128  # type: ignore[union-attr]
    assert k.options_of(config) == ("-DN=128",)
    assert make_plan(select([k], {}), Method(), device="cpu").configs[0].status == "ok"
