"""Sweeps that resume, and the verbs that read the store, on one small sweep of the cpu."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from commandline import FAULTS, command, environment, run

SWEEP = ("sweep", "--kernel", "good", "--path", FAULTS, "--device", "cpu", "--samples", "20", "--axis", "n=1000,2000")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swept")
    done = run(*SWEEP, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(swept: Path, tmp_path: Path) -> Path:
    shutil.copy(swept / "kbench.db", tmp_path)
    return tmp_path


def test_the_same_command_again_measures_nothing(folder: Path) -> None:
    done = run(*SWEEP, cwd=folder)
    assert done.returncode == 0
    assert "2 of 2 configurations already measured in kbench.db; --fresh measures again" in done.stderr
    assert done.stdout.count("\tok\t") == 2


def test_more_values_measure_only_what_is_missing(folder: Path) -> None:
    done = run(*SWEEP[:-1], "n=1000,2000,3000", cwd=folder)
    assert "2 of 3 configurations already measured" in done.stderr
    assert done.stdout.count("\tok\t") == 3


def test_fresh_measures_again(folder: Path) -> None:
    before = json.loads(run("show", "--json", cwd=folder).stdout)
    done = run(*SWEEP, "--fresh", cwd=folder)
    assert "already measured" not in done.stderr
    after = json.loads(run("show", "--json", cwd=folder).stdout)
    assert {row["id"] for row in before}.isdisjoint(row["id"] for row in after)
    assert {row["config"] for row in before} == {row["config"] for row in after}


def test_a_changed_kernel_is_measured_again(folder: Path) -> None:
    for name in ("good.cu", "good.py"):
        shutil.copy(FAULTS / name, folder)
    source = folder / "good.cu"
    source.write_text(source.read_text() + "// changed\n")
    done = run("sweep", "--kernel", "good", "--path", folder, *SWEEP[5:], cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "already measured" not in done.stderr


def test_a_source_that_is_put_back_is_shown_as_it_is(folder: Path) -> None:
    """Not the other version's numbers, which are newer."""
    for name in ("good.cu", "good.py"):
        shutil.copy(FAULTS / name, folder)
    source = folder / "good.cu"
    first = source.read_text()
    sources = []
    for text in (first, first + "// changed\n", first):
        source.write_text(text)
        done = run("sweep", "--kernel", "good", "--path", folder, "--json", *SWEEP[5:], cwd=folder)
        sources.append({row["source"] for row in json.loads(done.stdout)})
    assert sources[0] == sources[2] != sources[1]
    shown = json.loads(run("show", "--json", cwd=folder).stdout)
    assert {row["source"] for row in shown} == sources[2]


def test_more_samples_than_a_row_has_are_taken(folder: Path) -> None:
    words = [word if word != "20" else "30" for word in SWEEP]
    done = run(*words, "--json", cwd=folder)
    assert {row["samples"] for row in json.loads(done.stdout)} == {30}
    assert "2 of 2 configurations already measured" in run(*SWEEP, cwd=folder).stderr


def test_a_row_that_cannot_be_read_is_told_and_the_others_shown(folder: Path) -> None:
    with sqlite3.connect(folder / "kbench.db") as connection:
        connection.execute("UPDATE results SET body = '{}' WHERE id = 1")
    done = run("show", "--json", cwd=folder)
    assert (done.returncode, len(json.loads(done.stdout))) == (0, 1)
    assert "row 1 of kbench.db is left out" in done.stderr
    again = run(*SWEEP, cwd=folder)
    assert "1 of 2 configurations already measured" in again.stderr


