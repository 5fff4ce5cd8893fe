"""Where and when something was measured. Collecting it opens no device and never fails: what is unknown stays empty."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec

from kbench import __version__
from kbench.machine.device import DeviceInfo

# The distributions whose version can change a number; each word of a line is another name of the same thing.
_PACKAGES = {
    "cupy": ("cupy-cuda13x", "cupy-cuda12x", "cupy"),
    "nvrtc": ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12"),
    "cuda-runtime": ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12"),
    "cuda-core": ("cuda-core",),
    "cuda-bindings": ("cuda-bindings",),
    "cupti": ("cupti-python",),
    "numpy": ("numpy",),
    "ml_dtypes": ("ml_dtypes",),
    "ziglang": ("ziglang",),
}


class Git(msgspec.Struct, frozen=True):
    """The working tree of the current folder; dirty: it holds changes that `revision` does not."""

    revision: str
    dirty: bool


class Environment(msgspec.Struct, frozen=True):
    """device: what was measured (driver, clocks, power limit, ECC and MIG are in it); time_utc: ISO 8601;
    versions: distribution versions found, by short name; memory_bytes: of the host; variables: what chose a device."""

    time_utc: str
    device: DeviceInfo | None
    host: str
    system: str
    kernel: str
    cpu: str
    cpu_count: int
    memory_bytes: int | None
    python: str
    versions: dict[str, str]
    git: Git | None
    argv: tuple[str, ...]
    variables: dict[str, str]


def collect(device: DeviceInfo | None = None, argv: Sequence[str] | None = None) -> Environment:
    """The environment of this process; argv defaults to its own, as a user would type it."""
    release = _os_release()
    return Environment(
        time_utc=now_utc(),
        device=device,
        host=platform.node(),
        system=release or platform.system(),
        kernel=platform.release(),
        cpu=_cpu_model(),
        cpu_count=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=_memory_bytes(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        versions=_versions(),
        git=_git(),
        argv=tuple(_command() if argv is None else argv),
        variables={n: os.environ[n] for n in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER") if n in os.environ},
    )


def _command() -> list[str]:
    """`kbench sweep …`, however it was started: where the package lies changes no number."""
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    return [name, *sys.argv[1:]]


def now_utc() -> str:
    """The time as ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _versions() -> dict[str, str]:
    """Read from the distributions' metadata: importing CuPy in the parent process could open a device."""
    found = {"kbench": __version__}
    for short, names in _PACKAGES.items():
        for name in names:
            try:
                found[short] = metadata.version(name)
                break
            except metadata.PackageNotFoundError:
                continue
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _os_release() -> str:
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip().strip('"')
    return ""


def _cpu_model() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int | None:
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return None


def _git() -> Git | None:
    """None where there is no git, no repository or no commit."""
    revision = _run_git("rev-parse", "HEAD")
    if not revision:
        return None
    return Git(revision=revision, dirty=bool(_run_git("status", "--porcelain", "--untracked-files=no")))


def _run_git(*words: str) -> str:
    if shutil.which("git") is None:
        return ""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, errors="replace", timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
