"""Which device a command runs on. Asks NVML, which opens no CUDA context: the parent process never does."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kbench.errors import UsageError, did_you_mean
from kbench.machine.cuda import visible


@dataclass(frozen=True)
class Choice:
    """name: what a worker opens ("cuda:0", "cpu"). why: in words, for the user."""

    name: str
    why: str

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0]


def choose(asked: str) -> Choice:
    """The device of "auto", "cuda", "cuda:N" or "cpu". Raises UsageError for any other word.

    A device that was asked for by name is not looked for here: opening it says what is wrong with it.
    """
    if asked == "cpu":
        return Choice("cpu", "asked for")
    if re.fullmatch(r"cuda(:\d+)?", asked):
        return Choice(asked if ":" in asked else "cuda:0", "asked for")
    if asked != "auto":
        raise UsageError(f"unknown device {asked!r}{did_you_mean(asked, ('auto', 'cuda', 'cuda:0', 'cpu'))}")
    return _best()


def _best() -> Choice:
    found, why_none = visible.gpus()
    if not found:
        return Choice("cpu", why_none)
    problem, remedy = visible.cupy_problem(found)
    if problem:
        return Choice("cpu", f"{found[0].name} is there, but {problem} ({remedy})")
    others = f", the first of {len(found)} GPUs" if len(found) > 1 else ""
    return Choice("cuda:0", f"{found[0].name}{others}")
