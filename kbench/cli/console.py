"""Where output goes: results to stdout (rich on a terminal, tab-separated in a pipe, or JSON), the rest to stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import click


@dataclass(frozen=True)
class Column:
    """name: the header in a pipe, with the SI unit of its plain values (time_s); title: the header on a terminal, where
    `show` makes a value readable ("12.3 us"). number: aligned to the right, never wrapped. below: long texts, which a
    terminal gets under the table, each once with the rows that share it. piped: no terminal gets it."""

    name: str
    title: str = ""
    show: Callable[[Any], str] = str
    number: bool = False
    below: bool = False
    piped: bool = False


def say(message: str = "") -> None:
    """Progress, explanations and warnings: never part of a result."""
    click.echo(message, err=True)


def out(text: str = "") -> None:
    click.echo(text)


def json(value: Any) -> None:
    """One JSON document; typed values become objects."""
    import msgspec

    out(msgspec.json.format(msgspec.json.encode(value, enc_hook=_data_type), indent=2).decode())


def _data_type(value: Any) -> str:
    """The names of data types are strings of a kind of their own, which msgspec does not take for strings."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def table(columns: Sequence[Column], rows: Iterable[Sequence[Any]], *, title: str = "", named: str = "{}") -> None:
    """Rows of values, None for an empty cell. Empty columns are left out, and in a pipe the title is. named: what a row
    is called under a table, of the cells of its first columns that are no key."""
    values = list(rows)
    used = [i for i in range(len(columns)) if not values or any(row[i] is not None for row in values)]
    if sys.stdout.isatty():
        _rich_table(columns, values, title, used)
        for i in used:
            if columns[i].below:
                _below(columns, values, i, named)
        return
    out("\t".join(columns[i].name for i in used))
    for row in values:
        out("\t".join(_plain(row[i]) for i in used))


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.9g}"
    return "" if value is None else " ".join(str(value).split())


def _rich_table(columns: Sequence[Column], rows: list[Sequence[Any]], title: str, used: list[int]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=SIMPLE_HEAD, title=Text(title) if title else None, title_justify="left", pad_edge=False)
    used = [i for i in used if not columns[i].below and not columns[i].piped]
    for column in (columns[i] for i in used):
        justify: Literal["right", "left"] = "right" if column.number else "left"
        narrow = column.number or column.name in ("key", "status")
        shown.add_column(column.title or column.name, justify=justify, no_wrap=narrow, overflow="fold")
    for row in rows:
        cells = ["" if row[i] is None else columns[i].show(row[i]) for i in used]
        shown.add_row(*(Text(cell, style=_style(cell)) for cell in cells))
    terminal = Console()
    # A terminal that is too narrow wraps lines: better than numbers without their last digits.
    numbers = [
        max(len(columns[i].show(row[i])) for row in rows if row[i] is not None) for i in used if columns[i].number
    ]
    texts = _TEXT * (len(used) - len(numbers))
    terminal.print(shown, width=max(terminal.width, sum(numbers) + texts + 3 * len(used)), no_wrap=True, crop=False)


def _below(columns: Sequence[Column], rows: list[Sequence[Any]], at: int, named: str) -> None:
    """Each text of a column once, after the name of the row that has it, and the number of those that share it."""
    told = [i for i, column in enumerate(columns) if column.name != "key"]
    shared: dict[str, list[str]] = {}
    for row in rows:
        if row[at]:
            shared.setdefault(str(row[at]), []).append(named.format(*(row[i] for i in told)))
    for text, names in shared.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        out(f"{names[0]}{more}: {text}")


_TEXT = 12  # the least room for a column of text, which is folded in it


def _style(cell: str) -> str:
    """Colour by meaning; rich drops it where NO_COLOR is set."""
    if cell in ("yes", "ok"):
        return "green"
    bad = ("no", "incorrect", "crashed", "timed_out", "out_of_memory", "build_failed", "spec_failed")
    return "red" if cell in bad else ""
