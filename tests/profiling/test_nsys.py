"""Reports of Nsight Systems: joined by range, call and thread; what a version lacks is missed, never guessed."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import synthetic
from nsys_report import OTHER, PROCESS, THREAD, Report

from kbench.machine.marks import range_name
from kbench.profiling import nsys, nsys_tables
from kbench.profiling.find import Found
from kbench.profiling.profile import Profile
from kbench.profiling.promised import Promised

POINT = synthetic.config("copy", n=4)
NAME = range_name("copy", POINT.digest[:8])
RECORDED = Path(__file__).with_name("data") / "cpu-nsys-2023.4.4.sqlite"
RECORDED_GPU = RECORDED.with_name("gpu-nsys-2023.4.4.sqlite")


def promise(**changes: object) -> Promised:
    one = Promised(NAME, POINT.digest[:8], POINT, synthetic.GPU, True, runs=2, launches=2, source="abc")
    return msgspec.structs.replace(one, **changes)


def two_runs() -> Report:
    """A configuration whose Op copies 4096 bytes to the GPU beside its kernel; each of its two runs is waited for."""
    report = Report()
    report.range(NAME, 1000, 5000)
    report.range("build", 1000, 1500)
    report.range("check", 1500, 2000)
    report.range("samples", 3000, 5000)
    report.call("cudaLaunchKernel", 1600, 11)
    report.kernel(1610, 1650, 11)
    for begin, correlation in ((3000, 21), (4000, 31)):
        report.call("cudaMemcpyAsync_v3020", begin + 10, correlation)
        report.call("cudaLaunchKernel_v7000", begin + 20, correlation + 1)
        report.call("cudaStreamSynchronize_v3020", begin + 30, correlation + 2)
        report.copy(begin + 100, begin + 300, correlation, 4096, 1)
        report.kernel(begin + 200, begin + 600, correlation + 1)
    return report


def read(report: Report, folder: Path, promised: Promised | None = None, without: tuple[str, ...] = ()) -> Profile:
    report.write(folder / "r.sqlite", without)
    (found,) = nsys.read(folder / "r", {NAME: promised or promise()}, "")
    return found


def test_a_run_is_from_its_first_start_to_its_last_end_and_the_host_is_not_in_it(tmp_path: Path) -> None:
    found = read(two_runs(), tmp_path)
    assert (found.status, found.message, found.version, found.source) == ("ok", "", "2025.5.1", "abc")
    assert (found.launches, found.runs) == (4, 2)
    assert found.value("duration_s") == pytest.approx(500e-9)
    assert found.value("overlap_share") == pytest.approx(0.5)
    assert found.value("busy_share") == pytest.approx(1000 / 2000)
    assert found.value("range_share") == pytest.approx(0.4)
    assert (found.value("grid_blocks"), found.value("block_threads")) == (8, 128)
    assert (found.value("registers_per_thread"), found.value("shared_bytes_per_block")) == (16, 128)


def test_spans_are_the_range_its_phases_and_what_ran_in_samples(tmp_path: Path) -> None:
    spans = read(two_runs(), tmp_path).spans
    assert [(s.kind, s.name) for s in spans[:4]] == [
        ("range", NAME), ("range", "build"), ("range", "check"), ("range", "samples"),
    ]  # fmt: skip
    assert spans[0].start_s == 0.0
    assert [s.name for s in spans if s.kind == "call"][:2] == ["cudaMemcpyAsync_v3020", "cudaLaunchKernel_v7000"]
    copies = [s for s in spans if s.kind == "copy"]
    assert [(s.nbytes, s.memory, s.lane) for s in copies] == [(4096, "h2d", "stream 8")] * 2
    assert [s.name for s in spans if s.kind == "kernel"] == ["copy<float>"] * 2
    assert copies[0].start_s == pytest.approx(2100e-9)
    assert copies[0].correlation == 21


def test_a_kernel_belongs_to_the_call_that_asked_for_it_and_not_to_the_time_at_which_it_ran(tmp_path: Path) -> None:
    """Another process has the same correlation ids, another thread launches at the same time, and a kernel of the check
    is late: none of them is the configuration's."""
    report = two_runs()
    other = (PROCESS + 1) << 24
    report.kernel(3300, 3400, 22, process=PROCESS + 1)
    report.call("cudaLaunchKernel", 3040, 22, thread=other | 5)
    report.call("cudaLaunchKernel", 3050, 41, thread=THREAD + 1)
    report.kernel(3500, 3600, 41)
    report.kernel(3700, 3800, 11)
    found = read(report, tmp_path)
    assert (found.launches, found.message) == (4, "")
    late = two_runs()
    for row in late.rows["CUPTI_ACTIVITY_KIND_KERNEL"][1:]:
        row["start"], row["end"] = row["start"] + 4000, row["end"] + 4000
    (tmp_path / "late").mkdir()
    assert read(late, tmp_path / "late").launches == 4, "it ran after its range had ended"


