"""A worker process as its parent sees it: started, spoken to, killed with everything that it started."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from contextlib import suppress

import msgspec

from kbench.experiment.protocol import Frames, Reply, Request, write_frame
from kbench.machine import interpreter
from kbench.machine.profiler import around

GRACE_S, PROFILED_GRACE_S = 5.0, 120.0
TAIL = 2000
"""Characters of a dead worker's stderr that are worth repeating."""


class WorkerDied(Exception):
    """str(error) says how it died, with the tail of its stderr."""


class Process:
    """One worker. Its stdout and stderr go to a file of its own: kernels print, and drivers complain."""

    def __init__(self, device: str) -> None:
        self._log = tempfile.TemporaryFile(prefix="kbench-worker-")  # noqa: SIM115 - closed by kill()
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        words = ["--device", device, "--fds", str(theirs_in), str(theirs_out), "--parent", str(os.getpid())]
        try:
            self._child = subprocess.Popen(
                interpreter.command("kbench.experiment.worker", words),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(theirs_in, theirs_out),
                env=interpreter.environment(),
                start_new_session=True,
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self._frames = Frames(self._in)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def send(self, message: Request) -> None:
        """Raises WorkerDied."""
        try:
            write_frame(self._out, message)
        except BrokenPipeError as error:
            raise self._death() from error

    def receive(self, timeout_s: float) -> Reply | None:
        """The next message; None if it does not come in time. Raises WorkerDied."""
        deadline = time.monotonic() + timeout_s
        while (frame := self._frames.take()) is None:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return None
            if not self._frames.feed():
                raise self._death()
        reply: Reply = msgspec.msgpack.decode(frame, type=Reply)
        return reply

    def kill(self) -> None:
        """End it and its whole process group at once, and wait for it."""
        if self._log.closed:
            return
        with suppress(ProcessLookupError):  # gone already, with all that it started
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._close()

    def close(self, grace_s: float | None = None) -> None:
        """Let it end by itself: it does when its pipe ends. Killed if it does not, by default within 5 s, and under a
        profiler, which has its findings to write then, within two minutes."""
        grace_s = (PROFILED_GRACE_S if around() else GRACE_S) if grace_s is None else grace_s
        if self._log.closed:
            return
        os.close(self._out)
        self._out = -1
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(grace_s)
        self.kill()

    def _close(self) -> None:
        for fd in (self._in, self._out):
            if fd >= 0:
                os.close(fd)
        self._in = self._out = -1
        self._log.close()

    def _death(self) -> WorkerDied:
        try:
            code = self._child.wait(5.0)
        except subprocess.TimeoutExpired:
            return WorkerDied("the worker closed its pipe but did not exit")
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - TAIL))
        tail = self._log.read().decode(errors="replace").strip()
        return WorkerDied(f"the worker {how}" + (f"; its last words:\n{tail}" if tail else ""))
