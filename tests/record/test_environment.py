"""Collecting the environment opens no device, imports no CuPy and never fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import synthetic

from kbench.record import environment
from kbench.record.environment import Environment, collect


def test_it_says_where_and_when() -> None:
    found = collect(synthetic.GPU, ["kbench", "sweep", "--suite", "smoke"])
    assert found.device == synthetic.GPU
    assert found.argv == ("kbench", "sweep", "--suite", "smoke")
    assert found.time_utc.endswith("Z")
    assert found.host
    assert found.kernel
    assert found.cpu
    assert found.cpu_count >= 1
    assert found.versions["numpy"]
    assert msgspec.json.decode(msgspec.json.encode(found), type=Environment) == found


@pytest.mark.parametrize("program", ["/opt/x/bin/kbench", "/opt/x/kbench/__main__.py"])
def test_the_command_is_as_a_user_types_it(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [program, "sweep", "--suite", "smoke"])
    assert collect().argv == ("kbench", "sweep", "--suite", "smoke")


def test_it_imports_no_array_library() -> None:
    code = (
        "import sys; from kbench.record.environment import collect; collect();"
        "print([m for m in ('cupy', 'cuda', 'numpy', 'pynvml') if m in sys.modules])"
    )
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"


def test_git_revision_and_dirty_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        done = subprocess.run(["git", *identity, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert collect().git is None
    git("init", "-q")
    assert collect().git is None
    (tmp_path / "file").write_text("a")
    git("add", "file")
    git("commit", "-q", "-m", "first")
    found = collect().git
    assert found is not None
    assert (found.revision, found.dirty) == (git("rev-parse", "HEAD"), False)
    (tmp_path / "file").write_text("b")
    changed = collect().git
    assert changed is not None
    assert changed.dirty


def test_a_bare_machine_gives_an_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_read", lambda path: "")
    monkeypatch.setenv("PATH", "")
    found = collect()
    assert found.git is None
    assert found.memory_bytes is None
    assert found.system