def test_a_range_of_that_name_in_another_domain_is_not_it(tmp_path: Path) -> None:
    report = Report()
    report.domain("mine", OTHER)
    report.range(NAME, 100, 200, domain=OTHER)
    report.write(tmp_path / "r.sqlite")
    assert nsys.read(tmp_path / "r", {NAME: promise()}, "") == []


def test_gaps_are_those_within_a_run(tmp_path: Path) -> None:
    report = Report()
    report.range(NAME, 0, 1000)
    report.range("samples", 0, 1000)
    for n, start in enumerate((100, 230)):
        report.call("cudaLaunchKernel", 10 * n + 10, n + 1)
        report.kernel(start, start + 100, n + 1)
    report.call("cudaDeviceSynchronize", 40, 9)
    assert read(report, tmp_path, promise(runs=1)).value("gap_s") == pytest.approx(30e-9)


def test_more_or_fewer_kernels_than_were_launched_are_told(tmp_path: Path) -> None:
    assert read(two_runs(), tmp_path, promise(launches=4)).message == "2 kernels were seen where 4 were launched"


def test_ranges_without_any_kernel_are_a_failure_on_a_gpu_and_all_there_is_on_the_cpu(tmp_path: Path) -> None:
    tables = [f"CUPTI_ACTIVITY_KIND_{name}" for name in ("RUNTIME", "KERNEL", "MEMCPY", "MEMSET")]
    found = read(two_runs(), tmp_path, without=tuple(tables))
    assert (found.status, found.metrics) == ("failed", ())
    assert "saw none of the 2 kernels" in found.message
    (tmp_path / "cpu").mkdir()
    found = read(two_runs(), tmp_path / "cpu", promise(device=synthetic.CPU), tuple(tables))
    assert (found.status, [m.name for m in found.metrics]) == ("ok", ["range_share"])
    assert [s.name for s in found.spans] == [NAME, "build", "check", "samples"]


@pytest.mark.parametrize(
    "without",
    [
        ("NVTX_EVENTS.domainId",),
        ("ANALYSIS_DETAILS",),
        ("META_DATA_EXPORT",),
        ("CUPTI_ACTIVITY_KIND_KERNEL.demangledName", "CUPTI_ACTIVITY_KIND_KERNEL.staticSharedMemory"),
        ("CUPTI_ACTIVITY_KIND_MEMSET",),
    ],
    ids=" ".join,
)
def test_what_another_version_lacks_is_done_without(tmp_path: Path, without: tuple[str, ...]) -> None:
    found = read(two_runs(), tmp_path, without=without)
    assert (found.status, found.launches) == ("ok", 4)
    assert found.value("duration_s") == pytest.approx(500e-9)


@pytest.mark.parametrize(
    ("without", "words"),
    [
        (("NVTX_EVENTS",), "no table NVTX_EVENTS"),
        (("CUPTI_ACTIVITY_KIND_KERNEL.start",), "CUPTI_ACTIVITY_KIND_KERNEL has no start: another format"),
    ],
)
def test_what_it_cannot_do_without_is_named(tmp_path: Path, without: tuple[str, ...], words: str) -> None:
    found = read(two_runs(), tmp_path, without=without)
    assert (found.status, found.metrics, found.spans) == ("failed", (), ())
    assert words in found.message
    assert "Nsight Systems 2025.5.1, schema 3.24.0" in found.message


@pytest.mark.parametrize(
    "content", [None, b"", b"not a database, though as long as a header of one would have been. " * 4]
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "r.sqlite").write_bytes(content)
    (found,) = nsys.read(tmp_path / "r", {NAME: promise()}, "a line\nError: disk full\n")
    assert found.status == "failed"
    assert "r.sqlite" in found.message
    assert found.message.endswith("it said: Error: disk full")


