"""Shared by all tests: a compile cache of their own, the reasons to skip, and the command line as a fixture."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
Kbench = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_configure(config: pytest.Config) -> None:
    # Kept between runs (its keys are hashes of all that goes in), and apart from the user's own.
    os.environ.setdefault("XDG_CACHE_HOME", str(config.rootpath / ".pytest_cache" / "xdg"))
    for name in ("KBENCH_DB", "KBENCH_PATH", "KBENCH_DEBUG"):
        os.environ.pop(name, None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and (reason := _no_gpu()):
        pytest.skip(reason)
    if item.get_closest_marker("browser") and not shutil.which("chromium"):
        if os.environ.get("CI"):
            pytest.fail("chromium is missing, and in CI the browser tests must run")
        pytest.skip("chromium is not on PATH")


def _no_gpu() -> str:
    from kbench.machine.cuda.visible import gpus

    found, why_none = gpus()
    return why_none if not found else "" if find_spec("cupy") else "CuPy is not installed"


@pytest.fixture
def kbench(tmp_path: Path) -> Kbench:
    """Run the command line in a process of its own, in an empty folder: kbench("sweep", "--kernel", "copy")."""

    def run(*words: object, cwd: Path = tmp_path, timeout: float = 120, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kbench.cli.main", *map(str, words)]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        full = {**os.environ, "PYTHONPATH": path, **env}
        return subprocess.run(command, cwd=cwd, env=full, timeout=timeout, capture_output=True, text=True, check=False)

    return run
