"""How far a long command is, on stderr, with an estimate of what is left; silent for the first two seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from kbench.cli.console import say

PATIENCE_S = 2.0
LINE_EVERY_S = 10.0


class Progress:
    """A bar on a terminal, now and then a line elsewhere: `with Progress("sweep", total) as p: p.advance(label)`."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done = what, total, 0
        self._start = self._last = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._erase()

    def advance(self, label: str = "") -> None:
        self.done += 1
        now = time.monotonic()
        passed = now - self._start
        if passed < PATIENCE_S:
            return
        left = passed / self.done * (self.total - self.done)
        text = f"{self.what} {self.done}/{self.total}, about {_duration(left)} left"
        if self._terminal:
            self._draw(text, label)
        elif now - self._last >= LINE_EVERY_S:
            self._last = now
            say(text)

    def skip(self, count: int) -> None:
        """That many need not be done."""
        self.total -= count

    def note(self, message: str) -> None:
        """A line that stays, above the bar."""
        self._erase()
        say(message)

    def _draw(self, text: str, label: str) -> None:
        import shutil

        width = shutil.get_terminal_size().columns
        filled = 20 * self.done // max(self.total, 1)
        line = f"[{'#' * filled}{'.' * (20 - filled)}] {text}  {label}"
        sys.stderr.write("\r\x1b[K" + line[: width - 1])
        sys.stderr.flush()

    def _erase(self) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
