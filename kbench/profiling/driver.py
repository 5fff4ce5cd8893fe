"""What every profiler that kbench starts has in common: a command that runs it, and a way to read what it wrote.

The tool is started around `kbench profile …` itself, with a selection and nothing more: what a user could type. That
inner kbench runs each configuration in an NVTX range of its own and writes down (`--promise FILE`) which ranges those
were; what the tool wrote is joined to them by the ranges' names.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

import msgspec

from kbench.profiling.find import Found
from kbench.profiling.profile import Profile
from kbench.profiling.promised import Promised

DRIVERS = {"ncu": "ncu", "nsys": "nsys", "sanitizer": "sanitizer"}
"""The module beside this one of each tool that is a program of its own."""
SAMPLES = "samples"
"""The phase inside a configuration's range that holds the promised launches, and nothing else."""


class How(msgspec.Struct, frozen=True):
    """What one run of a tool is about. arch: of the device, "sm_90" ("" where it is not known); cache: the cache state
    that its configurations ask for, one for all of them; check: one of the tool's CHECKS."""

    arch: str = ""
    cache: str = "cold"
    check: str = ""


PLAIN = How()


class Driver(Protocol):
    """A module: its functions are these. CHECKS: a run of the tool is needed for each; ALONE: and for each
    configuration, because the tool does not say in which range it saw what; FAULTS: it looks for what goes wrong, so
    that configurations that did not run as they should are read too."""

    CHECKS: tuple[str, ...]
    ALONE: bool
    FAULTS: bool

    def command(self, found: Found, inner: Sequence[str], raw: Path, how: How = PLAIN) -> list[str]:
        """The words that run the tool around `inner`, which is `python -m kbench profile …`. raw: the file that the
        tool is to write, without its ending; its folder is there, and empty. Only what runs in `samples` ranges of
        the domain kbench is to be looked at."""

    def read(self, raw: Path, wanted: Mapping[str, Promised], log: str, how: How = PLAIN) -> list[Profile]:
        """One Profile for each range that the tool has seen, by name; those that it says nothing of are left out.
        `raw` as above: Profile.raw is the file that the tool's GUI opens, as a path that begins with `raw`'s folder.
        log: what the tool printed (stdout and stderr together), which may hold a refusal (permissions) or, from a
        sanitizer, its findings. Raises ProfilerError where there is nothing to read, with the tool's own reason."""


def driver(tool: str) -> Driver:
    """Of "ncu", "nsys" or "sanitizer". Raises KeyError for any other."""
    return cast(Driver, importlib.import_module(f"kbench.profiling.{DRIVERS[tool]}"))
