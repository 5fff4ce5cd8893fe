"""Nsight Compute's own Python module, in a process of its own: python -m kbench.profiling.ncu_module REPORT [FOLDER]

The module is a library of another vendor's that is loaded into Python, and some of its builds were seen to end the
process (a segmentation fault in IMetric.unit, 2025.3.1 beside NumPy): it must not take kbench along.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from kbench.machine.marks import DOMAIN


class Seen(msgspec.Struct, frozen=True):
    """A launch. ranges: the names of those of kbench's NVTX ranges that it lies in; found: ncu's metrics, name ->
    (value, unit); threads of a block and blocks of the grid, 0 where they are not told."""

    kernel: str
    ranges: tuple[str, ...]
    found: dict[str, tuple[float, str]]
    threads: int = 0
    blocks: int = 0


def loaded(module: Any, report: str) -> list[Seen]:
    """All launches of a report, in order; none of a damaged file. module: ncu_report."""
    context = module.load_report(report)
    ranges = [context.range_by_idx(i) for i in range(context.num_ranges())]
    return [_action(one.action_by_idx(j)) for one in ranges for j in range(one.num_actions())]


def _action(action: Any) -> Seen:
    found = {}
    for name in action.metric_names():
        metric = action.metric_by_name(name)
        if metric.kind() in (metric.ValueKind_STRING, metric.ValueKind_UNKNOWN, metric.ValueKind_ANY):
            continue
        number = float(metric.as_double())
        if math.isfinite(number):  # a share of what did not happen is none
            found[name] = (number, str(metric.unit()))
    size = {name: int(found.get(f"launch__{name}", (0, ""))[0]) for name in ("block_size", "grid_size")}
    return Seen(action.name(), tuple(_stack(action.nvtx_state())), found, size["block_size"], size["grid_size"])


def _stack(state: Any) -> Iterator[str]:
    for number in state.domains() if state is not None else ():
        domain = state.domain_by_id(number)
        if domain.name() == DOMAIN:
            yield from domain.push_pop_ranges()


def main(report: str, folder: str = "") -> None:
    if folder:
        sys.path.insert(0, folder)
    seen = loaded(importlib.import_module("ncu_report"), report)
    sys.stdout.buffer.write(msgspec.json.encode(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
