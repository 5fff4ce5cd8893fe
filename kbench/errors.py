"""Everything that can go wrong, as one tree.

KbenchError                    exit code
├── UsageError                 2   a name, value or selection that the user typed
├── SpecError                  1   a kernel's .py file (file:line, what is wrong, did you mean)
├── SuiteError                 2   a suite's TOML file (file, key)
├── BuildError                 1   the compiler's log and the command that reproduces it
│   └── CannotBuild            1   no compiler, no memory: the machine is to blame and not the source
│       └── NoCache            1   nothing can be built, because there is no place to keep it
├── KernelFault                3   a kernel that misbehaved while it ran (wild address, hang, divergent barrier)
├── ClockError                 1   a clock that lost or mixed up its samples: what it says is not to be trusted
├── DeviceError                5   no usable device, and the remedy
├── ProfilerError              5   what is missing, and the remedy
└── StoreError                 1   a store that cannot be read or written

A failing configuration of a sweep is a Result with a status, not an exception; these are caught once, in kbench.cli.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KbenchError(Exception):
    """Base of all errors that kbench raises on purpose; str(error) says what to do next."""

    exit_code = 1


class UsageError(KbenchError):
    exit_code = 2


class SpecError(KbenchError):
    pass


class SuiteError(KbenchError):
    exit_code = 2


class BuildError(KbenchError):
    """A .cu file that does not compile. `log` is the compiler's whole output, `command` reproduces it."""

    def __init__(self, message: str, *, log: str = "", command: str = "") -> None:
        parts = [message, log.rstrip(), f"reproduce with: {command}" if command else ""]
        super().__init__("\n".join(part for part in parts if part))
        self.log = log
        self.command = command


class CannotBuild(BuildError):
    """The compiler is missing or could not do its work on this machine as it is. Says nothing of the source, so that
    nobody may remember it as the source's failure."""


class NoCache(CannotBuild):
    """The compile cache cannot be written: so it is for every kernel."""


class KernelFault(KbenchError):
    """A kernel that misbehaved while it ran. `kind` is "fault", "timeout", "barrier", "race", …"""

    exit_code = 3

    def __init__(self, message: str, *, kind: str = "fault") -> None:
        super().__init__(message)
        self.kind = kind


class ClockError(KbenchError):
    pass


class DeviceError(KbenchError):
    exit_code = 5


class ProfilerError(KbenchError):
    exit_code = 5


class StoreError(KbenchError):
    pass


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " (did you mean …?)" with the closest known names, or a list of them when none is close."""
    names = sorted(set(known))
    close = difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    if close:
        return f" (did you mean {' or '.join(close)}?)"
    more = f" and {len(names) - MOST_KNOWN} more" if len(names) > MOST_KNOWN else ""
    return f" (known: {', '.join(names[:MOST_KNOWN])}{more})" if names else ""


MOST_KNOWN = 24
"""Names that a message lists: hundreds of columns or keys would hide what it says."""
