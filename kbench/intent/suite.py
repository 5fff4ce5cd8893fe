"""Suites: TOML files that say which kernels, which axis values and how to measure."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from kbench.errors import SuiteError, UsageError, did_you_mean
from kbench.intent.method import PRESETS, Method


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One [[run]]: a kernel, values that replace its axes' defaults, and the cache states and clocks to measure
    with."""

    kernel: str
    axes: dict[str, Any] = {}
    cache: tuple[str, ...] = ("cold",)
    clock: tuple[str, ...] = ("auto",)


class Suite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    run: tuple[Run, ...]
    method: Method = Method()

    def __post_init__(self) -> None:
        if not self.run:
            raise ValueError("a suite needs at least one [[run]]")


def load_suite(path: Path) -> Suite:
    """Read a suite. Raises SuiteError with the file and the key that is wrong."""
    try:
        return msgspec.convert(_with_preset(tomllib.loads(path.read_text(encoding="utf-8"))), Suite)
    except OSError as error:
        raise SuiteError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path}: not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise SuiteError(f"{path}: {str(error).replace('$.', '').replace('`', chr(39))}") from error


def _with_preset(table: dict[str, Any]) -> dict[str, Any]:
    """What a preset stands for, below what the suite says itself."""
    method = table.get("method")
    preset = method.get("preset") if isinstance(method, dict) else None
    known = PRESETS.get(preset) if isinstance(preset, str) else None
    return {**table, "method": {**known, **method}} if known and method else table


def find_suite(name: str, folders: Sequence[Path]) -> Path:
    """A suite's file: `name` itself where it is a path, else NAME.toml in one of the folders."""
    if name.endswith(".toml"):
        return Path(name)
    known = {p.stem: p for folder in reversed(folders) for p in sorted(folder.glob("*.toml"))}
    if name not in known:
        raise UsageError(f"unknown suite {name!r}{did_you_mean(name, known)}")
    return known[name]
