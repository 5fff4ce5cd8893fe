"""Nsight Compute: the command, what it wrote, and what is said where it wrote nothing. With a program that behaves like
it, whose tables are laid out as `ncu --csv --page raw` lays them out."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_profiler import module, program, promised, stack, table

from kbench.errors import ProfilerError
from kbench.machine.interpreter import environment
from kbench.profiling import ncu, ncu_read
from kbench.profiling.driver import How, driver
from kbench.profiling.find import Found
from kbench.profiling.ncu_module import Seen, loaded
from kbench.profiling.ncu_read import from_csv

__all__ = ["module"]
METRICS = {
    "gpu__time_duration.sum": ("ns", ["1,000", "3,000", "1,000", "3,000"]),
    "dram__bytes_read.sum": ("byte", ["100", "300", "102", "302"]),
    "lts__t_sector_hit_rate.pct": ("%", ["10", "50", "10", "50"]),
    "launch__registers_per_thread": ("register/thread", ["24", "40", "24", "40"]),
    "launch__waves_per_multiprocessor": ("", ["1.5", "2", "1.5", "2"]),
}
FAKE = """
report = pathlib.Path(words[words.index('--import') + 1])
if report.read_text() == 'damaged':
    print(f"==ERROR== Failed to load report file '{report}'.")
    sys.exit(1)
assert ' '.join(words[2:]) == '--csv --page raw --print-units base'
print(report.read_text(), end='')
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Path) -> Path:
    monkeypatch.setenv("KBENCH_NCU", str(program(tmp_path / "bin", "ncu", FAKE)))
    return tmp_path / "raw"


def written(raw: Path, text: str) -> None:
    raw.with_name(raw.name + ".ncu-rep").write_text(text)


def four(*names: str) -> str:
    return table(METRICS, [stack(name, "samples") for name in names])


# ---------------------------------------------------------------- the command
def test_the_command_profiles_the_samples_and_leaves_the_clocks_alone(tmp_path: Path) -> None:
    inner = ["python", "-m", "kbench", "profile", "--kernel", "copy"]
    words = driver("ncu").command(Found("/opt/ncu", "2025.3.1.0"), inner, tmp_path / "raw", How("sm_90", "cold"))
    assert words[0] == "/opt/ncu"
    assert words[-len(inner) :] == inner
    assert words[words.index("--nvtx-include") + 1] == "kbench@samples/"
    assert words[words.index("--clock-control") + 1] == "none"
    assert words[words.index("--cache-control") + 1] == "all"
    assert words[words.index("--export") + 1] == str(tmp_path / "raw")
    asked = words[words.index("--metrics") + 1].split(",")
    assert "dram__bytes_read.sum" in asked
    assert not {"--set", "--section"} & set(words), "a set would take dozens of passes more"


@pytest.mark.parametrize(("cache", "control"), [("cold", "all"), ("warm", "none"), ("sustained", "none")])
def test_caches_are_emptied_for_cold_configurations_alone(tmp_path: Path, cache: str, control: str) -> None:
    words = ncu.command(Found("ncu", "2025.3"), ["kbench"], tmp_path, How("sm_90", cache))
    assert words[words.index("--cache-control") + 1] == control
    replayed = words[words.index("--replay-mode") + 1] if "--replay-mode" in words else "kernel"
    assert replayed == ("kernel" if cache == "cold" else "application")


# ---------------------------------------------------------------- tables
def test_a_table_among_other_things() -> None:
    text = "\n".join(["==PROF== Connected to process 7", "kbench says something", four(*["copy.1"] * 4),
                      "==PROF== Disconnected"])  # fmt: skip
    first, *rest = from_csv(text)
    assert len(rest) == 3
    assert first.ranges == ("copy.1", "samples")
    assert first.kernel == "k(float *)"
    assert (first.threads, first.blocks) == (256, 128)
    assert first.found["gpu__time_duration.sum"] == (1000.0, "ns")
    assert first.found["launch__waves_per_multiprocessor"] == (1.5, "")
    assert "Process ID" not in first.found


