"""Processes of this same kbench: started by this interpreter, whatever the current folder or PATH hold."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

PACKAGE_PARENT = Path(__file__).resolve().parents[2]


def command(module: str, words: Sequence[str] = ()) -> list[str]:
    """`python -m MODULE WORDS`. -P: a user's folder may hold a copy.py, which must not shadow the standard one."""
    return [sys.executable, "-P", "-m", module, *words]


def environment(**more: str) -> dict[str, str]:
    """This process's environment, in which Python finds this kbench, and some more."""
    path = os.pathsep.join(filter(None, [str(PACKAGE_PARENT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, **more}
