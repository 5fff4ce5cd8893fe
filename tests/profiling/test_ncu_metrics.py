"""What ncu is asked for on each architecture, and what its units mean."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path

import pytest

from kbench.profiling import ncu_metrics
from kbench.profiling.metrics import KINDS

CHIPS = {
    "GV100": "sm_70", "TU102": "sm_75", "GA100": "sm_80", "GA102": "sm_86", "GA10B": "sm_87", "AD102": "sm_89",
    "GH100": "sm_90", "GB100": "sm_100", "GB10B": "sm_110", "GB102": "sm_103", "GB202": "sm_120", "GB20B": "sm_121",
}  # fmt: skip


def test_every_kind_is_one_of_ours_and_each_name_counts_one_thing() -> None:
    assert set(ncu_metrics.NAMES) <= set(KINDS)
    every = [name for names in ncu_metrics.NAMES.values() for name in names]
    assert len(every) == len(set(every))


@pytest.mark.parametrize("arch", [*CHIPS.values(), "sm_90a", ""])
def test_everything_is_asked_for_once(arch: str) -> None:
    names = ncu_metrics.names(arch)
    assert len(names) == len(set(names))
    assert "gpu__time_duration.sum" in names
    assert len(names) > 55


def test_architectures_differ_where_their_chips_do() -> None:
    assert "dram__bytes_read.sum" in ncu_metrics.names("sm_90")
    assert "dram__bytes_op_read.sum" not in ncu_metrics.names("sm_90")
    assert "dram__bytes_op_read.sum" in ncu_metrics.names("sm_120")
    assert "dram__bytes_read.sum" not in ncu_metrics.names("sm_120")
    assert not [name for name in ncu_metrics.names("sm_87") if "dram" in name]
    assert [name for name in ncu_metrics.names("sm_90") if "gmma" in name]
    assert not [name for name in ncu_metrics.names("sm_80") if "gmma" in name]


@pytest.mark.parametrize(
    ("kind", "found", "expected"),
    [
        ("duration_s", {"gpu__time_duration.sum": (1500.0, "ns")}, 1.5e-6),
        ("duration_s", {"gpu__time_duration.sum": (1500.0, "nsecond")}, 1.5e-6),
        ("duration_s", {"gpu__time_duration.sum": (1.5, "us")}, 1.5e-6),
        ("duration_s", {"gpu__time_duration.sum": (1.5, "furlong")}, None),
        ("dram_bytes_read", {"dram__bytes_read.sum": (4096.0, "byte")}, 4096.0),
        ("dram_bytes_read", {"dram__bytes_op_read.sum": (4.0, "Kbyte")}, 4000.0),
        ("l2_bytes_read", {"lts__t_sectors_srcunit_tex_op_read.sum": (3.0, "sector")}, 96.0),
        ("l2_hit_rate", {"lts__t_sector_hit_rate.pct": (50.04, "%")}, 0.5004),
        ("sm_clock_hz", {"sm__cycles_elapsed.avg.per_second": (1.98, "cycle/nsecond")}, 1.98e9),
        ("sm_clock_hz", {"sm__cycles_elapsed.avg.per_second": (1.98, "Ghz")}, 1.98e9),
        ("threads_per_instruction", {"smsp__thread_inst_executed_per_inst_executed.ratio": (31.9, "")}, 31.9),
        ("registers_per_thread", {"launch__registers_per_thread": (24.0, "register/thread")}, 24.0),
        ("global_load_sector_bytes",
         {"smsp__sass_average_data_bytes_per_sector_mem_global_op_ld.ratio": (8.0, "byte/sector")}, 8.0),
        ("shared_bytes_per_block", {"launch__shared_mem_per_block_static": (1024.0, "byte/block"),
                                    "launch__shared_mem_per_block_dynamic": (2.0, "Kbyte/block")}, 3024.0),
        ("stall_other", {"smsp__warp_issue_stalled_misc_per_warp_active.pct": (1.0, "%"),
                         "smsp__warp_issue_stalled_sleeping_per_warp_active.pct": (2.0, "%")}, 0.03),
        ("l1_hit_rate", {}, None),
    ],
)  # fmt: skip
def test_units(kind: str, found: dict[str, tuple[float, str]], expected: float | None) -> None:
    value = ncu_metrics.value(kind, found)
    assert (value and value[0]) == (expected if expected is None else pytest.approx(expected))


# ---------------------------------------------------------------- NVIDIA's own list
OWN = ("launch__", "sm__maximum_warps")
"""What ncu computes itself, so that the counters' library does not know it."""


