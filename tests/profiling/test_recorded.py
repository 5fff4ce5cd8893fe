"""What NVIDIA's tools wrote on a GPU (tests/gpu/capture.py), read without one: whatever of it lies in data/, whose
README tells what was cut."""

from __future__ import annotations

from pathlib import Path

import pytest
import synthetic
from plants import EXPECTED, FAULTS

from kbench.profiling import ncu, ncu_metrics, ncu_read, sanitizer
from kbench.profiling.driver import How
from kbench.profiling.ncu_module import Seen
from kbench.profiling.promised import Promised

DATA = Path(__file__).with_name("data")
REPORTS = sorted(DATA.glob("gpu-ncu-*.ncu-rep"))
TABLES = sorted(DATA.glob("gpu-ncu-*.csv"))
FOUND = sorted(DATA.glob("gpu-sanitizer-*.txt"))
NOTHING = "nothing of this kind is recorded yet: python tests/gpu/capture.py OUT, on a GPU"


def kernel_of(path: Path) -> str:
    return path.stem.removeprefix("gpu-ncu-")


def largest(seen: list[Seen], kernel: str) -> tuple[dict[str, float], int]:
    """Metrics of the launch that took longest, and the elements that it was launched for: one a thread, but for ..."""
    last = max(seen, key=lambda s: s.found["gpu__time_duration.sum"][0])
    each = {"streaming_copy": 4, "spills": 64, "limited_by_registers": 128}.get(kernel, 1)
    return {m.name: m.value for m in ncu.joined([last], 1)}, last.threads * last.blocks * each


@pytest.mark.skipif(not TABLES, reason=NOTHING)
@pytest.mark.parametrize("path", TABLES, ids=kernel_of)
def test_a_recorded_table(path: Path) -> None:
    seen = ncu_read.from_csv(path.read_text())
    assert seen
    for one in seen:
        assert one.ranges[-1] == "samples"
        assert one.ranges[0].startswith(f"{kernel_of(path)}.")
    if kernel_of(path) in EXPECTED:
        EXPECTED[kernel_of(path)](*largest(seen, kernel_of(path)))


@pytest.mark.skipif(not REPORTS, reason=NOTHING)
@pytest.mark.parametrize("path", REPORTS, ids=kernel_of)
def test_a_recorded_report_says_what_its_table_says(path: Path) -> None:
    pytest.importorskip("ncu_report", reason="pip install 'kbench[profile]'")
    for one, other in zip(
        ncu_read.launches(path), ncu_read.from_csv(path.with_suffix(".csv").read_text()), strict=True
    ):
        assert one.ranges == other.ranges
        for kind in ncu_metrics.NAMES:
            a, b = ncu_metrics.value(kind, one.found), ncu_metrics.value(kind, other.found)
            assert (a is None) == (b is None), kind
            assert a is None or b is None or a[0] == pytest.approx(b[0], rel=0.01, abs=0.011), kind


@pytest.mark.skipif(not FOUND, reason=NOTHING)
@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_a_sanitizer_printed(path: Path) -> None:
    _, _, check, kernel = path.stem.split("-")
    found = sanitizer.findings(path.read_text(), check)
    if kernel not in FAULTS:
        assert found == []
        return
    assert {(f.check, Path(f.file).name, f.line) for f in found} == {(check, f"{kernel}.cu", FAULTS[kernel][1])}


@pytest.mark.parametrize("kernel", ["uninitialised_read", "divergent_barrier"])
def test_a_sanitizer_s_report_says_what_its_buffer_could_not_hold(kernel: str, tmp_path: Path) -> None:
    """It counts on when its buffer is full: of 4,096 and 6,144 errors it printed 256 and 768."""
    check, _ = FAULTS[kernel]
    (path,) = (p for p in FOUND if p.stem == f"gpu-sanitizer-{check}-{kernel}")
    (tmp_path / "r.txt").write_text(path.read_text())
    one = Promised(f"{kernel}.1", "1", synthetic.config("copy", n=4), synthetic.GPU, ok=True)
    (profile,) = sanitizer.read(tmp_path / "r", {one.range: one}, "", How(check=check))
    assert "errors were skipped" in profile.message
    assert [f.count for f in profile.findings] == [40], "as many as were kept of the file"
