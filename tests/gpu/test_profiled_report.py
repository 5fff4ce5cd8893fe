"""A sweep, ncu around two of its results, and what the report, the tables and the exports make of it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from commandline import run

from kbench.errors import ProfilerError
from kbench.profiling import find

pytestmark = pytest.mark.gpu
COPY = ("--kernel", "copy", "--axis", "nbytes=1GiB", "--dtype", "float32", "--block-size", "256")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        find.tool("ncu")
    except ProfilerError as error:
        pytest.skip(str(error))
    made = tmp_path_factory.mktemp("profiled")
    for words in (
        ("roof", "--device", "cuda"),
        ("sweep", *COPY, "--variant", "naive,uint4", "--device", "cuda"),
        ("profile", "--pick", "best,naive", "--tool", "ncu", "--device", "cuda"),
    ):
        done = run(*words, cwd=made, timeout=600)
        assert done.returncode == 0, done.stderr
    return made


def rows(folder: Path, *words: str) -> list[dict[str, str]]:
    done = run("export", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_profiles_are_of_the_rows_own_source(folder: Path) -> None:
    found = rows(folder, "--what", "profiles")
    assert {row["stale"] for row in found} == {"False"}
    assert len({row["key"] for row in found}) == 2


def test_counted_bytes_and_time_stand_beside_the_declared_ones(folder: Path) -> None:
    """DRAM reads within 2 %, writes within 2 % and the size of L2, both times within 5 %."""
    asked = "dram_bytes_read,dram_bytes_written,duration_s"
    found = [row for row in rows(folder, "--columns", asked) if row["metric.dram_bytes_read"]]
    assert len(found) == 2
    for row in found:
        read, written = float(row["metric.dram_bytes_read"]), float(row["metric.dram_bytes_written"])
        assert read == pytest.approx(float(row["bytes_read"]), rel=0.02)
        assert written == pytest.approx(float(row["bytes_written"]), rel=0.02, abs=64 * 2**20)
        assert float(row["metric.duration_s"]) == pytest.approx(float(row["time_s"]), rel=0.05)


def test_no_gain_is_told_that_is_less_than_the_better_variant_has(folder: Path) -> None:
    times = {row["config"]: float(row["time_s"]) for row in rows(folder, "--columns", "config,time_s")}
    done = run("diagnose", "--pick", "naive", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    (naive,) = json.loads(done.stdout)
    told = max(cause["gain"]["high"] for cause in naive["causes"])
    assert 0.98 * times[naive["config"]] / min(times.values()) <= told


def test_the_report_opens_both_rows_and_draws_their_traffic(folder: Path) -> None:
    done = run("report", "--output", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    page = (folder / "out" / "index.html").read_text(encoding="utf-8")
    assert page.count('<details class="profile">') == 2
    assert "dram__bytes_read.sum" in page
    assert "L2, measured" in page or "L2 copy, measured" in page
    assert (folder / "out" / "copy-traffic.png").exists()
