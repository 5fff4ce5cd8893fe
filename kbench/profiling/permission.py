"""Who may read the GPU's performance counters, and what to do about it. NVIDIA's tools say ERR_NVGPUCTRPERM."""

from __future__ import annotations

import os
import re
from pathlib import Path

from kbench.errors import ProfilerError

REFUSED = "ERR_NVGPUCTRPERM"
PARAMS = Path("/proc/driver/nvidia/params")
_CAP_SYS_ADMIN = 21

REMEDY = (
    "let every user read them: put `options nvidia NVreg_RestrictProfilingToAdminUsers=0` into a file in "
    "/etc/modprobe.d, then reboot (or reload the module nvidia); or run as root or with CAP_SYS_ADMIN; "
    "in a container: docker run --cap-add=SYS_ADMIN"
)


def refused(tool: str) -> ProfilerError:
    """What to say when a tool was told ERR_NVGPUCTRPERM."""
    return ProfilerError(f"{tool} may not read the GPU's performance counters ({REFUSED}); {REMEDY}")


def counters() -> tuple[bool | None, str, str]:
    """Whether this process may read them (None: the driver does not say), in words, and the remedy ("" if none)."""
    if not PARAMS.is_file():
        return None, f"{PARAMS} is not there: no driver, or one that is hidden", "install the NVIDIA driver"
    only_admin = re.search(r"RmProfilingAdminOnly:\s*(\d)", PARAMS.read_text())
    if only_admin is None:
        return None, f"{PARAMS} does not say who may read them", "try: kbench profile --tool ncu"
    if only_admin.group(1) == "0":
        return True, "every user may read the hardware counters", ""
    if _admin():
        return True, "only administrators may read the hardware counters, and this process is one", ""
    return False, "only administrators may read the hardware counters", REMEDY


def _admin() -> bool:
    """Root inside a container is none unless it was given CAP_SYS_ADMIN."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return os.geteuid() == 0
    effective = re.search(r"CapEff:\s*([0-9a-fA-F]+)", status)
    if effective is None:
        return os.geteuid() == 0
    return bool(int(effective.group(1), 16) >> _CAP_SYS_ADMIN & 1)