def host_library() -> Path | None:
    """libnvperf_host, which knows every chip's metrics without a GPU; it comes with CUPTI and with ncu-report."""
    places = [Path("/usr/local/cuda/lib64/libnvperf_host.so"),
              Path("/usr/local/cuda/extras/CUPTI/lib64/libnvperf_host.so")]  # fmt: skip
    for name, inside in (("nvidia", "cu13/lib"), ("ncu_report", "")):
        spec = importlib.util.find_spec(name)
        roots = (spec and spec.submodule_search_locations) or ()
        places += [Path(root) / inside / "libnvperf_host.so" for root in roots]
    return next((place for place in places if place.is_file()), None)


def called(library: ctypes.CDLL, function: str, *fields: int | None) -> list[int] | None:
    """By the C interface of nvperf_host.h: a structure of its own size, a reserved word, and these 8-byte fields. The
    fields afterwards, or None where the library refused."""
    words = (ctypes.c_uint64 * (2 + len(fields)))(8 * (2 + len(fields)), 0, *(field or 0 for field in fields))
    return None if getattr(library, f"NVPW_{function}")(words) else list(words)[2:]


def address(text: str) -> tuple[ctypes.c_char_p, int | None]:
    kept = ctypes.c_char_p(text.encode())
    return kept, ctypes.cast(kept, ctypes.c_void_p).value


def unknown(library: ctypes.CDLL, chip: str, metrics: list[str]) -> list[str] | None:
    """Those that the chip lacks; None where the library does not know the chip."""
    name, at = address(chip)
    sized = called(library, "CUDA_MetricsEvaluator_CalculateScratchBufferSize", at, 0, 0)
    if sized is None:
        return None
    scratch = ctypes.create_string_buffer(sized[2])
    made = called(library, "CUDA_MetricsEvaluator_Initialize", ctypes.addressof(scratch), sized[2], at, 0, 0, 0, 0)
    assert made is not None, name
    lacking = []
    for metric in metrics:
        text, at = address(metric)
        request = ctypes.create_string_buffer(16)
        convert = "MetricsEvaluator_ConvertMetricNameToMetricEvalRequest"
        if called(library, convert, made[6], at, ctypes.addressof(request), 12) is None:
            lacking.append(text.value.decode() if text.value else "")
    return lacking


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    path = host_library()
    if path is None:
        pytest.skip("libnvperf_host is not installed: pip install 'kbench[profile]'")
    found = ctypes.CDLL(str(path))
    assert called(found, "InitializeHost") is not None
    return found


@pytest.mark.parametrize("chip", CHIPS)
def test_every_chip_has_what_ncu_is_asked_for(library: ctypes.CDLL, chip: str) -> None:
    asked = [name for name in ncu_metrics.names(CHIPS[chip]) if not name.startswith(OWN)]
    lacking = unknown(library, chip, asked)
    if lacking is None:
        pytest.skip(f"this libnvperf_host does not know {chip}")
    assert lacking == []


@pytest.mark.parametrize("chip", ["GA100", "GH100", "GB202", "GB10B"])
def test_nothing_that_a_chip_has_is_left_out(library: ctypes.CDLL, chip: str) -> None:
    every = [name for names in ncu_metrics.NAMES.values() for name in names if not name.startswith(OWN)]
    asked = set(ncu_metrics.names(CHIPS[chip]))
    lacking = unknown(library, chip, every)
    if lacking is None:
        pytest.skip(f"this libnvperf_host does not know {chip}")
    assert {name for name in every if name not in asked} == set(lacking)