@pytest.mark.parametrize("value", ["no value", "", "nan", "(!) n/a"])
def test_a_metric_that_could_not_be_had_is_not_there(value: str) -> None:
    (row,) = from_csv(table({"dram__bytes_read.sum": ("byte", [value])}, [stack("copy.1", "samples")]))
    assert row.found == {}


def test_ranges_of_other_domains_are_not_ours() -> None:
    said = stack("copy.1", "samples", domain="<default domain>") + stack("fill.2", "samples")[3:]
    (row,) = from_csv(table({"dram__bytes_read.sum": ("byte", ["1"])}, [said]))
    assert row.ranges == ("fill.2", "samples")


# ---------------------------------------------------------------- reading
def test_launches_are_joined_by_the_name_of_their_range_not_by_their_place(fake: Path) -> None:
    one, two = promised("copy"), promised("fill")
    written(fake, four(two.range, one.range, two.range, one.range))
    profiles = {p.config.kernel: p for p in ncu.read(fake, {one.range: one, two.range: two}, "")}
    assert profiles["copy"].value("dram_bytes_read") == pytest.approx(301)
    assert profiles["fill"].value("dram_bytes_read") == pytest.approx(101)
    assert profiles["fill"].value("duration_s") == pytest.approx(1e-6)
    copy = profiles["copy"]
    assert (copy.tool, copy.status, copy.message, copy.launches, copy.runs) == ("ncu", "ok", "", 2, 2)
    assert copy.raw == f"{fake}.ncu-rep"
    assert copy.source == "feed"
    assert next(m.source for m in copy.metrics if m.name == "dram_bytes_read") == "dram__bytes_read.sum"


def test_launches_of_one_run_are_joined_as_their_kind_says(fake: Path) -> None:
    both = promised("attention", runs=2, launches=4)
    written(fake, four(*[both.range] * 4))
    (profile,) = ncu.read(fake, {both.range: both}, "")
    assert profile.value("dram_bytes_read") == pytest.approx(402), "a sum over a run"
    assert profile.value("duration_s") == pytest.approx(4e-6)
    assert profile.value("l2_hit_rate") == pytest.approx((0.1 * 1 + 0.5 * 3) / 4), "weighted with time"
    assert profile.value("registers_per_thread") == 40, "the largest"
    assert profile.value("waves") == 2
    assert profile.value("achieved_occupancy") is None, "what was not told is not there"
    assert (profile.launches, profile.runs) == (4, 2)


def test_a_sum_is_left_out_where_one_launch_does_not_tell_it() -> None:
    some = [Seen("a", (), {"dram__bytes_read.sum": (1.0, "byte")}), Seen("b", (), {})]
    assert ncu.joined(some, 1) == []


def test_what_nobody_promised_is_not_read(fake: Path) -> None:
    wanted = promised("copy")
    written(fake, four(wanted.range, wanted.range, "other.1", "other.1"))
    (profile,) = ncu.read(fake, {wanted.range: wanted}, "")
    assert profile.launches == 2


def test_a_run_that_was_cut_short_keeps_what_is_whole(fake: Path) -> None:
    cut = promised("attention", runs=3, launches=6)  # two kernels a run, of which the last run lost one
    written(fake, table({n: (u, [*v, v[0]]) for n, (u, v) in METRICS.items()}, [stack(cut.range, "samples")] * 5))
    (profile,) = ncu.read(fake, {cut.range: cut}, "==ERROR== An error was reported by the driver")
    assert (profile.launches, profile.runs) == (4, 2)
    assert profile.message == "cut short: 2 of 3 runs"
    assert profile.value("dram_bytes_read") == pytest.approx(402)


