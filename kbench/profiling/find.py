"""Where Nsight Compute, Nsight Systems and Compute Sanitizer are, and what version each is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from kbench.errors import ProfilerError

_VERSION_S = 60  # a first start from a cold network file system takes its time


class Found(msgspec.Struct, frozen=True):
    """version: as the tool says it, "2025.3.1.0"."""

    path: str
    version: str

    @property
    def number(self) -> tuple[int, ...]:
        """(2025, 3, 1, 0), to compare with."""
        return tuple(int(part) for part in re.findall(r"\d+", self.version))


class Tool(msgspec.Struct, frozen=True):
    """program: its name on PATH; variable: the environment variable that names it; places: patterns of where its
    installers put it; install: how to get it."""

    title: str
    program: str
    variable: str
    places: tuple[str, ...]
    install: str


_TOOLKIT = "it comes with the CUDA toolkit"
TOOLS: dict[str, Tool] = {
    "ncu": Tool(
        "Nsight Compute", "ncu", "KBENCH_NCU",
        ("/usr/local/cuda*/bin/ncu", "/opt/nvidia/nsight-compute/*/ncu", "/usr/local/cuda*/nsight-compute-*/ncu"),
        f"install Nsight Compute ({_TOOLKIT}; packages nsight-compute-VERSION or cuda-nsight-compute-VERSION)",
    ),
    "nsys": Tool(
        "Nsight Systems", "nsys", "KBENCH_NSYS",
        ("/usr/local/cuda*/bin/nsys", "/opt/nvidia/nsight-systems/*/bin/nsys",
         "/opt/nvidia/nsight-systems-cli/*/bin/nsys", "/opt/nvidia/nsight-systems*/*/target-linux-*/nsys",
         "/usr/lib/*/nsight-systems/target-linux-*/nsys", "/usr/local/bin/nsys"),
        f"install Nsight Systems ({_TOOLKIT}; packages nsight-systems-VERSION or nsight-systems-cli)",
    ),
    "sanitizer": Tool(
        "Compute Sanitizer", "compute-sanitizer", "KBENCH_SANITIZER",
        ("/usr/local/cuda*/bin/compute-sanitizer", "/usr/local/cuda*/compute-sanitizer/compute-sanitizer"),
        f"install Compute Sanitizer ({_TOOLKIT}; package cuda-sanitizer-VERSION)",
    ),
}  # fmt: skip
"""The tools that kbench starts, by the names that `--tool` and `doctor` know."""


def tool(name: str) -> Found:
    """The tool to use: the one that its variable names, else the first that runs on PATH, in CUDA_HOME or CUDA_PATH,
    or where installers put it, newest first. Raises ProfilerError with the places that were looked at."""
    wanted = TOOLS[name]
    named = os.environ.get(wanted.variable)
    broken: list[str] = []
    for path in [named] if named else _candidates(wanted):
        version = _version(path)
        if version:
            return Found(path, version)
        broken.append(path)
    if named:
        raise ProfilerError(f"{wanted.variable} names {named}, which does not run; {_remedy(wanted)}")
    if broken:  # the toolkit's bin/ncu is a script that looks for the real one
        raise ProfilerError(f"{wanted.title} does not run: {', '.join(broken)} (no version); {_remedy(wanted)}")
    where = ", ".join(("PATH", "CUDA_HOME", "CUDA_PATH", *wanted.places))
    raise ProfilerError(f"no {wanted.program} ({wanted.title}) in {where}; {_remedy(wanted)}")


def _remedy(wanted: Tool) -> str:
    return f"{wanted.install}, put {wanted.program} on PATH, or set {wanted.variable} to its path"


def _candidates(wanted: Tool) -> Iterator[str]:
    """In the order in which they are tried; each once."""
    seen: set[str] = set()
    for path in _everywhere(wanted):
        real = os.path.realpath(path)
        if real not in seen and os.access(path, os.X_OK) and Path(path).is_file():
            seen.add(real)
            yield path


def _everywhere(wanted: Tool) -> Iterator[str]:
    on_path = shutil.which(wanted.program)
    if on_path:
        yield on_path
    for toolkit in filter(None, map(os.environ.get, ("CUDA_HOME", "CUDA_PATH"))):
        yield str(Path(toolkit) / "bin" / wanted.program)
    for pattern in wanted.places:
        found = map(str, Path("/").glob(pattern.removeprefix("/")))
        yield from sorted(found, key=_numbers, reverse=True)


def _numbers(path: str) -> list[int]:
    """2025.10 is newer than 2025.9."""
    return [int(number) for number in re.findall(r"\d+", path)]


def _version(path: str) -> str:
    """What `--version` says, "" if the program does not run."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_VERSION_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\b\d{4}\.\d+[\w.-]*", done.stdout + done.stderr)
    return found.group(0) if found and not done.returncode else ""