def test_kill_9_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    sizes = ",".join(str(1000 + i) for i in range(300))
    words = command(*SWEEP[:-1], f"n={sizes}")
    with subprocess.Popen(words, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as sweep:  # fmt: skip
        deadline = time.monotonic() + 60
        while count(tmp_path / "kbench.db") < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        sweep.send_signal(signal.SIGKILL)
    kept = count(tmp_path / "kbench.db")
    assert kept >= 5
    rows = json.loads(run("show", "--json", cwd=tmp_path).stdout)
    assert len(rows) == kept
    done = run(*SWEEP[:-1], "n=" + ",".join(str(row["axis.n"]) for row in rows[:5]), cwd=tmp_path)
    assert "5 of 5 configurations already measured" in done.stderr


def test_a_disk_that_fills_up_keeps_what_was_written(folder: Path) -> None:
    """A limit on the size of files stands for the disk: SQLite cannot write past it, and says so."""
    limit = (folder / "kbench.db").stat().st_size + 40_000
    before = count(folder / "kbench.db")
    done = subprocess.run(
        command(*SWEEP[:-1], "n=3000..3200"),
        cwd=folder, env=environment(), capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)), timeout=120,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    kept = int(re.search(r"(\d+) results kept in kbench.db", done.stderr)[1])
    assert 0 < kept < 201
    assert count(folder / "kbench.db") == before + kept


