"""How far a long command is, on stderr, with an estimate of what is left; silent for the first two seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from kbench.cli.console import say

PATIENCE_S = 2.0
LINE_EVERY_S = 10.0
DRAW_EVERY_S = 0.1


class Progress:
    """A bar on a terminal, now and then a line elsewhere: `with Progress("sweep", total) as p: p.advance(label)`.

    best: the best so far of what is being worked on, shown behind it.
    """

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done = what, total, 0
        self.best = ""
        self._label = ""
        self._start = self._last = time.monotonic()
        self._drawn = 0.0
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._erase()

    def advance(self, label: str = "") -> None:
        """One more is done."""
        self.done += 1
        self.show(label)

    def show(self, label: str) -> None:
        """What is being worked on."""
        self._label = label
        now = time.monotonic()
        if now - self._start < PATIENCE_S:
            return
        if self._terminal and now - self._drawn >= DRAW_EVERY_S:
            self._drawn = now
            self._draw(self._text(now))
        elif not self._terminal and now - self._last >= LINE_EVERY_S:
            self._last = now
            say(self._text(now))

    def _text(self, now: float) -> str:
        text = f"{self.what} {self.done}/{self.total}"
        if not self.done:
            return text
        return f"{text}, about {_duration((now - self._start) / self.done * (self.total - self.done))} left"

    def skip(self, count: int) -> None:
        """That many need not be done."""
        self.total -= count

    def note(self, message: str) -> None:
        """A line that stays, above the bar."""
        self._erase()
        say(message)

    def _draw(self, text: str) -> None:
        import shutil

        width = shutil.get_terminal_size().columns
        filled = 20 * self.done // max(self.total, 1)
        line = f"[{'#' * filled}{'.' * (20 - filled)}] {' · '.join(filter(None, [text, self.best, self._label]))}"
        sys.stderr.write("\r\x1b[K" + line[: width - 1])
        sys.stderr.flush()

    def _erase(self) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
