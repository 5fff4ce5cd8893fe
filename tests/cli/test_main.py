"""The entry point: fast help, few imports, and every error as one message with its exit code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from commandline import ROOT, command, environment

from kbench.cli import main as entry
from kbench.errors import BuildError, DeviceError, KbenchError, KernelFault, StoreError, SuiteError, UsageError

HEAVY = ("numpy", "rich", "pandas", "matplotlib", "cupy", "jinja2", "cuda")


@pytest.mark.parametrize("words", [["--help"], ["list"], ["sweep", "--help"]])
def test_help_and_list_import_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys; from kbench.cli.main import main; code = main(sys.argv[1:]);"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), code, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[] 0"


def spent_s(words: list[str]) -> float:
    """Processor time of a command, the interpreter's start included."""
    child = subprocess.Popen(words, env=environment(), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("words", [["--help"], ["list", "--help"]])
def test_help_is_quick(words: list[str]) -> None:
    """Under 100 ms of processor time; on an idle machine of wall time too. Where processors are shared with others, all
    takes longer: then it is held against importing click, which takes 30 ms where the help should take 100."""
    pairs = [(spent_s(command(*words)), spent_s([sys.executable, "-c", "import click"])) for _ in range(5)]
    ours, yardstick = (min(each) for each in zip(*pairs, strict=True))
    assert ours < max(0.1, yardstick * 100 / 30)


@pytest.mark.parametrize("verb", entry.VERBS)
def test_every_help_ends_with_an_example(verb: str) -> None:
    text = CliRunner().invoke(entry.cli, [verb, "--help"]).output
    described = text.split("Options:")[0]
    assert re.search(rf"Example:\n    kbench {verb}\b.*\Z", described, re.DOTALL)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KbenchError("x"), 1),
        (UsageError("x"), 2),
        (SuiteError("x"), 2),
        (BuildError("x"), 1),
        (KernelFault("x"), 3),
        (DeviceError("x"), 5),
        (StoreError("x"), 1),
        (KeyboardInterrupt(), 130),
        (click.UsageError("x"), 2),
    ],
)
def test_exit_codes(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(entry.cli, "invoke", fail)
    assert entry.main(["list"]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert printed.err.strip()


def test_an_unexpected_error_names_the_file_with_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(entry.cli, "invoke", lambda ctx: {}["missing"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert [entry.main(["list"]), entry.main(["list"])] == [1, 1]
    message = capsys.readouterr().err
    (written,) = (tmp_path / "kbench").iterdir()  # one file, however often
    assert "KeyError: 'missing'" in message
    assert str(written) in message
    assert "Traceback" in written.read_text()


def test_ctrl_c_while_kbench_is_still_being_imported(kbench, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Early:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'click':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Early())\n"
    )
    done = kbench("list", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "kbench: interrupted\n")


@pytest.mark.parametrize(("word", "meant"), [("swep", "sweep"), ("exprot", "export"), ("reprot", "report")])
def test_a_mistyped_verb(kbench, word: str, meant: str) -> None:
    done = kbench(word)
    assert done.returncode == 2
    assert f"did you mean {meant}" in done.stderr


def test_a_mistyped_option(kbench) -> None:
    done = kbench("sweep", "--kernle", "copy")
    assert done.returncode == 2
    assert "--kernel" in done.stderr


def test_no_verb_prints_help(kbench) -> None:
    assert "Commands:" in "".join((kbench().stdout, kbench().stderr))


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "kbench", "list"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