def test_less_than_a_run_says_so(fake: Path) -> None:
    cut = promised("copy", runs=5)
    written(fake, four(*[cut.range] * 4))
    (profile,) = ncu.read(fake, {cut.range: cut}, "")
    assert "cut short" in profile.message


# ---------------------------------------------------------------- what goes wrong
def test_without_permission_the_remedies_are_told(fake: Path) -> None:
    log = "==PROF== Connected to process 7\n==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to access " \
          "NVIDIA GPU Performance Counters on the target device 0."  # fmt: skip
    with pytest.raises(ProfilerError, match="NVreg_RestrictProfilingToAdminUsers=0") as error:
        ncu.read(fake, {}, log)
    assert error.value.exit_code == 5


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("==ERROR== The application returned an error code (1).\n==WARNING== No kernels were profiled.",
         "The application returned an error code"),
        ("==WARNING== No kernels were profiled.", "No kernels were profiled"),
        ("==ERROR== Failed to find metric smsp__new.sum", "does not know smsp__new.sum; a newer one does"),
        ("", "stopped before it was done"),
    ],
)  # fmt: skip
def test_a_report_that_was_not_written_has_the_tools_reason(fake: Path, log: str, reason: str) -> None:
    with pytest.raises(ProfilerError, match="ncu wrote no report") as error:
        ncu.read(fake, {"copy.1": promised("copy")}, log)
    assert reason in str(error.value)


@pytest.mark.parametrize("text", ["damaged", "", "==ERROR== no table"])
def test_a_report_that_nothing_can_read(fake: Path, text: str) -> None:
    written(fake, text)
    with pytest.raises(ProfilerError, match="cannot be read") as error:
        ncu.read(fake, {"copy.1": promised("copy")}, "")
    assert "another version" in str(error.value) or "newer" in str(error.value)
    assert error.value.exit_code == 5


def test_a_report_without_any_promised_range(fake: Path) -> None:
    written(fake, four(*["other.1"] * 4))
    with pytest.raises(ProfilerError, match="no launch in any of the promised ranges"):
        ncu.read(fake, {"copy.1": promised("copy")}, "")


# ---------------------------------------------------------------- ncu_report
class Module:
    """As much of ncu_report as its documentation promises. ranges: one list of launches for each."""

    def __init__(self, *ranges: list[Seen]) -> None:
        self._ranges = ranges

    def load_report(self, path: str) -> Module:
        return self

    def num_ranges(self) -> int:
        return len(self._ranges)

    def range_by_idx(self, number: int) -> SimpleNamespace:
        some = self._ranges[number]
        return SimpleNamespace(num_actions=lambda: len(some), action_by_idx=lambda i: self._action(some[i]))

    def _action(self, seen: Seen) -> SimpleNamespace:
        domain = SimpleNamespace(name=lambda: "kbench", push_pop_ranges=lambda: seen.ranges)
        other = SimpleNamespace(name=lambda: "<default domain>", push_pop_ranges=lambda: ("theirs",))
        state = SimpleNamespace(domains=lambda: (3, 4), domain_by_id={3: domain, 4: other}.get)
        found = {name: self._metric(*value) for name, value in seen.found.items()}
        found["device__attribute_display_name"] = self._metric(0.0, "", kind=1)
        return SimpleNamespace(
            name=lambda: seen.kernel, nvtx_state=lambda: state if seen.ranges else None,
            metric_names=lambda: list(found), metric_by_name=found.get,
        )  # fmt: skip

    @staticmethod
    def _metric(value: float, unit: str, kind: int = 4) -> SimpleNamespace:
        return SimpleNamespace(
            as_double=lambda: value, unit=lambda: unit, kind=lambda: kind, ValueKind_UNKNOWN=0, ValueKind_ANY=7,
            ValueKind_STRING=1,
        )  # fmt: skip


