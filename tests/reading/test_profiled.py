"""Profiles find their rows; what was taken of another source is kept apart; every metric has words."""

from __future__ import annotations

import csv
import io
import json

import msgspec
import pytest
import synthetic
from synthetic import CPU
from synthetic_profiles import cupti, kept, metrics, ncu, one, sanitizer

from kbench.errors import UsageError
from kbench.profiling.metrics import KINDS
from kbench.profiling.profile import Metric
from kbench.reading import asked, counted, metric_rows
from kbench.reading.export import export, flat
from kbench.reading.profiled import DRAM, Profiles
from kbench.reading.table import tables
from kbench.reading.terminal import tsv

(ROW,) = synthetic.stored([one(flops=2**30)])
RESULT = ROW.result


def test_a_row_has_the_newest_profile_of_each_tool() -> None:
    older, newer = ncu(RESULT, 2.0), ncu(RESULT)
    found = Profiles(kept([older, cupti(RESULT), newer])).of(ROW)
    assert [one.profile for one in found.fresh] == [newer, cupti(RESULT)]
    assert not found.stale
    assert found.value("l2_bytes_read") == 2**29
    assert found.value("busy_share") == 0.93
    assert found.value("pipe_fp64") is None


def test_ncu_s_word_goes_before_another_tool_s() -> None:
    other = msgspec.structs.replace(cupti(RESULT), metrics=(Metric("duration_s", 1.0), Metric("gap_s", 2e-6)))
    found = Profiles(kept([other, ncu(RESULT)])).of(ROW)
    assert found.metrics["duration_s"].by.profile.tool == "ncu"
    assert found.metrics["duration_s"].said_by == "ncu 2025.3.1 gpu__time_duration.sum"
    assert found.value("gap_s") == 2e-6


@pytest.mark.parametrize("source", ["another", ""])
def test_another_source_is_never_used(source: str) -> None:
    profiles = Profiles(kept([ncu(RESULT, source=source), cupti(RESULT)]))
    found = profiles.of(ROW)
    assert [one.profile.tool for one in found.stale] == ["ncu"]
    assert found.moved(DRAM) is None
    assert found.intensity is None
    assert "metric.dram_bytes_read" not in profiles.values(ROW)
    assert bool(found)


def test_other_rows_and_devices_have_none() -> None:
    profiles = Profiles(kept([ncu(RESULT)]))
    elsewhere = msgspec.structs.replace(ROW, result=msgspec.structs.replace(RESULT, device=CPU))
    assert not profiles.of(elsewhere)
    assert profiles.of(ROW)
    assert not Profiles()


def test_intensity_is_of_counted_dram_bytes() -> None:
    found = Profiles(kept([ncu(RESULT)])).of(ROW)
    counted_bytes = found.moved(DRAM)
    assert counted_bytes == round(2**29 * 1.003) + round(2**29 * 0.991)
    assert found.intensity == 2**30 / counted_bytes
    cached = msgspec.structs.replace(ncu(RESULT), metrics=(Metric(DRAM[0], 0.0), Metric(DRAM[1], 0.0)))
    assert Profiles(kept([cached])).of(ROW).intensity is None


def test_every_metric_has_a_group_and_words() -> None:
    assert dict(counted.grouped(KINDS)).get(counted.OTHER, []) == []
    assert [title for title, _ in counted.grouped(KINDS)] == [title for title, _ in counted.GROUPS]
    assert counted.words("dram_bytes_read") == "DRAM bytes read"
    assert counted.shown("duration_s", 1.5e-6) == "1.500 µs"
    assert counted.shown("dram_throughput", 0.912) == "91.2 %"
    assert counted.shown("sm_clock_hz", 1.98e9) == "1980 MHz"
    assert counted.shown("l2_bytes_read", 2**30) == "1 GiB"
    assert counted.shown("instructions", 4_718_592) == "4,718,592"
    assert counted.shown("waves", 15.52) == "15.52"
    assert counted.title("dram_throughput") == "DRAM throughput %"
    assert counted.title("achieved_occupancy") == "achieved occupancy %"
    assert counted.grouped(["of_the_future"]) == [(counted.OTHER, ["of_the_future"])]
    assert counted.shown("of_the_future", 3.0) == "3"


