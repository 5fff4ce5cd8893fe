"""What the bundled specs declare: byte formulas, axes, exactness, suites."""

from __future__ import annotations

import re
from typing import Any

import pytest
from bundled import NAMES, catalog, of_suite, planned, suite

from kbench.intent.dtypes import DType
from kbench.intent.op import as_out
from kbench.intent.plan import Planned
from kbench.intent.shapes import ShapeRng, ShapeXp
from kbench.machine.source import bundled

SUITES = sorted(path.stem for path in bundled("suites").glob("*.toml"))
WORD = re.compile(r"[A-Za-z_]\w*|\d+|[()+*-]")


def evaluate(formula: str, values: dict[str, Any]) -> int:
    """A byte formula: names, integers, + - * and brackets; two operands side by side are multiplied."""
    words = WORD.findall(formula)
    assert "".join(words) == formula.replace(" ", ""), formula
    code = ""
    for before, word in zip(["(", *words], words, strict=False):
        code += " * " if re.match(r"[\w)]", before) and re.match(r"[\w(]", word) else " "
        code += word
    return int(eval(code, {"__builtins__": {}}, values))


def of_formula(one: Planned) -> int:
    axes: dict[str, Any] = dict(one.config.axes)
    if "dtype" in axes:
        axes["itemsize"] = DType(axes["dtype"]).itemsize
    return evaluate(one.traffic.formula, axes)


def test_formulas_are_evaluated_as_they_read() -> None:
    assert evaluate("4 (tokens - skipped) heads + 8 tokens", {"tokens": 10, "skipped": 3, "heads": 2}) == 4 * 7 * 2 + 80
    assert evaluate("2 n itemsize", {"n": 5, "itemsize": 2}) == 20


def test_the_bundled_kernels_are_these() -> None:
    assert set(catalog().kernels) == set(NAMES)
    assert not catalog().broken
    assert {"smoke", "verify"} < set(SUITES)
    assert {path.stem for path in bundled("kernels_cu").glob("*.cu")} < set(SUITES), "each .cu has a suite of its own"


@pytest.mark.parametrize("name", SUITES)
def test_suites_plan_and_their_formulas_give_the_declared_bytes(name: str) -> None:
    configs = [p for p in suite(name).configs if p.status == "ok"]
    assert configs
    assert not [p.message for p in suite(name).configs if p.status == "spec_failed"]
    for one in configs:
        assert of_formula(one) == one.traffic.useful_bytes, one.config.id


@pytest.mark.parametrize("name", NAMES)
def test_default_axes_make_a_useful_sweep(name: str) -> None:
    kernel = catalog().kernels[name]
    configs = planned(name)
    assert 20 <= len(configs) <= 80
    assert all(of_formula(one) == one.traffic.useful_bytes for one in configs if one.status == "ok")
    first = kernel.axes["variant"][0]
    plain = "memcpy" if name in ("swap_blocks", "pipeline") else "naive"
    assert first == plain, "the gain is over the first variant"
    on_cpu = [p for p in planned(name, device="cpu") if p.status == "ok"]
    assert {p.config.axes["variant"] for p in on_cpu} == set(kernel.axes["variant"]), "every variant fits the cpu"


@pytest.mark.parametrize("name", [n for n in NAMES if n != "fma"])
def test_kernels_that_move_data_are_checked_bit_for_bit(name: str) -> None:
    for one in of_suite("verify", name):
        op = one.kernel.op(ShapeXp(), ShapeRng(), one.config)
        assert all(as_out(out).exact for out in op.outputs.values()), one.config.id


# (kernel, axes, bytes read + written): worked out by hand from the shapes, not from the specs.
KNOWN = [
    ("copy", {"nbytes": [2**30]}, 2 * 2**30),
    ("copy_blocks", {"pairs": [64], "dtype": "float16"}, 4 * 32 * 64 * 32768),
    ("copy_blocks", {"pairs": [256], "dtype": "float8_e4m3fn"}, 4 * 32 * 256 * 16384),
    ("transpose", {"rows": [8192], "dtype": "float32"}, 2 * 268435456),
    ("transpose_heads", {"tokens": [65536]}, 2 * 134217728),
    ("reshape_and_cache", {"tokens": [65536], "dtype": "float16"}, 65536 * (8192 + 8)),
    ("fma", {"n": [2**26], "dtype": "float16"}, 2**28),
    ("swap_blocks", {"page_bytes": [2**17], "memory": "pinned"}, 100 * 131072),
    ("pipeline", {"tokens": [1024], "layers": [32]}, 2 * 4194304 + 8192 + 67108864),
]


@pytest.mark.parametrize(("name", "axes", "nbytes"), KNOWN)
def test_known_shapes_owe_the_bytes_worked_out_by_hand(name: str, axes: dict[str, Any], nbytes: int) -> None:
    found = {one.traffic.useful_bytes for one in planned(name, axes) if one.status == "ok"}
    assert found == {nbytes}


def test_a_step_of_fma_is_two_flops() -> None:
    assert {p.traffic.flops for p in planned("fma", {"n": [1000], "k": [7]})} == {14000}
