"""The manners of code that is not kbench's own: spec files, their functions, their references."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

FAULTS = (Exception, SystemExit)
"""What may come out of such code and is its fault: sys.exit() must not end kbench. Ctrl-C is not among them."""


@contextmanager
def guest() -> Iterator[None]:
    """While it runs, what it prints goes to stderr, because stdout is for results; afterwards the working directory is
    where it was."""
    here = _here()
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if here and here != _here():
            os.chdir(here)


def _here() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # removed under us: there is nothing to come back to
        return None
