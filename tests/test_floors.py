"""Who may import what, and who may speak: read from the source of every file, lazy imports included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "kbench"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
ALLOWED = {
    "cupy": ("machine/cuda", "experiment/roof_kernels"),
    "cuda": ("machine/cuda",),
    "pynvml": ("machine/cuda",),
    "nvtx": ("machine/marks.py",),
    "pandas": ("reading",),
    "matplotlib": ("reading",),
    "jinja2": ("reading",),
    "rich": ("reading", "cli"),
    "click": ("cli",),
    "sqlite3": ("record", "profiling/nsys_tables.py"),
}
# Programs of their own, started by a path or a module name.
PROGRAMS = ("machine/cuda/extra.py", "__main__.py")


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_heavy_and_special_packages_stay_on_their_floor(path: Path) -> None:
    for package in set(imported(ast.parse(path.read_text()))) & set(ALLOWED):
        assert name(path).startswith(ALLOWED[package]), f"{name(path)} imports {package}"


@pytest.mark.parametrize("path", [p for p in FILES if not name(p).startswith(("cli/", *PROGRAMS))], ids=name)
def test_only_the_command_line_prints(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not [f for f in calls if isinstance(f, ast.Name) and f.id in ("print", "exit")]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 320
