"""Which device a command runs on. Asks NVML, which opens no CUDA context: the parent process never does."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec

from kbench.errors import UsageError, did_you_mean


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
    found = gpus()
    if isinstance(found, str):
        return Choice("cpu", found)
    if find_spec("cupy") is None:
        return Choice(
            "cpu", f"{found[0]} is there, but CuPy is not installed (make bench, or the extra cuda13 or cuda12)"
        )
    others = f", the first of {len(found)} GPUs" if len(found) > 1 else ""
    return Choice("cuda:0", f"{found[0]}{others}")


def gpus() -> tuple[str, ...] | str:
    """The names of the GPUs that CUDA may use here, or the reason why there is none."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return f"CUDA_VISIBLE_DEVICES={visible!r} hides every GPU"
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return f"no NVIDIA driver answers ({error})"
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        names = tuple(str(pynvml.nvmlDeviceGetName(handle)) for handle in handles)
    except pynvml.NVMLError as error:
        return f"the NVIDIA driver lists no GPU ({error})"
    finally:
        pynvml.nvmlShutdown()
    if visible is not None:
        kept = [i for i in visible.split(",") if i.strip().isdigit() and int(i) < len(names)]
        names = tuple(names[int(i)] for i in kept) or names
    return names or "the NVIDIA driver lists no GPU"
