"""show, export and report of a store that holds profiles."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from synthetic import GPU
from synthetic_profiles import cupti, ncu, one, sanitizer

from kbench.cli.main import cli
from kbench.errors import UsageError
from kbench.record.environment import collect
from kbench.record.store import Store

RESULT = one()


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "kbench.db"
    with Store.open(path) as store:
        run = store.begin(collect(GPU, ["kbench", "sweep"]))
        store.add(run, RESULT)
        for profile in (ncu(RESULT), cupti(RESULT), sanitizer(RESULT)):
            store.add_profile(run, profile)
    return path


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A store with a profile of what was never swept."""
    path = tmp_path / "alone.db"
    with Store.open(path) as store:
        store.add_profile(store.begin(collect(GPU, ["kbench", "timeline"])), cupti(RESULT))
    return path


def call(*words: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, words)))


def test_show_has_metrics_as_columns(db: Path) -> None:
    done = call("show", "--db", db, "--columns", "dram_bytes_read,l2_hit_rate,pipe_fp64")
    assert done.exit_code == 0, done.output
    head, line = (text.split("\t") for text in done.stdout.splitlines()[:2])
    assert head[-3:] == ["dram_bytes_read", "l2_hit_rate", "pipe_fp64"]
    assert float(line[-3]) == pytest.approx(2**29 * 1.003, rel=1e-6)
    assert line[-2:] == ["0.334", ""]


def test_export_has_metrics_as_columns(db: Path) -> None:
    done = call("export", "--db", db, "--columns", "achieved_occupancy", "--format", "jsonl")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["metric.achieved_occupancy"] == 0.874


def test_export_of_profiles_and_findings(db: Path, tmp_path: Path) -> None:
    done = call("export", "--db", db, "--what", "profiles", "--output", tmp_path / "out.csv")
    assert done.exit_code == 0, done.output
    assert "the profiles of 1 results written" in done.stderr
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert {row["tool"] for row in rows} == {"ncu", "cupti", "sanitizer"}
    assert {row["config"] for row in rows} == {RESULT.config.id}
    (found,) = json.loads(call("export", "--db", db, "--what", "findings", "--format", "json").stdout)
    assert (found["check"], found["line"]) == ("memcheck", 17)


def test_columns_that_cannot_be_are_refused(db: Path) -> None:
    wrong = call("export", "--db", db, "--columns", "dram_byte_read").exception
    assert isinstance(wrong, UsageError)
    assert "no column 'dram_byte_read' (did you mean dram_bytes_read" in str(wrong)
    both = call("export", "--db", db, "--what", "profiles", "--columns", "waves").exception
    assert isinstance(both, UsageError)
    assert "--columns adds to results" in str(both)


def test_a_report_opens_the_row(db: Path, tmp_path: Path) -> None:
    done = call("report", "--db", db, "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert page.count('<details class="profile">') == 1
    assert "dram__bytes_read.sum" in page
    assert (tmp_path / "out" / "copy-traffic.png").exists()


def test_a_profile_without_a_result_is_shown_and_exported(alone: Path) -> None:
    key = RESULT.config.digest[:8]
    for words in ((), (key,), (f"copy.{key}",), (RESULT.config.id,), ("--kernel", "copy"), ("--device", "cuda")):
        done = call("show", "--db", alone, *words)
        assert done.exit_code == 0, done.output
        assert "overlap_share" in done.stdout
        assert "never swept" in done.stdout
    (one,) = json.loads(call("show", "--db", alone, key, "--json").stdout)
    assert (one["key"], one["status"], one["profiles"][0]["profile"]["tool"]) == (key, None, "cupti")
    rows = json.loads(call("export", "--db", alone, "--what", "profiles", "--format", "json").stdout)
    assert {(row["key"], row["stale"]) for row in rows} == {(key, None)}


@pytest.mark.parametrize("words", [("report", "--output", "out"), ("diagnose",), ("export",)])
def test_what_needs_a_result_says_how_to_get_one(alone: Path, words: tuple[str, ...]) -> None:
    wrong = call(words[0], "--db", alone, *words[1:]).exception
    assert isinstance(wrong, UsageError)
    assert "has profiles of this selection and no result: kbench sweep measures it" in str(wrong)


@pytest.mark.parametrize("words", [("--kernel", "fma"), ("--status", "ok"), ("--device", "cpu"), ("--axis", "n=3")])
def test_a_profile_without_a_result_passes_the_filters_or_not(alone: Path, words: tuple[str, ...]) -> None:
    wrong = call("show", "--db", alone, *words).exception
    assert isinstance(wrong, UsageError)
    assert "holds no results" in str(wrong)


def test_a_word_that_names_nothing_is_told_among_others_that_do(db: Path) -> None:
    key = RESULT.config.digest[:8]
    for verb in ("show", "diagnose"):
        wrong = call(verb, "--db", db, key, f"{key[:-1]}x").exception
        assert isinstance(wrong, UsageError)
        assert f"has the key or id {key[:-1]}x (did you mean {key}?)" in str(wrong)
