"""How `make bench` and `make test` set up .venv: pins, the choice of extras, the mark of a finished one."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    spec = importlib.util.spec_from_file_location("kbench_install", ROOT / "requirements" / "install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", tmp_path)
    monkeypatch.setattr(module, "PYTHON", Path(sys.executable))
    return module


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_every_requirement_is_pinned_with_hashes_and_no_index(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert not re.search(r"https?:|--(extra-)?index-url|--find-links", text)
    entries = [e for e in re.split(r"\n(?=[a-z])", text.replace("\\\n", " ")) if not e.startswith("#")]
    assert len(entries) > 20
    for entry in entries:
        assert re.match(r"[a-z0-9.\-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_what_runs_is_pinned_alike_for_users_and_developers() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^\S+==\S+(?: ;[^\\]*)?", (ROOT / "requirements" / name).read_text(), re.MULTILINE))

    assert {p.strip() for p in pins("run.txt")} <= {p.strip() for p in pins("dev.txt")}


def test_ziglang_comes_where_no_compiler_is(install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(install, "gpu_extra", lambda: "cuda13")
    for name in ("CXX", "KBENCH_CXX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install.extras() == ["cuda13", "cpu"]
    compiler = tmp_path / "clang++"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    assert install.extras() == ["cuda13"]


def test_ready_means_same_pins_same_extras(install, tmp_path: Path) -> None:
    assert not install.is_ready("run", [])
    (tmp_path / ".kbench-dev").write_text(install.fingerprint("dev", []))
    assert install.is_ready("dev", [])
    assert install.is_ready("run", [])
    assert not install.is_ready("run", ["cuda13"])


def test_an_old_python_is_told_so(install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install.sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit, match=r"3\.11 or newer is needed, this is 3\.9"):
        install.main("run")


def test_the_version_is_written_once_more_only_in_the_package() -> None:
    import kbench

    declared = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert declared is not None
    assert kbench.__version__ == declared[1]
