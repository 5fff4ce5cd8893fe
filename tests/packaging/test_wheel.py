"""The wheel: everything that is not Python is in it, and it works without the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"kbench": "kbench", "kernels_cu": "kbench/kernels_cu", "suites": "kbench/suites"}
LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache"}


def run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=300, **options)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that no build folder appears in the checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--quiet", "-w", out, source)
    (built,) = out.glob("kbench-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpacked alone; its dependencies are this environment's."""
    target = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", target, wheel)
    return target


def files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)) for path in found if not LEFT_OUT & set(path.parts)}


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    expected = {f"{inside}/{name}" for folder, inside in FOLDERS.items() for name in files(ROOT / folder)}
    assert len(expected) > 60
    assert not expected - packed
    assert any(name.endswith("licenses/LICENSE") for name in packed)
    extra = {name for name in packed - expected if ".dist-info/" not in name}
    assert not extra


def test_the_wheel_works_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    python = [sys.executable, "-P", "-m", "kbench"]
    where = run(sys.executable, "-P", "-c", "import kbench; print(kbench.__file__)", cwd=tmp_path, env=environment)
    assert where.stdout.startswith(str(installed))
    listed = run(*python, "list", "--json", cwd=tmp_path, env=environment)
    described = json.loads(listed.stdout)
    specs = {Path(kernel["spec"]) for kernel in described["kernels"]}
    assert {path.name for path in specs} == {path.name for path in (ROOT / "kernels_cu").glob("[!_]*.py")}
    assert all(path.is_relative_to(installed) for path in specs)
    assert "smoke" in described["suites"]
    tiny = ("--axis", "nbytes=2^12", "--dtype", "float32", "--variant", "naive", "--block-size", "128")
    swept = run(*python, "sweep", "--kernel", "copy", *tiny, "--device", "cpu", "--json", cwd=tmp_path, env=environment)
    (row,) = json.loads(swept.stdout)
    assert row["status"] == "ok"


@pytest.mark.slow
def test_the_wheel_installs_into_a_plain_environment(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run(tmp_path / "venv/bin/pip", "install", "--quiet", wheel, env=clean)
    listed = run(tmp_path / "venv/bin/kbench", "list", cwd=tmp_path, env=clean)
    assert "copy_blocks" in listed.stdout
    done = run(tmp_path / "venv/bin/kbench", "new", "mine", "--path", "k", cwd=tmp_path, env=clean)
    assert "mine.cu" in done.stdout
    swept = run(tmp_path / "venv/bin/kbench", "sweep", "--path", "k", "--axis", "n=4096", "--device", "cpu",
                cwd=tmp_path, env=clean)  # fmt: skip
    assert "ok" in swept.stdout
