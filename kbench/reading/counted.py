"""What profilers count, in words: names, values with their units, and the groups that they are shown in."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kbench.profiling.metrics import KINDS
from kbench.reading import units

# The first group that knows a name, or the beginning of it, has it.
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("time", ("duration_s", "sm_clock_hz", "dram_clock_hz")),
    ("memory", ("dram_", "l2_", "l1_", "memory_")),
    ("access pattern", ("global_", "shared_load_", "shared_store_", "local_")),
    ("computing", ("sm_throughput", "issue_active", "threads_per_instruction", "instructions", "pipe_")),
    ("parallelism", ("achieved_", "theoretical_", "limit_", "waves", "grid_", "block_", "registers_", "shared_bytes_",
                     "cluster_")),
    ("stalls", ("stall_",)),
    ("timeline", ("busy_", "idle_", "overlap_", "kernel_overlap_", "gap_", "largest_gap_", "range_")),
)  # fmt: skip
OTHER = "other"

_CAPITALS = {"dram": "DRAM", "l1": "L1", "l2": "L2", "sm": "SM", "fma": "FMA", "alu": "ALU", "fp64": "FP64",
             "lsu": "LSU", "xu": "XU", "lg": "LG", "mio": "MIO"}  # fmt: skip
_UNITS: dict[str, tuple[str, str, Callable[[float], str]]] = {
    # unit: (ending of a name that says it, what follows a title, how a value is shown)
    "s": ("_s", "", units.duration),
    "Hz": ("_hz", " MHz", lambda value: f"{value / 1e6:.0f}"),
    "B": ("", "", units.size),
    "1": ("", " %", units.percent),
    "count": ("", "", lambda value: f"{value:,.0f}" if value == int(value) or value > 1e4 else units.digits(value)),
}


def group(name: str) -> str:
    return next((title for title, starts in GROUPS if name.startswith(starts)), OTHER)


def grouped(names: Iterable[str]) -> list[tuple[str, list[str]]]:
    """The names by group, groups and names in the order of the vocabulary; empty groups are left out."""
    found: dict[str, list[str]] = {title: [] for title in (*(title for title, _ in GROUPS), OTHER)}
    order = {name: place for place, name in enumerate(KINDS)}
    for name in sorted(names, key=lambda name: order.get(name, len(order))):
        found[group(name)].append(name)
    return [(title, members) for title, members in found.items() if members]


def words(name: str) -> str:
    """dram_bytes_read -> DRAM bytes read; stall_barrier -> stall barrier; sm_clock_hz -> SM clock."""
    ending = _UNITS[_unit(name)][0]
    parts = name.removesuffix(ending).split("_")
    said = " ".join(_CAPITALS.get(part, part) for part in parts)
    return said[:1].upper() + said[1:]


def title(name: str) -> str:
    """For the head of a column: with the unit where values come without it."""
    said = words(name)
    return (said if said[:2].isupper() else said[:1].lower() + said[1:]) + _UNITS[_unit(name)][1]


def cell(name: str, value: float) -> str:
    """A value under `title`."""
    return _UNITS[_unit(name)][2](value)


def shown(name: str, value: float) -> str:
    """A value with its unit."""
    return cell(name, value) + _UNITS[_unit(name)][1]


def valued(value: float, unit: str) -> str:
    """A value in a unit of a `Kind`, for what is no metric itself."""
    _, said, show = _UNITS.get(unit, _UNITS["count"])
    return show(value) + said


def meaning(name: str) -> str:
    return KINDS[name].meaning if name in KINDS else ""


def is_share(name: str) -> bool:
    return _unit(name) == "1"


def _unit(name: str) -> str:
    """A name that this kbench does not know came from a newer one: a plain number."""
    return KINDS[name].unit if name in KINDS else "count"
