"""The command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAULTS = ROOT / "tests" / "faults"
"""A user's own folder of kernels: one that is right and six with a planted fault each."""

PLUGIN = [] if any(e.name == "kbench" for e in entry_points(group="pytest11")) else ["-p", "kbench.pytest_plugin"]
"""Options that make pytest load kbench's plugin: none where kbench is installed, since then it does so by itself."""


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "kbench", *map(str, words)]


def environment(**extra: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, **extra}


def run(*words: object, cwd: Path, timeout: float = 120, **env: str) -> subprocess.CompletedProcess[str]:
    """run("sweep", "--kernel", "copy", cwd=folder); keywords are environment variables."""
    return subprocess.run(
        command(*words), cwd=cwd, env=environment(**env), timeout=timeout, capture_output=True, text=True, check=False
    )
