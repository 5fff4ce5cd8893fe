"""The format of a store's file, its version, and SQLite's errors in words that say what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kbench.errors import StoreError

FORMAT = 2
# History of the format (PRAGMA user_version):
#   1  runs (environment, notes on kernels), results (columns for SQL, body as JSON)
#   2  profiles, made like results; a writer adds the table to a file of format 1, a reader goes without it

APPLICATION = 0x6B62_656E  # "kben": tells a kbench store from any other SQLite file

_SCHEMA = (
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        uid TEXT NOT NULL UNIQUE,
        started TEXT NOT NULL,
        finished TEXT,
        argv TEXT NOT NULL,
        environment TEXT NOT NULL,
        notes TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE results (
        id INTEGER PRIMARY KEY,
        uid TEXT NOT NULL UNIQUE,
        run INTEGER NOT NULL REFERENCES runs (id),
        added TEXT NOT NULL,
        config TEXT NOT NULL,
        key TEXT NOT NULL,
        problem TEXT NOT NULL,
        kernel TEXT NOT NULL,
        status TEXT NOT NULL,
        message TEXT NOT NULL,
        device_kind TEXT NOT NULL,
        device_uid TEXT NOT NULL,
        device_label TEXT NOT NULL,
        driver TEXT NOT NULL,
        source TEXT NOT NULL,
        center_s REAL,
        low_s REAL,
        high_s REAL,
        useful_bytes INTEGER NOT NULL,
        achieved_bytes_per_s REAL,
        of_peak REAL,
        of_roof REAL,
        clock TEXT,
        cache TEXT,
        body TEXT NOT NULL
    )
    """,
    "CREATE INDEX results_by_config ON results (config, device_uid, id)",
    f"PRAGMA application_id = {APPLICATION}",
)
_PROFILES = (
    """
    CREATE TABLE profiles (
        id INTEGER PRIMARY KEY,
        uid TEXT NOT NULL UNIQUE,
        run INTEGER NOT NULL REFERENCES runs (id),
        added TEXT NOT NULL,
        config TEXT NOT NULL,
        key TEXT NOT NULL,
        problem TEXT NOT NULL,
        kernel TEXT NOT NULL,
        tool TEXT NOT NULL,
        version TEXT NOT NULL,
        status TEXT NOT NULL,
        message TEXT NOT NULL,
        device_kind TEXT NOT NULL,
        device_uid TEXT NOT NULL,
        device_label TEXT NOT NULL,
        source TEXT NOT NULL,
        raw TEXT NOT NULL,
        body TEXT NOT NULL
    )
    """,
    "CREATE INDEX profiles_by_config ON profiles (config, device_uid, tool, id)",
)

OTHER = "name another store with --db or KBENCH_DB"
MOVE_AWAY = f"move it away, or {OTHER}"


def prepare(connection: sqlite3.Connection, path: Path, readonly: bool) -> None:
    """Check the file's format; create it in an empty file. A writer writes once here, so that a file, folder or disk
    that takes no writes is told before anything is measured. Raises StoreError and sqlite3.Error."""
    if readonly:
        connection.execute("PRAGMA query_only = ON")
        _check(connection, path)
        return
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _is_empty(connection):
            for statement in (*_SCHEMA, *_PROFILES):
                connection.execute(statement)
        elif _check(connection, path) < 2:
            for statement in _PROFILES:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _is_empty(connection: sqlite3.Connection) -> bool:
    return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def has_profiles(connection: sqlite3.Connection) -> bool:
    """Whether the file has the table that came with format 2, which a writer may have added a moment ago."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return bool(version >= 2)


def _check(connection: sqlite3.Connection, path: Path) -> int:
    """The file's format, one that this kbench can read. Raises StoreError."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        if _is_empty(connection):
            raise StoreError(f"the store {path} is empty: `kbench sweep` fills it")
        raise StoreError(f"{path} is an SQLite file, but not a kbench store: {MOVE_AWAY}")
    if not 1 <= version <= FORMAT:
        raise StoreError(
            f"{path} has format {version}, this kbench knows format {FORMAT}: a newer kbench wrote it; update kbench, "
            f"or {OTHER}"
        )
    return int(version)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file at `path` into StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(_words(path, error)) from error


def _words(path: Path, error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "") or ""
    causes = {
        "SQLITE_FULL": f"the disk is full, no further result can be kept in {path}: free some space, then run the same "
        "command again; it resumes after the last kept row",
        "SQLITE_BUSY": f"{path} is locked by another process: wait for it to end, or {OTHER}",
        "SQLITE_LOCKED": f"{path} is locked by another process: wait for it to end, or {OTHER}",
        "SQLITE_READONLY": f"{path} or its folder is read-only: change its permissions, or {OTHER}",
        "SQLITE_CANTOPEN": f"cannot open {path}: it or its folder cannot be read or written; check the path and its "
        f"permissions, or {OTHER}",
        "SQLITE_NOTADB": f"{path} is not a kbench store: {MOVE_AWAY}",
        "SQLITE_CORRUPT": f"{path} is damaged: {MOVE_AWAY}; `sqlite3 {path} .recover` may save its rows",
        "SQLITE_IOERR": f"reading or writing {path} failed: check the disk (full, unplugged, over its quota?)",
    }
    for cause, words in causes.items():
        if name.startswith(cause):
            return f"{words} ({error})"
    return f"{path}: {error}: {MOVE_AWAY}"
