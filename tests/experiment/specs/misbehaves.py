"""A kernel for the fake device that does what its `how` axis says."""

import ctypes
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

from kbench import Call, Op, Out, Skip, kernel
from kbench.errors import KernelFault

GOOD = ("good", "good too")
BAD = (
    "wrong",
    "past the end",
    "fault",
    "timeout",
    "race",
    "raises",
    "no memory",
    "late memory",
    "segfault",
    "leaves",
    "hangs",
)
ODD = ("skips", "spec raises", "bad reference", "raises reference", "noisy", "starts a child")


@kernel("nothing.cu", entry="", axes={"how": [*GOOD, *BAD, *ODD], "n": 64}, tuning=("how",))
def misbehaves(xp, rng, *, how, n):
    real = xp is np
    if how == "skips" and real:
        raise Skip("this device has no such thing")
    if how == "spec raises" and real:
        raise KeyError("heads")
    if how == "no memory" and real:
        raise MemoryError
    x = rng.bits(n, "uint32")
    y = xp.empty_like(x)
    reference = {"bad reference": lambda: x[:-1], "raises reference": lambda: x.heads}.get(how, lambda: x)

    def work(y, x, bound):
        y[...] = x
        _misbehave(how, y, bound)

    return Op(
        steps=[Call(work, (y, x))], outputs={"y": Out(y, reference, exact=True)},
        bytes_read=x.nbytes, bytes_written=y.nbytes,
    )  # fmt: skip


def _misbehave(how, y, bound):
    if how == "wrong":
        y[3] ^= 1
    elif how == "past the end":
        bound.canary[0] = 0
    elif how in ("fault", "timeout", "race"):
        raise KernelFault(f"{how} at x.cu:3 [block (0, 0, 0), thread (1, 0, 0)]", kind=how)
    elif how == "raises":
        raise ZeroDivisionError("in a library call")
    elif how == "late memory":
        raise MemoryError("cannot allocate 99 bytes")
    elif how == "segfault":
        print("about to touch address 8", file=sys.stderr, flush=True)
        ctypes.string_at(8)
    elif how == "leaves":
        os._exit(3)
    elif how == "hangs":
        time.sleep(1000)
    elif how == "starts a child":
        pathlib.Path(f"/tmp/kbench-test-child-{os.getppid()}").write_text(str(subprocess.Popen(["sleep", "1000"]).pid))
        time.sleep(1000)
    elif how == "noisy":
        print("a kernel prints", flush=True)
