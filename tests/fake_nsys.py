"""Stands in for nsys: python fake_nsys.py HOW ARGUMENTS. It runs the program it is given, with the trace that nsys
leaves in an environment, and writes a report of the ranges that the program promised, unless HOW has it misbehave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from nsys_report import Report

HOWS = ("well", "dies", "garbage", "no tables", "refuses", "half")


def main(how: str, words: list[str]) -> int:
    if words == ["--version"]:
        print("NVIDIA Nsight Systems version 2025.5.1.121-255136380782v0")
        return 0
    if how == "refuses":
        print("Error: unrecognised option '--cpuctxsw'")
        return 1
    (output,) = (Path(w.removeprefix("--output=")) for w in words if w.startswith("--output="))
    program = words[next(i for i, w in enumerate(words) if i and not w.startswith("-")) :]
    signal.signal(signal.SIGINT, lambda number, frame: None)  # the program ends, and the report is written
    code = subprocess.run(program, env={**os.environ, "NSYS_PROFILING_SESSION_ID": "7"}, check=False).returncode
    promised = [json.loads(line) for line in Path(program[program.index("--promise") + 1]).read_text().splitlines()]
    if how == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "garbage":
        output.with_suffix(".sqlite").write_text("no database, though there are words enough in it for its header " * 4)
        return code
    report = Report(end=1000 * len(promised))
    for number, one in enumerate(promised[:1] if how == "half" else promised):
        report.range(one["range"], 1000 * number, 1000 * number + 500)
        report.range("samples", 1000 * number + 100, 1000 * number + 400)
    report.write(output.with_suffix(".sqlite"), ["NVTX_EVENTS"] if how == "no tables" else [])
    output.with_suffix(".nsys-rep").write_text("what the GUI opens")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
