"""Writes small files of NVIDIA's tools from a GPU, for the tests that read them without one.

    python tests/gpu/capture.py OUT

OUT gets one file a kernel, to be put into tests/profiling/data: gpu-ncu-KERNEL.ncu-rep and the same report as
gpu-ncu-KERNEL.csv; gpu-sanitizer-CHECK-KERNEL.txt and .xml. What cannot be had is told, and the rest goes on.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from commandline import environment  # noqa: E402
from plants import EXPECTED, FAULTS, PROFILED, SANITIZED  # noqa: E402

from kbench.errors import KbenchError  # noqa: E402
from kbench.profiling import sanitizer  # noqa: E402
from kbench.profiling.driver import How  # noqa: E402
from kbench.profiling.find import tool  # noqa: E402

BUNDLED = {
    "copy": ("--kernel", "copy", "--axis", "nbytes=256MiB", "--dtype", "float32", "--block-size", "256",
             "--variant", "uint4"),
    "transpose": ("--kernel", "transpose", "--axis", "rows=8192", "--dtype", "float32", "--block-size", "256",
                  "--variant", "tiled"),
}  # fmt: skip
PER_TOOL_S = 300


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def kbench(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kbench", "profile", *words, "--device", "cuda", "--launches", "1", "--json"]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=PER_TOOL_S, check=False
    )


def ncu(out: Path, name: str, words: tuple[str, ...]) -> None:
    """Of several configurations of one kernel the last, which is the largest."""
    with tempfile.TemporaryDirectory() as folder:
        done = kbench(Path(folder), *words, "--tool", "ncu")
        if not done.stdout.strip():
            say(f"ncu {name}: {done.stderr.strip()[-500:]}")
            return
        profile = json.loads(done.stdout)[-1]["profile"]
        if profile["status"] != "ok":
            say(f"ncu {name}: {profile['message']}")
            return
        report = out / f"gpu-ncu-{name}.ncu-rep"
        report.write_bytes((Path(folder) / profile["raw"]).read_bytes())
    table = [tool("ncu").path, "--import", str(report), "--csv", "--page", "raw", "--print-units", "base"]
    done = subprocess.run(table, capture_output=True, text=True, check=False)
    report.with_suffix(".csv").write_text(done.stdout)
    say(f"ncu {name}: {report.stat().st_size} bytes, {profile['launches']} launches, range of {profile['raw']}")


def checked(out: Path, name: str, check: str) -> None:
    inner = [sys.executable, "-P", "-m", "kbench", "profile", "--path", str(SANITIZED), "--kernel", name, "--device",
             "cuda", "--launches", "1"]  # fmt: skip
    raw = out / f"gpu-sanitizer-{check}-{name}"
    words = sanitizer.command(tool("sanitizer"), inner, raw, How(check=check))
    environ = environment(KBENCH_PROFILER="sanitizer")
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=PER_TOOL_S, check=False)
    file = raw.with_name(raw.name + sanitizer.ENDING)
    said = file.read_text().strip().splitlines()[-1:] if file.is_file() else [done.stderr.strip()[-300:]]
    say(f"sanitizer {check} {name}: {' '.join(said)}")


def tried(job: Callable[..., None], *words: Any) -> None:
    try:
        job(*words)
    except (KbenchError, OSError, subprocess.TimeoutExpired) as error:
        say(f"{job.__name__} {words[1]}: {error}")


def main() -> None:
    out = Path(sys.argv[1]).resolve()
    out.mkdir(parents=True, exist_ok=True)
    for name, words in ({name: ("--path", str(PROFILED), "--kernel", name) for name in EXPECTED} | BUNDLED).items():
        tried(ncu, out, name, words)  # one by one: what another process moves would be counted too
    checks = [(name, check) for name, (check, _) in FAULTS.items()] + [("without_fault", "memcheck")]
    with ThreadPoolExecutor(len(checks)) as pool:
        for name, check in checks:
            pool.submit(tried, checked, out, name, check)


if __name__ == "__main__":
    main()
