"""A report of Nsight Systems as SQLite: the ranges, calls, kernels, copies and fills that its tables hold.

Tables come and go with what was traced, and columns with the version that exported them: both are asked for, and what
is not there stays empty. Times are nanoseconds of the trace; ids of processes and threads are nsys's own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

DOMAIN_CREATED, PUSHED_AND_POPPED = 75, 59
"""NVTX_EVENTS.eventType of a domain's making and of a push/pop range, in all versions of ENUM_NSYS_EVENT_TYPE."""
_COPIES = {1: "h2d", 2: "d2h", 8: "d2d", 11: "h2d", 12: "d2h", 13: "d2d"}
"""Of ENUM_CUDA_MEMCPY_OPER; the last three are of managed memory."""


class UnreadableError(Exception):
    """str(error): what is wrong with the file."""


@dataclass(frozen=True)
class Range:
    """A push/pop range."""

    name: str
    start: int
    end: int
    thread: int


@dataclass(frozen=True)
class Call:
    """A call of CUDA's runtime or driver."""

    name: str
    start: int
    end: int
    thread: int
    correlation: int


@dataclass(frozen=True)
class Work:
    """What the GPU did. call: (process, correlation id) of the call that asked for it. blocks, threads, registers,
    shared_bytes: of a kernel; nbytes, memory: of a copy or fill."""

    kind: Literal["kernel", "copy", "fill"]
    name: str
    start: int
    end: int
    stream: int
    call: tuple[int, int]
    blocks: int = 0
    threads: int = 0
    registers: int = 0
    shared_bytes: int = 0
    nbytes: int = 0
    memory: str = ""


@dataclass(frozen=True)
class Report:
    """version: of nsys; begin, end: of the trace; ranges: of one domain."""

    version: str
    begin: int
    end: int
    ranges: tuple[Range, ...]
    calls: tuple[Call, ...]
    work: tuple[Work, ...]


def process_of(thread: int) -> int:
    """The process of a global thread id (or of a global process id): the bits above the thread's own 24."""
    return thread >> 24


def load(path: Path, domain: str) -> Report:
    """Raises UnreadableError for a file that is missing, is no SQLite, or holds no NVTX ranges at all."""
    if not path.is_file():
        raise UnreadableError(f"there is no {path.name}")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return _Tables(connection, path).report(domain)
    except sqlite3.Error as error:
        raise UnreadableError(f"{path.name} cannot be read: {error}") from error


class _Tables:
    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path
        names = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        self._names = {name for (name,) in names}
        exported = self._settings("META_DATA_EXPORT")
        self.version = exported.get("EXPORT_PRODUCT_VERSION", "")
        self._schema = exported.get("EXPORT_SCHEMA_VERSION", "unknown")
        self._strings = dict(self._select("StringIds", ("id", "value"), needed=("id", "value")))

    def report(self, domain: str) -> Report:
        ranges = tuple(self._ranges(domain))
        calls, work = tuple(self._calls()), tuple(sorted(self._work(), key=lambda w: w.start))
        begin, end = self._extent(ranges)
        return Report(self.version, begin, end, ranges, calls, work)

    def _ranges(self, domain: str) -> Iterator[Range]:
        columns = ("start", "end", "eventType", "text", "textId", "domainId", "globalTid")
        if "NVTX_EVENTS" not in self._names:
            raise UnreadableError(f"{self._words} has no table NVTX_EVENTS: no NVTX range was traced")
        events = list(self._select("NVTX_EVENTS", columns, needed=("start", "end")))
        has_domains = "domainId" in self._columns("NVTX_EVENTS")
        domains = {
            (process_of(thread or 0), number)
            for _, _, kind, text, string, number, thread in events
            if kind == DOMAIN_CREATED and (text or self._strings.get(string)) == domain
        }
        for start, end, kind, text, string, number, thread in events:
            mine = not has_domains or (process_of(thread or 0), number) in domains
            if mine and end is not None and kind in (PUSHED_AND_POPPED, None):
                yield Range(str(text or self._strings.get(string, "")), start, end, thread or 0)

    def _calls(self) -> Iterator[Call]:
        columns = ("nameId", "start", "end", "globalTid", "correlationId")
        rows = self._select("CUPTI_ACTIVITY_KIND_RUNTIME", columns, needed=("start", "end", "correlationId"))
        for name, start, end, thread, correlation in rows:
            yield Call(str(self._strings.get(name, "")), start, end, thread or 0, correlation or 0)

    def _work(self) -> Iterator[Work]:
        yield from self._kernels()
        shared = ("start", "end", "streamId", "globalPid", "correlationId", "bytes")
        for start, end, stream, process, correlation, nbytes, kind in self._select(
            "CUPTI_ACTIVITY_KIND_MEMCPY", (*shared, "copyKind"), needed=shared[:2]
        ):
            yield Work("copy", "copy", start, end, stream or 0, (process_of(process or 0), correlation or 0),
                       nbytes=nbytes or 0, memory=_COPIES.get(kind, ""))  # fmt: skip
        for start, end, stream, process, correlation, nbytes in self._select(
            "CUPTI_ACTIVITY_KIND_MEMSET", shared, needed=shared[:2]
        ):
            yield Work("fill", "fill", start, end, stream or 0, (process_of(process or 0), correlation or 0),
                       nbytes=nbytes or 0)  # fmt: skip

    def _kernels(self) -> Iterator[Work]:
        columns = ("start", "end", "streamId", "globalPid", "correlationId", "demangledName", "shortName",
                   "registersPerThread", "staticSharedMemory", "dynamicSharedMemory",
                   "gridX", "gridY", "gridZ", "blockX", "blockY", "blockZ")  # fmt: skip
        for start, end, stream, process, correlation, long, short, registers, static, dynamic, *sizes in self._select(
            "CUPTI_ACTIVITY_KIND_KERNEL", columns, needed=columns[:2]
        ):
            name = self._strings.get(long) or self._strings.get(short) or "a kernel"
            gx, gy, gz, bx, by, bz = (size or 0 for size in sizes)
            yield Work("kernel", str(name), start, end, stream or 0, (process_of(process or 0), correlation or 0),
                       gx * gy * gz, bx * by * bz, registers or 0, (static or 0) + (dynamic or 0))  # fmt: skip

    def _extent(self, ranges: Sequence[Range]) -> tuple[int, int]:
        rows = list(self._select("ANALYSIS_DETAILS", ("startTime", "stopTime"), needed=("startTime", "stopTime")))
        if rows:
            return min(r[0] for r in rows), max(r[1] for r in rows)
        return min((r.start for r in ranges), default=0), max((r.end for r in ranges), default=0)

    def _settings(self, table: str) -> dict[str, str]:
        return {str(name): str(value) for name, value in self._select(table, ("name", "value"), needed=())}

    def _select(self, table: str, columns: Sequence[str], *, needed: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Rows of a table, None for columns that it lacks; nothing where there is no such table."""
        if table not in self._names:
            return
        there = self._columns(table)
        missing = [name for name in needed if name not in there]
        if missing:
            raise UnreadableError(f"{self._words}: its table {table} has no {', '.join(missing)}: another format")
        words = ", ".join(f'"{name}"' if name in there else "NULL" for name in columns)
        yield from self._connection.execute(f'SELECT {words} FROM "{table}"')

    def _columns(self, table: str) -> set[str]:
        return {row[1] for row in self._connection.execute(f'PRAGMA table_info("{table}")')}

    @property
    def _words(self) -> str:
        return f"{self._path.name} (Nsight Systems {self.version or 'of an unknown version'}, schema {self._schema})"
