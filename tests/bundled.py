"""The bundled kernels and suites, planned: shared by the tests of kernels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from kbench.intent.discover import Catalog, discover
from kbench.intent.method import Method
from kbench.intent.plan import Plan, Planned, make_plan, select, select_suite
from kbench.intent.suite import load_suite
from kbench.machine.source import bundled

NAMES = ("copy", "copy_blocks", "transpose", "transpose_heads", "reshape_and_cache", "swap_blocks", "fma", "pipeline")


@cache
def catalog() -> Catalog:
    return discover([bundled("kernels_cu")])


def planned(kernel: str, axes: Mapping[str, Any] | None = None, device: str = "cuda") -> tuple[Planned, ...]:
    """Configurations of one kernel; axes replace its defaults."""
    return make_plan(select(catalog().pick([kernel]), axes or {}), Method(), device=device).configs


@cache
def suite(name: str, device: str = "cuda") -> Plan:
    loaded = load_suite(bundled("suites") / f"{name}.toml")
    return make_plan(select_suite(loaded, catalog().pick, {}), loaded.method, device=device, title=loaded.title)


def of_suite(name: str, kernel: str, device: str = "cuda") -> list[Planned]:
    return [p for p in suite(name, device).configs if p.config.kernel == kernel]
