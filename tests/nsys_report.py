"""Reports of Nsight Systems as SQLite, written by hand: the tables and columns of its documented schema."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

KBENCH, OTHER = 3, 4
"""Numbers of two NVTX domains."""
PROCESS = 281893585052023 >> 24
THREAD = (PROCESS << 24) | 101

COLUMNS: dict[str, tuple[str, ...]] = {
    "StringIds": ("id", "value"),
    "META_DATA_EXPORT": ("name", "value"),
    "ANALYSIS_DETAILS": ("globalVid", "duration", "startTime", "stopTime"),
    "NVTX_EVENTS": ("start", "end", "eventType", "text", "globalTid", "textId", "domainId"),
    "CUPTI_ACTIVITY_KIND_RUNTIME": ("start", "end", "eventClass", "globalTid", "correlationId", "nameId"),
    "CUPTI_ACTIVITY_KIND_KERNEL": (
        "start", "end", "deviceId", "contextId", "streamId", "correlationId", "globalPid", "demangledName",
        "shortName", "registersPerThread", "gridX", "gridY", "gridZ", "blockX", "blockY", "blockZ",
        "staticSharedMemory", "dynamicSharedMemory",
    ),
    "CUPTI_ACTIVITY_KIND_MEMCPY": ("start", "end", "streamId", "correlationId", "globalPid", "bytes", "copyKind"),
    "CUPTI_ACTIVITY_KIND_MEMSET": ("start", "end", "streamId", "correlationId", "globalPid", "value", "bytes"),
}  # fmt: skip


class Report:
    """Rows by table; `write` makes the file. without: tables, or "TABLE.column", that this version lacks."""

    def __init__(self, begin: int = 0, end: int = 10_000) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in COLUMNS}
        self._strings: dict[str, int] = {}
        self.add("META_DATA_EXPORT", name="EXPORT_PRODUCT_VERSION", value="2025.5.1")
        self.add("META_DATA_EXPORT", name="EXPORT_SCHEMA_VERSION", value="3.24.0")
        self.add("ANALYSIS_DETAILS", duration=end - begin, startTime=begin, stopTime=end)
        self.domain("kbench", KBENCH)

    def add(self, table: str, **values: Any) -> None:
        self.rows[table].append(values)

    def string(self, text: str) -> int:
        if text not in self._strings:
            self._strings[text] = len(self._strings) + 1
            self.add("StringIds", id=self._strings[text], value=text)
        return self._strings[text]

    def domain(self, name: str, number: int, thread: int = THREAD) -> None:
        self.add("NVTX_EVENTS", start=0, eventType=75, text=name, globalTid=thread, domainId=number)

    def range(self, name: str, start: int, end: int, *, domain: int | None = KBENCH, thread: int = THREAD) -> None:
        self.add("NVTX_EVENTS", start=start, end=end, eventType=59, textId=self.string(name), domainId=domain,
                 globalTid=thread)  # fmt: skip

    def call(self, name: str, start: int, correlation: int = 0, *, thread: int = THREAD) -> None:
        self.add("CUPTI_ACTIVITY_KIND_RUNTIME", start=start, end=start + 5, eventClass=0, globalTid=thread,
                 correlationId=correlation, nameId=self.string(name))  # fmt: skip

    def kernel(self, start: int, end: int, correlation: int, *, stream: int = 7, process: int = PROCESS) -> None:
        self.add("CUPTI_ACTIVITY_KIND_KERNEL", start=start, end=end, streamId=stream, correlationId=correlation,
                 globalPid=process << 24, demangledName=self.string("copy<float>"), shortName=self.string("copy"),
                 registersPerThread=16, gridX=4, gridY=2, gridZ=1, blockX=128, blockY=1, blockZ=1,
                 staticSharedMemory=100, dynamicSharedMemory=28, deviceId=0, contextId=1)  # fmt: skip

    def copy(self, start: int, end: int, correlation: int, nbytes: int, kind: int, *, stream: int = 8) -> None:
        self.add("CUPTI_ACTIVITY_KIND_MEMCPY", start=start, end=end, streamId=stream, correlationId=correlation,
                 globalPid=PROCESS << 24, bytes=nbytes, copyKind=kind)  # fmt: skip

    def fill(self, start: int, end: int, correlation: int, nbytes: int) -> None:
        self.add("CUPTI_ACTIVITY_KIND_MEMSET", start=start, end=end, streamId=7, correlationId=correlation,
                 globalPid=PROCESS << 24, value=0, bytes=nbytes)  # fmt: skip

    def write(self, path: Path, without: Sequence[str] = ()) -> Path:
        connection = sqlite3.connect(path)
        for table, columns in COLUMNS.items():
            if table in without:
                continue
            kept = [name for name in columns if f"{table}.{name}" not in without]
            connection.execute(f"CREATE TABLE {table} ({', '.join(kept)})")
            marks = ", ".join("?" for _ in kept)
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", self._of(table, kept))
        connection.commit()
        connection.close()
        return path

    def _of(self, table: str, columns: Sequence[str]) -> Iterable[tuple[Any, ...]]:
        return [tuple(row.get(name) for name in columns) for row in self.rows[table]]