def test_a_recorded_run_on_the_cpu_device(tmp_path: Path) -> None:
    """nsys 2023.4.4 around `kbench profile --kernel copy --axis nbytes=1MiB --dtype float32 --variant naive,uint4
    --block-size 128 --device cpu`, tables that hold nothing of it left out."""
    shutil.copy(RECORDED, tmp_path / "r.sqlite")
    names = ["copy.5e36aab8", "copy.7f3144e2"]
    wanted = {n: promise(range=n, device=synthetic.CPU, runs=3, launches=3) for n in names}
    found = nsys.read(tmp_path / "r", wanted, "")
    assert [p.status for p in found] == ["ok", "ok"]
    assert {p.version for p in found} == {"2023.4.4.54"}
    for profile, name in zip(found, names, strict=True):
        assert [s.name for s in profile.spans] == [name, "build", "check", "warm-up", "samples"]
        outer, *phases = profile.spans
        assert all(outer.start_s <= s.start_s <= s.end_s <= outer.end_s for s in phases)
        assert sum(s.end_s - s.start_s for s in phases) > 0.9 * outer.end_s
        assert 0 < (profile.value("range_share") or 0) < 1
    assert found[0].value("range_share") == pytest.approx(25.154e-3 / 0.63405, rel=1e-3)


def test_a_recorded_run_on_a_gpu(tmp_path: Path) -> None:
    """nsys 2023.4.4 on an NVIDIA H200 around `kbench profile --pick best,naive --launches 1 --kernel reshape_and_cache
    --axis tokens=16384 --axis slots=random --dtype float16`, of which data/README.md tells what was left out."""
    shutil.copy(RECORDED_GPU, tmp_path / "r.sqlite")
    names = {"reshape_and_cache.1fcf8acd": 2, "reshape_and_cache.5d03f149": 1}
    wanted = {name: promise(range=name, runs=1, launches=launches) for name, launches in names.items()}
    gathered, naive = nsys.read(tmp_path / "r", wanted, "")
    for profile, name in ((gathered, "sign_slots"), (naive, "void reshape_and_cache_naive<__half>")):
        assert (profile.status, profile.message, profile.version) == ("ok", "", "2023.4.4.54")
        assert [s.name for s in profile.spans if s.kind == "range"][1:] == ["build", "check", "warm-up", "samples"]
        (samples,) = (s for s in profile.spans if s.name == "samples")
        work = [s for s in profile.spans if s.kind == "kernel"]
        assert work[0].name.startswith(f"{name}(")
        assert all(samples.start_s < w.start_s < w.end_s < samples.end_s for w in work)
        calls = {s.correlation: s for s in profile.spans if s.kind == "call"}
        assert all(calls[w.correlation].start_s < w.start_s for w in work)
    assert gathered.launches == 2
    assert gathered.value("duration_s") == pytest.approx(181.95e-6, rel=1e-4)
    assert gathered.value("gap_s") == pytest.approx(3.328e-6)
    assert gathered.value("busy_share") == pytest.approx(0.844, abs=1e-3)
    assert gathered.value("registers_per_thread") == 61
    assert naive.launches == 1
    assert naive.value("duration_s") == pytest.approx(401.34e-6, rel=1e-4)
    assert naive.value("gap_s") is None, "a single launch"


def test_a_recorded_trace_of_a_gpu_holds_copies_and_fills_of_every_kind() -> None:
    """Those of the check, which are no configuration's own."""
    report = nsys_tables.load(RECORDED_GPU, "kbench")
    kinds = Counter((w.kind, w.memory) for w in report.work)
    assert kinds == {
        ("kernel", ""): 427,
        ("copy", "d2d"): 33,
        ("copy", "d2h"): 22,
        ("copy", "h2d"): 4,
        ("fill", ""): 20,
    }
    assert all(w.nbytes > 0 for w in report.work if w.kind in ("copy", "fill"))
    assert all(report.begin <= w.start <= w.end <= report.end for w in report.work)
    asked = {(nsys_tables.process_of(c.thread), c.correlation) for c in report.calls}
    assert {w.call for w in report.work} <= asked


def test_the_command_leaves_sampling_out_and_its_file_name_as_it_is(tmp_path: Path) -> None:
    words = nsys.command(Found("/opt/nsys", "2025.5.1"), ["kbench", "profile", "x"], tmp_path / "50%")
    assert words[:2] == ["/opt/nsys", "profile"]
    assert words[-4:] == [f"--output={tmp_path}/50%%", "kbench", "profile", "x"]
    assert {"--trace=cuda,nvtx", "--sample=none", "--cpuctxsw=none", "--export=sqlite"} <= set(words)