def test_columns_on_request() -> None:
    profiles = Profiles(kept([ncu(RESULT)]))
    names = asked.checked(["dram_bytes_read", "metric.sm_clock_hz", "sm_clock_hz", "threads"], asked.of_rows([ROW]))
    assert names == ("metric.dram_bytes_read", "metric.sm_clock_hz", "sm_clock_hz", "axis.threads")
    found = asked.with_columns(tables([ROW]), names[:1], profiles)
    assert found.tables[0].columns[-1].title == "DRAM bytes read"
    assert found.tables[0].rows[0].cells[-1] == "514 MiB"
    bare = asked.with_columns(tables([ROW]), names[:1], Profiles())
    assert bare.tables[0].rows[0].cells[-1] == "–"
    head, line = (text.split("\t") for text in tsv(found, names, profiles).splitlines())
    assert head[-3:] == ["dram_bytes_read", "metric.sm_clock_hz", "sm_clock_hz"]
    assert float(line[-3]) == pytest.approx(2**29 * 1.003, rel=1e-6)
    assert float(line[-2]) == 1.755e9
    with pytest.raises(UsageError, match="did you mean"):
        asked.checked(["dram_bytes_reads"], asked.of_rows([ROW]))


def test_an_export_has_metrics_where_they_are_asked_for() -> None:
    profiles = Profiles(kept([ncu(RESULT)]))
    (plain,) = json.loads(export([ROW], "json"))
    assert not any(name.startswith("metric.") for name in plain)
    (row,) = json.loads(export([ROW], "json", asked=["metric.l2_hit_rate", "metric.pipe_fp64"], profiles=profiles))
    assert row["metric.l2_hit_rate"] == 0.334
    assert row["metric.pipe_fp64"] is None
    assert set(row) - set(plain) == {"metric.l2_hit_rate", "metric.pipe_fp64"}
    assert flat(ROW, profiles)["metric.waves"] == 15.52


def test_profiles_as_rows() -> None:
    profiles = Profiles(kept([ncu(RESULT), cupti(RESULT), sanitizer(RESULT)]))
    rows = list(csv.DictReader(io.StringIO(metric_rows.metrics([ROW], profiles, "csv"))))
    assert tuple(rows[0]) == metric_rows.METRICS
    named = [row["name"] for row in rows if row["tool"] == "ncu"]
    assert named == [metric.name for metric in metrics(RESULT)]
    read = next(row for row in rows if row["name"] == "dram_bytes_read")
    assert (read["unit"], read["source"], read["stale"]) == ("B", "dram__bytes_read.sum", "False")
    assert (read["config"], read["key"]) == (RESULT.config.id, ROW.key)
    assert float(read["value"]) == round(2**29 * 1.003)
    (without,) = [row for row in rows if row["tool"] == "sanitizer"]
    assert (without["name"], without["status"]) == ("", "ok")
    lines = metric_rows.metrics([ROW], profiles, "jsonl").splitlines()
    assert len(lines) == len(rows)
    (finding,) = json.loads(metric_rows.findings([ROW], profiles, "json"))
    assert tuple(finding) == metric_rows.FINDINGS
    assert (finding["file"], finding["line"], finding["count"], finding["check"]) == ("copy.cu", 17, 32, "memcheck")
    assert metric_rows.metrics([ROW], Profiles(), "csv") == ",".join(metric_rows.METRICS) + "\n"


def test_stale_profiles_are_exported_as_such() -> None:
    rows = json.loads(metric_rows.metrics([ROW], Profiles(kept([ncu(RESULT, source="another")])), "json"))
    assert {row["stale"] for row in rows} == {True}
