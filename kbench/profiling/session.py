"""A profiler as a process of its own: started, waited for, and ended with everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from kbench.errors import ProfilerError
from kbench.machine import interpreter
from kbench.machine.profiler import VARIABLE

LOOK_S = 0.2
WRITES_S = 60.0
"""The longest that a profiler may take to write down what it has seen, after it was told to stop."""
TAIL = 1500


class Ended(msgspec.Struct, frozen=True):
    """code: its exit code, negative for a signal; interrupted: because the user wanted it to. log: all it printed."""

    code: int
    interrupted: bool
    log: str

    @property
    def how(self) -> str:
        if self.code < 0:
            return f"was killed by {signal.Signals(-self.code).name}"
        return f"ended with exit code {self.code}"

    @property
    def last_words(self) -> str:
        return self.log.strip()[-TAIL:]


def inner(words: Sequence[str]) -> list[str]:
    """`kbench` with these words, as a command that does not depend on PATH or on the folder's own files."""
    return interpreter.command("kbench", words)


def run(command: Sequence[str], tool: str, log: Path, look: Callable[[], bool] = lambda: False) -> Ended:
    """Run a profiler to its end; what it prints goes to `log`. look: called now and then, says whether everything has
    run, so that the profiler is writing. Where the user interrupts, it may still write what it has. Raises
    ProfilerError where it cannot be started."""
    with log.open("wb") as file:
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                env=interpreter.environment(**{VARIABLE: tool}), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ProfilerError(f"{command[0]} cannot be started: {error}") from error
        interrupted = False
        try:
            _wait(child, None, look)
        except KeyboardInterrupt:
            interrupted = True
            _stop(child, look)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
    return Ended(child.returncode, interrupted, log.read_text(errors="replace"))


def _wait(child: subprocess.Popen[bytes], limit_s: float | None, look: Callable[[], bool]) -> None:
    end = time.monotonic() + limit_s if limit_s else None
    while end is None or time.monotonic() < end:
        look()
        with suppress(subprocess.TimeoutExpired):
            child.wait(LOOK_S)
            return


def _stop(child: subprocess.Popen[bytes], look: Callable[[], bool]) -> None:
    """As Ctrl-C in a terminal does: the profiler stops looking, and writes; one that is writing already is left alone.
    A second Ctrl-C ends it at once."""
    with suppress(ProcessLookupError, KeyboardInterrupt):
        if not look():
            os.killpg(child.pid, signal.SIGINT)
        _wait(child, WRITES_S, look)
