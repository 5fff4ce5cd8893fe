"""The store: one SQLite file with a row for every result, each committed before the next is measured.

With its rollback journal and full synchronisation a file survives `kill -9` at any moment, and can be read while a
sweep writes.
The columns are for people with an SQL prompt; `body` holds the whole Result, and is what kbench itself reads.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from kbench.errors import StoreError
from kbench.experiment.result import Measurement, Result
from kbench.intent.config import Config
from kbench.intent.plan import TOO_LARGE
from kbench.profiling.profile import Profile
from kbench.record.columns import UNFIT, columns_of_profile, columns_of_result, text_of
from kbench.record.environment import Environment, now_utc
from kbench.record.filter import Filter
from kbench.record.format import has_profiles, prepare, translated

# A row that ended like this says nothing about the next attempt: it is measured again on resuming. A build depends on
# the machine as well (compilers, headers, room on a disk), which no source hash knows.
TRANSIENT = frozenset({"crashed", "timed_out", "out_of_memory", "build_failed"})

_BUSY_S = 15.0

_NEWEST = "id IN (SELECT max(id) FROM results GROUP BY config, device_uid)"
# The last sweep that ended in order: a run without a result was for a profiler.
_ENDED = "SELECT max(id) FROM runs WHERE finished IS NOT NULL AND id IN (SELECT run FROM results)"

# A profiler that failed does not hide what it said before: of each tool the newest good profile, and a failure since.
_NEWEST_PROFILE = """id IN (SELECT max(id) FROM profiles GROUP BY config, device_uid, tool, status)
    AND NOT EXISTS (SELECT 1 FROM profiles AS later WHERE later.config = profiles.config AND later.id > profiles.id
    AND later.device_uid = profiles.device_uid AND later.tool = profiles.tool AND later.status = 'ok')"""
_UNMEASURED = """NOT EXISTS (SELECT 1 FROM results WHERE results.config = profiles.config
    AND results.device_uid = profiles.device_uid)"""

_T = TypeVar("_T")


class KernelNote(msgspec.Struct, frozen=True):
    """What a reader of results wants to know of a kernel when its files are not at hand. doc: the first line of its
    docstring; variants: in the order of its axis (the first is the naive one unless one has that name); baselines: the
    variants that are not kernels of its own."""

    doc: str = ""
    variants: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()


class Run(msgspec.Struct, frozen=True):
    """One invocation. started, finished: ISO 8601 in UTC; finished is None for one that was killed or still goes on."""

    id: int
    started: str
    finished: str | None
    environment: Environment
    notes: dict[str, KernelNote]


class Stored(msgspec.Struct, frozen=True):
    """A result and its place in the store. id grows with time; added: ISO 8601 in UTC."""

    id: int
    run: int
    key: str
    added: str
    result: Result


class StoredProfile(msgspec.Struct, frozen=True):
    """A profile and its place in the store, as of `Stored`."""

    id: int
    run: int
    key: str
    added: str
    profile: Profile


class Store:
    """An open store. Use `Store.open`; usable as a context manager, and from several threads.

    unreadable: what of the rows asked for so far this kbench cannot read, and why; such a row is left out.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, readonly: bool) -> None:
        self.path = path
        self.readonly = readonly
        self.unreadable: dict[str, str] = {}
        self._connection = connection

    @classmethod
    def open(cls, path: str | Path, readonly: bool = False) -> Self:
        """Open the store, and create it where there is none (never when readonly). Raises StoreError."""
        path = Path(path)
        if readonly and not path.is_file():
            raise StoreError(f"no store at {path}: `kbench sweep` makes one, --db or KBENCH_DB names another")
        if not readonly and not path.parent.is_dir():
            raise StoreError(f"cannot make the store {path}: the folder {path.parent} does not exist")
        with translated(path):
            # A reader opens for writing too where it may: only so can it roll back what a killed sweep left unfinished.
            mode = "rw" if readonly else "rwc"
            uri = f"{path.absolute().as_uri()}?mode={mode}"
            connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            with translated(path):
                prepare(connection, path, readonly)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, readonly)

    def begin(self, environment: Environment, notes: Mapping[str, KernelNote] | None = None) -> int:
        """Record a new invocation; returns the run id that `add` takes."""
        row = (uuid.uuid4().hex, now_utc(), text_of(environment.argv), text_of(environment), text_of(dict(notes or {})))
        with translated(self.path):
            cursor = self._connection.execute(
                "INSERT INTO runs (uid, started, argv, environment, notes) VALUES (?, ?, ?, ?, ?)", row
            )
        return int(cursor.lastrowid or 0)

    def finish(self, run: int) -> None:
        """Mark the invocation as ended in order (Ctrl-C included)."""
        with translated(self.path):
            self._connection.execute("UPDATE runs SET finished = ? WHERE id = ?", (now_utc(), run))

    def add(self, run: int, result: Result, key: str | None = None) -> Result:
        """Write one result, commit it and return it. The same result of the same run is kept once, however often it is
        added. One that could not be read back becomes a row that says so (spec_failed: its values come from a spec).
        What is too large for this call alone hides nothing that is known of it."""
        if result.message.startswith(TOO_LARGE) and self.history(result.config.id, result.device.uid):
            return result
        try:
            values = columns_of_result(run, result, key or result.config.digest[:8])
        except UNFIT as error:
            message = f"the store cannot keep what this result holds: {error}"
            result = Result(result.config, "spec_failed", result.device, message=message, source=result.source)
            values = columns_of_result(run, result, key or result.config.digest[:8])
        self._insert("results", values)
        return result

    def add_profile(self, run: int, profile: Profile, key: str | None = None) -> Profile:
        """Write one profile, commit it and return it as it was kept: the path of its file is relative where that lies
        below the store's folder. The same profile of the same run is kept once, however often it is added; one that
        could not be read back becomes a failed one that says so."""
        key = key or profile.config.digest[:8]
        raw, home = Path(profile.raw), self.path.absolute().parent
        if raw.is_absolute() and raw.is_relative_to(home):
            profile = msgspec.structs.replace(profile, raw=str(raw.relative_to(home)))
        try:
            values = columns_of_profile(run, profile, key)
        except UNFIT as error:
            message = f"the store cannot keep what this profile holds: {error}"
            profile = Profile(profile.config, profile.device, profile.tool, profile.version, "failed", message,
                              raw=profile.raw, source=profile.source)  # fmt: skip
            values = columns_of_profile(run, profile, key)
        self._insert("profiles", values)
        return profile

    def profiles(self, device_uid: str | None = None, *, unmeasured: bool = False) -> list[StoredProfile]:
        """The newest of each configuration on each device (or the one given) under each tool, oldest first; where that
        one failed, the newest that did not besides. unmeasured: only those without a result on their device."""
        query = (
            f"SELECT id, run, key, added, body FROM profiles WHERE {_NEWEST_PROFILE} AND (? IS NULL OR device_uid = ?) "
            f"AND {_UNMEASURED if unmeasured else 1} ORDER BY id"
        )
        with translated(self.path):
            if not has_profiles(self._connection):
                return []
            rows = self._connection.execute(query, (device_uid, device_uid)).fetchall()
        found = ((*head, self._decode(f"profile {head[0]}", body, Profile)) for *head, body in rows)
        return [StoredProfile(n, run, key, added, profile) for n, run, key, added, profile in found if profile]

    def latest(self, filter: Filter | None = None) -> list[Stored]:
        """The newest row of each configuration on each device that the filter lets through, oldest first."""
        where, values = (filter or Filter()).sql()
        found = self._stored(f"WHERE {_NEWEST}{where} ORDER BY id", values)
        return [row for row in found if filter is None or filter.takes(row.result)]

    def latest_of(self, configs: Iterable[Config], device_uid: str) -> list[Stored]:
        """The newest row of each of these configurations on a device, oldest first."""
        wanted = {config.id: config.kernel for config in configs}
        rows = self.latest(Filter(kernels=sorted(set(wanted.values())), devices=(device_uid,)))
        return [row for row in rows if row.result.config.id in wanted]

    def history(self, config: str, device_uid: str) -> list[Stored]:
        """All rows of one configuration on one device, oldest first."""
        return self._stored("WHERE config = ? AND device_uid = ? ORDER BY id", (config, device_uid))

    def done(
        self, device_uid: str, driver: str | None = None, enough: Callable[[Measurement], bool] = lambda measured: True
    ) -> set[tuple[str, str]]:
        """(configuration id, source hash) of what need not run again on this device (and driver, where one is given).

        Judged by the newest row of each configuration, the one that readers are shown: a failure that would come back
        is done, and so is one that may not (TRANSIENT) while the run that met it was killed and is still to be resumed;
        once a later run has ended in order, it is tried again. A row of an unknown source is never done, nor one of
        which the measurement is not `enough`.
        """
        rows = self._stored(f"WHERE {_NEWEST} AND device_uid = ? AND (? IS NULL OR driver = ?)",
                            (device_uid, driver, driver))  # fmt: skip
        with translated(self.path):
            (ended,) = self._connection.execute(_ENDED).fetchone()
        return {
            (row.result.config.id, row.result.source)
            for row in rows
            if row.result.source and _settled(row.result, row.run > (ended or 0), enough)
        }

    def settle(self) -> None:
        """Runs that were killed are not to be resumed any more."""
        with translated(self.path):
            self._connection.execute("UPDATE runs SET finished = started WHERE finished IS NULL")

    def runs(self) -> list[Run]:
        """All invocations, oldest first."""
        query = "SELECT id, started, finished, environment, notes FROM runs ORDER BY id"
        with translated(self.path):
            rows = self._connection.execute(query).fetchall()
        found = []
        for n, started, finished, text, noted in rows:
            environment = self._decode(f"run {n}", text, Environment)
            notes = self._decode(f"the notes of run {n}", noted, dict[str, KernelNote])
            if environment is not None:
                found.append(Run(n, started, finished, environment, notes or {}))
        return found

    def notes(self) -> dict[str, KernelNote]:
        """The newest note on each kernel."""
        merged: dict[str, KernelNote] = {}
        for run in self.runs():
            merged.update(run.notes)
        return merged

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _stored(self, where: str, values: Sequence[Any]) -> list[Stored]:
        with translated(self.path):
            rows = self._connection.execute(f"SELECT id, run, key, added, body FROM results {where}", values).fetchall()
        found = ((n, run, key, added, self._decode(f"row {n}", body, Result)) for n, run, key, added, body in rows)
        return [Stored(n, run, key, added, result) for n, run, key, added, result in found if result is not None]

    def _insert(self, table: str, values: Mapping[str, Any]) -> None:
        """A row, committed; one that is there already stays."""
        names, marks = ", ".join(values), ", ".join("?" for _ in values)
        with translated(self.path):
            self._connection.execute(
                f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT (uid) DO NOTHING", tuple(values.values())
            )

    def _decode(self, what: str, text: str, kind: type[_T]) -> _T | None:
        """None, and a note in `unreadable`, for a value that this kbench cannot read."""
        try:
            return msgspec.json.decode(text, type=kind)
        except msgspec.MsgspecError as error:
            self.unreadable[what] = str(error)
            return None


def _settled(result: Result, resuming: bool, enough: Callable[[Measurement], bool]) -> bool:
    if result.status == "ok":
        return result.measurement is None or enough(result.measurement)
    return resuming or result.status not in TRANSIENT
