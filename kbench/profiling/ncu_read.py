"""What Nsight Compute wrote, launch by launch: by its own Python module where there is one that can, else from CSV."""

from __future__ import annotations

import csv
import importlib
import io
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from kbench.errors import ProfilerError
from kbench.machine.install import install
from kbench.machine.marks import DOMAIN
from kbench.profiling.find import tool

_CSV_S = 300
_FIXED = ("ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Context", "Stream", "Block Size",
          "Grid Size", "Device", "CC")  # fmt: skip


class Seen(msgspec.Struct, frozen=True):
    """A launch. ranges: the names of those of kbench's NVTX ranges that it lies in; found: ncu's metrics, name ->
    (value, unit); threads of a block and blocks of the grid, 0 where they are not told."""

    kernel: str
    ranges: tuple[str, ...]
    found: dict[str, tuple[float, str]]
    threads: int = 0
    blocks: int = 0


def launches(report: Path) -> list[Seen]:
    """All of a report, in order. Raises ProfilerError where no reader makes anything of it: it is damaged or empty, or
    of a version that none of them knows."""
    tried = []
    for reader in (_by_package, _by_installation, _by_csv):
        try:
            seen = reader(report)
        except (ImportError, ProfilerError, RuntimeError, OSError, ValueError) as error:
            tried.append(str(error).splitlines()[0] if str(error) else type(error).__name__)
            continue
        if seen:
            return seen
        tried.append("it holds no launches")
    why = "; ".join(dict.fromkeys(tried))
    raise ProfilerError(
        f"{report} cannot be read ({why}): the profiler was stopped before it was done, or the report comes from a "
        f"newer Nsight Compute. Profile again; to read a newer one, {install('profile')}, or set KBENCH_NCU"
    )


# ---------------------------------------------------------------- ncu_report
def _by_package(report: Path) -> list[Seen]:
    return _loaded(importlib.import_module("ncu_report"), report)


def _by_installation(report: Path) -> list[Seen]:
    """The module that came with the program, which is not always one for this Python."""
    folder = next(_module_folders(Path(tool("ncu").path).resolve()), None)
    if folder is None:
        raise ImportError("Nsight Compute's own Python module is not installed")
    sys.path.insert(0, str(folder))
    try:
        return _loaded(importlib.import_module("ncu_report"), report)
    finally:
        sys.path.remove(str(folder))


def _module_folders(program: Path) -> Iterator[Path]:
    """Beside the program; the toolkit's bin/ncu is a script that starts one from elsewhere."""
    elsewhere = ("opt/nvidia/nsight-compute/*/extras/python", "usr/local/cuda*/nsight-compute-*/extras/python")
    found = [up / "extras/python" for up in program.parents[:4]]
    found += [folder for pattern in elsewhere for folder in sorted(Path("/").glob(pattern), reverse=True)]
    return (folder for folder in found if (folder / "ncu_report.py").is_file())


def _loaded(module: Any, report: Path) -> list[Seen]:
    context = module.load_report(str(report))  # of a damaged file it has no ranges
    return [
        _action(context.range_by_idx(i).action_by_idx(j))
        for i in range(context.num_ranges())
        for j in range(context.range_by_idx(i).num_actions())
    ]


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


# ---------------------------------------------------------------- CSV
def _by_csv(report: Path) -> list[Seen]:
    command = [tool("ncu").path, "--import", str(report), "--csv", "--page", "raw", "--print-units", "base"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_CSV_S)
    try:
        return from_csv(done.stdout)
    except ValueError as error:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("==ERROR==")]
        raise ProfilerError(said[0].removeprefix("==ERROR==").strip() if said else str(error)) from error


def from_csv(text: str) -> list[Seen]:
    """From `ncu --csv --page raw`: a line of names, one of units, and one a launch, among whatever else was printed.
    Raises ValueError where there is no such table."""
    lines = text.splitlines()
    first = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), None)
    if first is None:
        raise ValueError("ncu printed no table")
    head, *rows = csv.reader(io.StringIO("\n".join(lines[first:])))
    rows = [row for row in rows if len(row) == len(head)]  # what a program prints may come in between
    units = next((row for row in rows if not row[0]), [""] * len(head))
    return [_row(dict(zip(head, zip(row, units, strict=True), strict=True))) for row in rows if row[0].isdigit()]


def _row(cells: dict[str, tuple[str, str]]) -> Seen:
    said = "".join(text for name, (text, _) in cells.items() if "Push/Pop_Range" in name)
    found = {}
    for name, (text, unit) in cells.items():
        number = _number(text)
        if name not in _FIXED and number is not None:
            found[name] = (number, unit)
    return Seen(
        cells["Kernel Name"][0], tuple(re.findall(rf'"{DOMAIN}:([^:"]+)', said)), found,
        _product(cells.get("Block Size", ("", ""))[0]), _product(cells.get("Grid Size", ("", ""))[0]),
    )  # fmt: skip


def _number(text: str) -> float | None:
    """ "1,234.5" too: some versions group digits. None for words, for nothing and for "no value"."""
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _product(text: str) -> int:
    """256 of "(256, 1, 1)"."""
    return math.prod(int(n) for n in re.findall(r"\d+", text)) if text else 0
