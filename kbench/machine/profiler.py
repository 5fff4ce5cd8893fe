"""Which profiler this process runs under: what it leaves in the environment of the programs that it starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

VARIABLE = "KBENCH_PROFILER"
"""Names the profiler where its traces do not: ncu, nsys, sanitizer, or any other word for one that kbench does not
know. kbench sets it itself for the tools that it starts."""

_TRACES = (
    ("nsys", "NSYS_PROFILING_SESSION_ID"),
    ("sanitizer", "NV_SANITIZER_INJECTION_PORT_BASE"),
    ("sanitizer", "NV_SANITIZER_INJECTION_PORT_RANGE_BEGIN"),
    ("ncu", "NV_COMPUTE_PROFILER_PERFWORKS_DIR"),
    ("ncu", "NV_NSIGHT_INJECTION_PORT_BASE"),
    ("ncu", "NV_NSIGHT_INJECTION_PORT_RANGE_BEGIN"),
)
"""Set by each with a GPU and without one."""
_LIBRARIES = (
    ("sanitizer", "libsanitizer-collection"),
    ("nsys", "libToolsInjection"),
    ("ncu", "libcuda-injection"),
    ("", "libTreeLauncher"),
    ("", "libInterceptorInjection"),
)
_INJECTED = ("CUDA_INJECTION64_PATH", "NVTX_INJECTION64_PATH", "LD_PRELOAD")


@dataclass(frozen=True)
class Profiler:
    """tool: "ncu", "nsys", "sanitizer", or "" for one that cannot be told. why: the trace that it left."""

    tool: str
    why: str


def around(environment: Mapping[str, str] | None = None) -> Profiler | None:
    """The profiler around this process; None if there is none."""
    given = os.environ if environment is None else environment
    named = given.get(VARIABLE, "")
    if named:
        return Profiler(named if named in ("ncu", "nsys", "sanitizer") else "", f"{VARIABLE} is {named}")
    for tool, name in _TRACES:
        if given.get(name):
            return Profiler(tool, f"{name} is set")
    for tool, library in _LIBRARIES:
        for name in _INJECTED:
            if library in given.get(name, ""):
                return Profiler(tool, f"{name} names {library}")
    for name in ("CUDA_INJECTION64_PATH", "NV_TPS_LAUNCH_TOKEN"):
        if given.get(name):
            return Profiler("", f"{name} is set")
    return None
