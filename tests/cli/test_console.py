"""Tables: what a pipe gets, and what a terminal gets beside and below one."""

from __future__ import annotations

import sys

import pytest

from kbench.cli.console import Column, table

COLUMNS = (
    Column("key"), Column("entry"), Column("threads", number=True), Column("gap_s"), Column("file", piped=True),
    Column("lifts", below=True),
)  # fmt: skip
ROWS = [
    ("1a", "copy", 128, None, "a.json", "fewer registers"),
    ("2b", "copy", 256, None, "b.json", "fewer registers"),
    ("3c", "fma", 64, None, "c.json", None),
]


def test_a_pipe_gets_every_column_with_something_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    table(COLUMNS, ROWS)
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["key", "entry", "threads", "file", "lifts"]
    assert lines[3] == ["3c", "fma", "64", "c.json", ""]


def test_a_pipe_gets_all_names_where_there_are_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    table(COLUMNS, [])
    assert capsys.readouterr().out.split() == [column.name for column in COLUMNS]


def test_a_terminal_gets_long_texts_once_below_and_no_files(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    table(COLUMNS, ROWS, named="{} in blocks of {}")
    shown = capsys.readouterr().out
    assert "copy in blocks of 128 and 1 more: fewer registers" in shown.splitlines()
    assert shown.count("fewer registers") == 1
    assert "json" not in shown
    assert "gap_s" not in shown