def test_the_module_says_the_same_as_the_table() -> None:
    found = {
        "dram__bytes_read.sum": (4096.0, "byte"),
        "launch__block_size": (128.0, ""),
        "launch__grid_size": (7.0, ""),
    }
    first, second = loaded(Module([Seen("k", ("copy.1", "samples"), found)], [Seen("other", (), {})]), "raw.ncu-rep")
    assert first == Seen("k", ("copy.1", "samples"), found, 128, 7)
    assert second.ranges == ()


def test_a_share_of_what_did_not_happen_is_none() -> None:
    """ncu divides by nothing where a kernel has no such access; JSON has no word for what comes out."""
    found = {"l1tex__t_sector_hit_rate.pct": (math.nan, "%"), "lts__t_sector_hit_rate.pct": (50.0, "%"),
             "launch__grid_size": (math.inf, "")}  # fmt: skip
    (seen,) = loaded(Module([Seen("k", ("copy.1", "samples"), found)]), "raw.ncu-rep")
    assert seen.found == {"lts__t_sector_hit_rate.pct": (50.0, "%")}
    assert [metric.name for metric in ncu.joined([seen], 1)] == ["l2_hit_rate"]


SAYS = """
from types import SimpleNamespace as Some
def load_report(path):
    action = Some(name=lambda: "k", nvtx_state=lambda: None, metric_names=lambda: [])
    launches = Some(num_actions=lambda: 1, action_by_idx=lambda j: action)
    return Some(num_ranges=lambda: 1, range_by_idx=lambda i: launches)
"""
BODIES = {
    "reads": (SAYS, 1),
    "reads nothing": ("def load_report(path): return type('C', (), {'num_ranges': lambda self: 0})()", 4),
    "crashes": ("import os, signal\ndef load_report(path): os.kill(os.getpid(), signal.SIGSEGV)", 4),
    "is for another Python": ("raise ImportError('undefined symbol: PyType_FromMetaclass')", 4),
}


@pytest.mark.parametrize(("body", "count"), BODIES.values(), ids=BODIES)
def test_where_the_module_reads_nothing_the_program_is_asked(fake: Path, module: Path, body: str, count: int) -> None:
    module.write_text(body)
    written(fake, four(*["copy.1"] * 4))
    assert len(ncu_read.launches(fake.with_name("raw.ncu-rep"))) == count


def test_the_module_is_loaded_beside_nothing_that_is_native() -> None:
    """NumPy beside it ended the process: see kbench.profiling.ncu_module."""
    said = (
        "import sys, kbench.profiling.ncu_module; print([m for m in ('numpy', 'cupy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, env=environment())
    assert done.stdout == "[]\n", done.stderr


# ---------------------------------------------------------------- NVIDIA's samples, where they are installed
def samples() -> list[Path]:
    places = ("opt/nvidia/nsight-compute/*/extras/samples", "usr/share/doc/nsight-compute/examples",
              "usr/local/cuda*/nsight-compute-*/extras/samples")  # fmt: skip
    return [report for place in places for report in sorted(Path("/").glob(f"{place}/*/*.ncu-rep"))]


def test_nvidia_s_own_sample_reports_can_be_read() -> None:
    reports = samples()
    if not reports:
        pytest.skip("no Nsight Compute with its samples is installed")
    for report in reports:
        for seen in ncu_read.launches(report):
            metrics = {m.name: m.value for m in ncu.joined([seen], 1)}
            assert metrics["duration_s"] > 0
            assert 0 <= metrics["l2_hit_rate"] <= 1


# ---------------------------------------------------------------- the words are really ncu's
def test_the_words_reach_a_program_as_they_are(tmp_path: Path) -> None:
    path = program(tmp_path, "ncu", "print('\\n'.join(words))")
    words = ncu.command(Found(str(path), "2025.3.1.0"), ["kbench", "profile"], tmp_path / "raw", How("sm_90"))
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:3] == ["--nvtx", "--nvtx-include", "kbench@samples/"]
