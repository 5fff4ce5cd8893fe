"""What a run promises is told once, however often a tool runs the process, and whatever was cut short."""

from __future__ import annotations

from pathlib import Path

import msgspec
from fake_profiler import promised as one

from kbench.profiling import promised


def test_of_a_process_that_was_run_for_each_pass(tmp_path: Path) -> None:
    file = tmp_path / "promise.jsonl"
    assert promised.load(file) == []
    for _ in range(3):
        for name in ("copy.1", "copy.2"):
            promised.append(file, msgspec.structs.replace(one("copy"), range=name))
    with file.open("ab") as cut:
        cut.write(b'{"range": "copy.3"')
    assert [p.range for p in promised.load(file)] == ["copy.1", "copy.2"]
