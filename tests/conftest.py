"""Shared by all tests: a compile cache of their own, the reasons to skip, and the command line as a fixture."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import commandline
import pytest

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
    return functools.partial(commandline.run, cwd=tmp_path)
