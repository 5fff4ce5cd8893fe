"""How to install what is missing, in words that fit where kbench itself came from."""

from __future__ import annotations

from pathlib import Path

_BESIDE = Path(__file__).resolve().parents[2]


def install(extra: str) -> str:
    """The command that adds an extra of kbench: of the checkout that this is, else of the package by its name."""
    if (_BESIDE / "pyproject.toml").is_file():
        return f"install kbench's extra {extra}: pip install '.[{extra}]' in {_BESIDE}"
    return f"install kbench's extra {extra}: pip install 'kbench[{extra}]'"
