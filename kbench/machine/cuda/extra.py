"""Which of kbench's pip extras suits this machine's NVIDIA driver: `python extra.py` prints cuda13, cuda12 or nothing.

Standard library only, and run before anything is installed. What is wrong with a driver goes to stderr.
"""

from __future__ import annotations

import re
import subprocess
import sys

# "CUDA Version" up to the 600 series of drivers, "CUDA UMD Version" (user-mode driver) from 610 on.
_CUDA = re.compile(r"CUDA (?:UMD )?Version\s*:\s*(\d+)\.(\d+)")
_OLDEST_OF_CUDA_13 = 7.5


def cuda_extra(driver_output: str, capabilities: str = "") -> str | None:
    """ "cuda13", "cuda12", or None where no driver answered or it is older than CUDA 12.

    driver_output: what `nvidia-smi` printed; capabilities: what it printed for --query-gpu=compute_cap, one a line.
    CUDA 13 compiles for compute capability 7.5 and later: a machine whose GPUs are all older needs CUDA 12.
    """
    found = _CUDA.search(driver_output)
    if found is None or int(found.group(1)) < 12:
        return None
    known = [float(cap) for cap in re.findall(r"^\s*(\d+\.\d+)\s*$", capabilities, re.MULTILINE)]
    too_old = bool(known) and max(known) < _OLDEST_OF_CUDA_13
    return "cuda12" if int(found.group(1)) == 12 or too_old else "cuda13"


def problem(driver_output: str) -> str:
    """Why there is no extra for this output, in words; "" where nothing says that there should be a GPU."""
    text = " ".join(driver_output.split())
    found = _CUDA.search(text)
    if found:
        return f"the NVIDIA driver supports CUDA {found.group(1)}.{found.group(2)} only, CuPy needs 12 or later"
    return f"nvidia-smi found no usable GPU: {text[:300]}" if text else ""


def _run(*words: str) -> str:
    try:
        done = subprocess.run(["nvidia-smi", *words], capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return ""
    except (OSError, subprocess.SubprocessError) as error:
        return f"nvidia-smi: {error}"
    return done.stdout + done.stderr


def main() -> None:
    output = _run()
    extra = cuda_extra(output, _run("--query-gpu=compute_cap", "--format=csv,noheader") if output else "")
    if extra:
        print(extra)
    elif problem(output):
        print(f"kbench: {problem(output)}; going on without a GPU", file=sys.stderr)


if __name__ == "__main__":
    main()
