"""Bad input gets one clear message and the right exit code, from the whole command line, on the cpu."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from commandline import FAULTS, ROOT, command, environment

GOOD = ("--kernel", "good", "--path", FAULTS, "--device", "cpu")


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One message without a traceback, and nothing that looks like a result."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("verb", ["sweep", "plan", "compile", "verify"])
def test_unknown_kernel(kbench, verb: str) -> None:
    refused(kbench(verb, "--kernel", "god", "--path", FAULTS), 2, "unknown kernel 'god'", "did you mean good")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--axis", "thread=128"), ("no axis 'thread'", "did you mean threads")),
        (("--axis", "n"), ("NAME=VALUES",)),
        (("--axis", "n=many"), ("axis n", "many")),
        (("--axis", "n=8..2"), ("8..2",)),
        (("--axis", "n=4", "--axis", "n=8"), ("twice",)),
        (("--block-size", "128", "--axis", "threads=64"), ("twice",)),
        (("--dtype", "float32"), ("no axis 'dtype'",)),
        (("--cache", "hot"), ("unknown cache state 'hot'", "cold")),
        (("--clock", "sundial"), ("unknown clock 'sundial'",)),
        (("--precision", "2"), ("precision",)),
        (("--timeout", "nan"), ("timeout_s", "nan")),
        (("--max-time", "inf"), ("--max-time", "inf")),
        (("--axis", "n=1..2001"), ("2001 configurations", "hours", "--yes")),
        (("--max-bytes", "big"), ("big",)),
        (("--device", "gpu"), ("unknown device 'gpu'", "cpu")),
        (("--fast", "--rigorous"), ("--fast and --rigorous", "one of them")),
    ],
)
def test_a_wrong_axis_value_or_option(kbench, option: tuple[str, ...], words: tuple[str, ...]) -> None:
    refused(kbench("sweep", *GOOD, *option), 2, *words)


@pytest.mark.parametrize(
    ("given", "words"), [("float", "32"), ("flaot32", "did you mean float32"), ("fp8", "float8_e4m3fn")]
)
def test_a_wrong_dtype(kbench, tmp_path: Path, given: str, words: str) -> None:
    assert kbench("new", "mine").returncode == 0
    refused(kbench("sweep", "--kernel", "mine", "--path", tmp_path, "--dtype", given), 2, given, words)


def test_an_empty_selection(kbench, tmp_path: Path) -> None:
    refused(kbench("sweep", "--device", "cpu"), 2, "--kernel", "--suite", "kbench list")
    refused(kbench("sweep", "--device", "cpu", "--path", tmp_path), 2, "no kernels in", "kbench new")
    refused(kbench("sweep", "--device", "cpu", "--path", tmp_path / "nowhere"), 2, "no such folder")


def test_a_spec_that_cannot_be_loaded(kbench, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text('"""Broken."""\n\nimport no_such_module\n')
    words = ("broken.py:3", "no_such_module")
    refused(kbench("sweep", "--kernel", "broken", "--path", tmp_path, "--device", "cpu"), 1, *words)
    listed = kbench("list", "--path", tmp_path)
    assert listed.returncode == 1
    assert "broken.py:3" in listed.stderr


def test_a_folder_whose_only_spec_is_broken(kbench, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def (\n")
    refused(kbench("sweep", "--path", tmp_path, "--device", "cpu"), 1, "broken.py:1", "invalid syntax")


@pytest.mark.parametrize("verb", ["sweep", "verify"])
def test_nothing_but_skipped_configurations(kbench, verb: str) -> None:
    done = kbench(verb, *GOOD, "--max-bytes", "1")
    assert done.returncode == 2
    assert "nothing ran: every configuration" in done.stderr


def test_an_axis_that_only_some_of_the_kernels_have(kbench) -> None:
    done = kbench("plan", *GOOD, "--kernel", "copy", "--axis", "nbytes=4096")
    assert done.returncode == 0
    assert "no axis nbytes in good" in done.stderr


def test_one_broken_spec_does_not_stop_a_folder(kbench, tmp_path: Path) -> None:
    for name in ("good.cu", "good.py"):
        (tmp_path / name).write_text((FAULTS / name).read_text())
    (tmp_path / "broken.py").write_text("def (\n")
    done = kbench("sweep", "--path", tmp_path, "--device", "cpu")
    assert done.returncode == 3
    assert "broken.py:1" in done.stderr
    assert "\tok\t" in done.stdout


def test_arguments_that_do_not_fit_the_kernel(kbench, tmp_path: Path) -> None:
    (tmp_path / "good.cu").write_text((FAULTS / "good.cu").read_text())
    (tmp_path / "good.py").write_text((FAULTS / "good.py").read_text().replace("args=(y, x, n)", "args=(y, x)"))
    done = kbench("sweep", "--path", tmp_path, "--device", "cpu")
    assert done.returncode == 3
    assert "spec_failed good[" in done.stderr
    assert "3" in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title = 'x'\ncolour = 1\n[[run]]\nkernel = 'good'\n", ("mine.toml", "colour")),
        ("title = 'x'\n[[run]]\nkernel = 'good'\n[run.axes]\nn = 'many'\n", ("axis n",)),
        ("title = 'x'\n[[run]]\nkernel = 'god'\n", ("unknown kernel 'god'",)),
        ("title = 'x'\n", ("mine.toml", "run")),
        ("title = \n", ("mine.toml", "TOML")),
        ("title = 'x'\n[method]\ntimeout_s = nan\n[[run]]\nkernel = 'good'\n", ("timeout_s", "nan")),
    ],
)
def test_a_wrong_suite(kbench, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    (tmp_path / "mine.toml").write_text(text)
    refused(kbench("sweep", "--suite", "mine.toml", "--path", FAULTS, "--device", "cpu"), 2, *words)


def test_unknown_suite(kbench) -> None:
    refused(kbench("plan", "--suite", "smok"), 2, "unknown suite 'smok'", "did you mean smoke")


@pytest.mark.parametrize("verb", ["sweep", "verify", "roof", "doctor"])
def test_no_gpu_where_one_was_asked_for(kbench, verb: str) -> None:
    words = () if verb in ("roof", "doctor") else ("--kernel", "good", "--path", FAULTS)
    done = kbench(verb, *words, "--device", "cuda", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr


def test_no_compiler(kbench, tmp_path: Path) -> None:
    """Neither on PATH nor as the ziglang package: an import that fails stands for the latter."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfound = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'ziglang' else found(name, *rest)\n"
    )
    hidden = {"PATH": str(tmp_path), "CXX": "", "KBENCH_CXX": "", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    refused(kbench("sweep", *GOOD, **hidden), 1, "no C++ compiler found", "g++")


def test_a_compile_cache_that_cannot_be_written_ends_the_sweep_and_hides_nothing(kbench, tmp_path: Path) -> None:
    once = ("sweep", *GOOD, "--axis", "n=256", "--fast")
    assert kbench(*once).returncode == 0
    (tmp_path / "file").touch()
    done = kbench(*once, "--fresh", XDG_CACHE_HOME=str(tmp_path / "file"))
    refused(done, 1, "cannot write the compile cache", "XDG_CACHE_HOME")
    assert '"status": "ok"' in kbench("show", "--json").stdout


def test_what_is_too_large_for_a_call_hides_no_time_that_is_known(kbench) -> None:
    once = ("sweep", *GOOD, "--axis", "n=256", "--fast")
    assert kbench(*once).returncode == 0
    before = kbench("show", "--json").stdout
    done = kbench(*once, "--max-bytes", "16", "--fresh")
    assert done.returncode == 0
    assert "1 skipped as too large for this --max-bytes: their rows are of earlier runs" in done.stderr
    assert kbench("show", "--json").stdout == before
    assert "already measured" in kbench(*once).stderr


def test_an_axis_of_a_suite_must_exist_in_some_kernel(kbench) -> None:
    refused(kbench("sweep", "--suite", "smoke", "--axis", "colour=1", "--device", "cpu"), 2, "colour")


def test_no_store_and_an_empty_one(kbench, tmp_path: Path) -> None:
    for verb in ("show", "report", "export"):
        refused(kbench(verb), 1, "kbench.db", "kbench sweep")
    refused(kbench("sweep", *GOOD, "--db", tmp_path / "no" / "such.db"), 1, "such.db")


def test_a_store_from_a_newer_version(kbench, tmp_path: Path) -> None:
    assert kbench("sweep", *GOOD).returncode == 0
    with sqlite3.connect(tmp_path / "kbench.db") as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {version + 1}")
    before = (tmp_path / "kbench.db").read_bytes()
    refused(kbench("show"), 1, "newer")
    refused(kbench("sweep", *GOOD), 1, "newer")
    assert (tmp_path / "kbench.db").read_bytes() == before


def test_a_file_that_is_no_store(kbench, tmp_path: Path) -> None:
    (tmp_path / "kbench.db").write_text("not a database at all, but long enough to look like a file of pages\n" * 20)
    refused(kbench("show"), 1, "kbench.db")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a Linux device")
def test_a_full_disk_under_the_results(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("list"),
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_written(kbench, tmp_path: Path) -> None:
    """A folder where the file should be: the same for root, to whom permissions mean nothing."""
    (tmp_path / "store.db").mkdir()
    done = kbench("sweep", *GOOD, "--db", tmp_path / "store.db")
    assert done.returncode in (1, 2)
    assert "store.db" in done.stderr
    assert "Traceback" not in done.stderr


def test_new_overwrites_nothing(kbench, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("precious")
    refused(kbench("new", "mine"), 2, "mine.py", "already there")
    assert (tmp_path / "mine.py").read_text() == "precious"
    assert not (tmp_path / "mine.cu").exists()
    refused(kbench("new", "Not-A-Name"), 2, "Not-A-Name")


@pytest.mark.parametrize(("name", "why"), [("class", "a word of Python"), ("cdiv", "a word of"), ("copy", "copy.py")])
def test_new_writes_nothing_that_could_not_work(kbench, tmp_path: Path, name: str, why: str) -> None:
    refused(kbench("new", name), 2, why)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_sweep_keeps_what_is_finished_and_the_same_command_resumes(
    kbench, tmp_path: Path, sent: signal.Signals
) -> None:
    sizes = ",".join(str(1000 + i) for i in range(400))
    words = command("sweep", *GOOD, "--axis", f"n={sizes}", "--max-time", "0.2")
    with subprocess.Popen(words, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as sweep:  # fmt: skip
        wait_for_rows(tmp_path / "kbench.db", 3)
        sweep.send_signal(sent)
        out, err = sweep.communicate(timeout=30)
    assert sweep.returncode == 130
    assert out == ""
    assert "results kept in kbench.db" in err
    kept = rows(tmp_path / "kbench.db")
    assert f"{kept} results kept" in err
    again = kbench("sweep", *GOOD, "--axis", f"n={sizes.split(',')[0]},{','.join(sizes.split(',')[1:3])}")
    assert again.returncode == 0
    assert "already measured in kbench.db; --fresh measures again" in again.stderr


def wait_for_rows(db: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if db.exists() and rows(db) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"{db} has fewer than {count} rows after a minute")


def rows(db: Path) -> int:
    connection = sqlite3.connect(f"{db.as_uri()}?mode=ro", uri=True, timeout=10)
    try:
        return int(connection.execute("SELECT count(*) FROM results").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()
