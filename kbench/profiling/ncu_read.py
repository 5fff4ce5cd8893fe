"""What Nsight Compute wrote, launch by launch: by its own Python module where there is one that can, else from CSV."""

from __future__ import annotations

import csv
import io
import math
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from kbench.errors import ProfilerError
from kbench.machine.install import install
from kbench.machine.interpreter import command, environment
from kbench.machine.marks import DOMAIN
from kbench.profiling.find import tool
from kbench.profiling.ncu_module import Seen

_READ_S = 300
_FIXED = ("ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Context", "Stream", "Block Size",
          "Grid Size", "Device", "CC")  # fmt: skip


def launches(report: Path) -> list[Seen]:
    """All of a report, in order. Raises ProfilerError where no reader makes anything of it: it is damaged or empty, or
    of a version that none of them knows."""
    tried = []
    for reader in (_by_package, _by_installation, _by_csv):
        try:
            seen = reader(report)
        except (ImportError, ProfilerError, OSError, ValueError, subprocess.SubprocessError) as error:
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
    return _by_module(report)


def _by_installation(report: Path) -> list[Seen]:
    """The module that came with the program, which is not always one for this Python."""
    folder = next(_module_folders(Path(tool("ncu").path).resolve()), None)
    if folder is None:
        raise ImportError("Nsight Compute's own Python module is not installed")
    return _by_module(report, folder)


def _by_module(report: Path, *folder: Path) -> list[Seen]:
    words = command("kbench.profiling.ncu_module", [str(report), *map(str, folder)])
    done = subprocess.run(words, capture_output=True, check=False, timeout=_READ_S, env=environment())
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ImportError(said[-1] if said and done.returncode > 0 else f"ncu_report crashed: {done.returncode}")
    return msgspec.json.decode(done.stdout, type=list[Seen])


def _module_folders(program: Path) -> Iterator[Path]:
    """Beside the program; the toolkit's bin/ncu is a script that starts one from elsewhere."""
    elsewhere = ("opt/nvidia/nsight-compute/*/extras/python", "usr/local/cuda*/nsight-compute-*/extras/python")
    found = [up / "extras/python" for up in program.parents[:4]]
    found += [folder for pattern in elsewhere for folder in sorted(Path("/").glob(pattern), reverse=True)]
    return (folder for folder in found if (folder / "ncu_report.py").is_file())


# ---------------------------------------------------------------- CSV
def _by_csv(report: Path) -> list[Seen]:
    words = [tool("ncu").path, "--import", str(report), "--csv", "--page", "raw", "--print-units", "base"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_READ_S)
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
