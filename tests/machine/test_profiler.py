"""Which profiler is around a process."""

from __future__ import annotations

import pytest

from kbench.machine.profiler import around


@pytest.mark.parametrize(
    ("environment", "tool"),
    [
        ({"NSYS_PROFILING_SESSION_ID": "107905", "CUDA_INJECTION64_PATH": "/x/libToolsInjection64.so"}, "nsys"),
        ({"LD_PRELOAD": "/x/target-linux-x64/libToolsInjectionProxy64.so:/y/z.so"}, "nsys"),
        ({"NV_COMPUTE_PROFILER_PERFWORKS_DIR": "/x", "NV_TPS_LAUNCH_TOKEN": "Interactive Profile"}, "ncu"),
        ({"NV_NSIGHT_INJECTION_PORT_BASE": "49152"}, "ncu"),
        ({"NV_SANITIZER_INJECTION_PORT_BASE": "49152", "NV_TPS_LAUNCH_TOKEN": "x"}, "sanitizer"),
        ({"CUDA_INJECTION64_PATH": "/x/libsanitizer-collection.so"}, "sanitizer"),
        ({"CUDA_INJECTION64_PATH": "/x/libmine.so"}, ""),
        ({"NV_TPS_LAUNCH_TOKEN": "x"}, ""),
        ({"KBENCH_PROFILER": "rocprof"}, ""),
        ({"KBENCH_PROFILER": "ncu", "NSYS_PROFILING_SESSION_ID": "1"}, "ncu"),
    ],
)
def test_it_is_told_by_what_it_leaves_in_the_environment(environment: dict[str, str], tool: str) -> None:
    found = around({"PATH": "/bin", **environment})
    assert found is not None
    assert found.tool == tool
    assert any(name in found.why for name in environment)


@pytest.mark.parametrize("environment", [{}, {"LD_PRELOAD": "/usr/lib/libjemalloc.so"}, {"KBENCH_PROFILER": ""}])
def test_none(environment: dict[str, str]) -> None:
    assert around(environment) is None