def count(db: Path) -> int:
    if not db.exists():
        return 0
    connection = sqlite3.connect(f"{db.as_uri()}?mode=ro", uri=True, timeout=10)
    try:
        return int(connection.execute("SELECT count(*) FROM results").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def test_show_by_key_and_by_filters(folder: Path) -> None:
    rows = json.loads(run("show", "--json", cwd=folder).stdout)
    assert [row["status"] for row in rows] == ["ok", "ok"]
    assert rows[0]["result"]["config"]["kernel"] == "good"
    for selector in ((rows[0]["key"],), (rows[0]["config"],), ("--axis", f"n={rows[0]['axis.n']}")):
        (found,) = json.loads(run("show", *selector, "--json", cwd=folder).stdout)
        assert found["config"] == rows[0]["config"]
    nothing = run("show", "--status", "crashed", cwd=folder)
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert "none of the 2 results" in nothing.stderr
    mistyped = run("show", "--kernel", "god", cwd=folder)
    assert mistyped.returncode == 2
    assert "did you mean good" in mistyped.stderr


def test_export_in_every_format(folder: Path) -> None:
    as_csv = list(csv.DictReader(io.StringIO(run("export", cwd=folder).stdout)))
    lines = run("export", "--format", "jsonl", cwd=folder).stdout.splitlines()
    assert run("export", "--format", "json", "--output", "all.json", cwd=folder).stdout == ""
    as_json = json.loads((folder / "all.json").read_text())
    assert [row["config"] for row in as_csv] == [json.loads(line)["config"] for line in lines]
    assert [row["config"] for row in as_csv] == [row["config"] for row in as_json]
    assert float(as_csv[0]["time_s"]) == as_json[0]["time_s"]


def test_a_pipe_gets_one_full_width_table(folder: Path) -> None:
    lines = run("show", cwd=folder, COLUMNS="40").stdout.splitlines()
    header = lines[0].split("\t")
    assert {"kernel", "n", "threads", "status", "time_s", "achieved_bytes_per_s"} <= set(header)
    assert all(len(line.split("\t")) == len(header) for line in lines)


@pytest.mark.parametrize("colour", [True, False])
def test_a_terminal_gets_a_table_for_people(folder: Path, colour: bool) -> None:
    extra = {"TERM": "xterm-256color", "COLUMNS": "120"} | ({} if colour else {"NO_COLOR": "1"})
    text = on_a_terminal(command("show"), folder, environment(**extra))
    assert "good[n=1000] on cpu (emulated)" in text
    assert "GB/s" in text
    assert "best: threads 128" in text
    assert ("\x1b[32m" in text or "\x1b[1;32m" in text) == colour


@pytest.mark.parametrize("verb", ["verify", "plan"])
def test_a_narrow_terminal_keeps_messages_whole(tmp_path: Path, verb: str) -> None:
    words = command(verb, "--kernel", "wrong_result", "--kernel", "good", "--path", FAULTS, "--device", "cpu",
                    *(("--max-bytes", "20000") if verb == "plan" else ()))  # fmt: skip
    text = on_a_terminal(words, tmp_path, environment(TERM="dumb", COLUMNS="60"))
    (line,) = [line for line in text.splitlines() if "first wrong at" in line or "too large" in line]
    assert line.startswith(("wrong_result[n=", "good[n="))
    assert "…" not in text


def on_a_terminal(words: list[str], folder: Path, env: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, cwd=folder, env=env, stdout=theirs, stderr=subprocess.DEVNULL):
        os.close(theirs)
        text = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            text += piece
    os.close(ours)
    return text.decode()


def test_list_describes_every_kernel(tmp_path: Path) -> None:
    described = json.loads(run("list", "--json", "--path", FAULTS, cwd=tmp_path).stdout)
    kernels = {kernel["name"]: kernel for kernel in described["kernels"]}
    assert kernels["good"]["axes"] == {"n": [4096], "threads": [128]}
    assert kernels["copy"]["axes"]["dtype"] == ["float32", "float16"]
    assert kernels["copy"]["baselines"] == ["memcpy"]
    piped = run("list", cwd=tmp_path).stdout.splitlines()
    assert {line.split("\t")[1] for line in piped if line.startswith("suite")} >= {"smoke", "copy", "transpose"}


def test_list_by_name(tmp_path: Path) -> None:
    described = json.loads(run("list", "good", "--json", "--path", FAULTS, cwd=tmp_path).stdout)
    assert ([kernel["name"] for kernel in described["kernels"]], described["suites"]) == (["good"], {})
    done = run("list", "god", "--path", FAULTS, cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean good" in done.stderr


def test_verify_says_what_it_checked(tmp_path: Path) -> None:
    done = run("verify", "--kernel", "good", "--path", FAULTS, "--device", "cpu", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["status"] == "ok"
    assert row["checks"][0]["output"] == "y"
    assert not (tmp_path / "kbench.db").exists()


def test_verify_finds_a_wrong_result(tmp_path: Path) -> None:
    done = run("verify", "--kernel", "wrong_result", "--path", FAULTS, "--device", "cpu", cwd=tmp_path)
    assert done.returncode == 3
    assert "[137]" in done.stdout


def test_plan_allocates_nothing(tmp_path: Path) -> None:
    """A plan of 64 TiB on a machine that has no such memory."""
    done = run(
        "plan", "--kernel", "good", "--path", FAULTS, "--axis", "n=2^44", "--device", "cuda", "--json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["status"] == "ok"
    assert row["footprint_bytes"] == 2**47


def test_doctor_says_once_that_there_is_no_driver() -> None:
    from kbench.cli.doctor import _without_driver

    cuda = [("driver", "warn", "none", "install"), ("GPU", "warn", "none", "look"), ("CuPy", "warn", "no", "pip"),
            ("counters", "warn", "none", "install")]  # fmt: skip
    assert [name for name, *_ in _without_driver(cuda)] == ["driver, GPU, counters", "CuPy"]
    assert _without_driver([("driver", "ok", "580", ""), *cuda[1:]])[1:] == cuda[1:]


def test_doctor_gives_a_line_and_a_remedy_each(tmp_path: Path) -> None:
    done = run("doctor", "--device", "cpu", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = {probe["name"]: probe for probe in json.loads(done.stdout)}
    ours = {"device", "host compiler", "store", "cache"}
    cuda = {"driver", "CuPy", "NVRTC", "CUDA headers", "CUPTI", "ncu", "nsys", "sanitizer", "counters"}
    assert ours | cuda <= set(found)
    assert all(probe["remedy"] for probe in found.values() if probe["state"] != "ok")
    assert not (tmp_path / "kbench.db").exists()
