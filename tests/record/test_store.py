"""The store keeps what was shown, tells what to do when it cannot, and takes every Result there and back."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from kbench.errors import StoreError
from kbench.experiment.enough import enough
from kbench.experiment.result import STATUSES, Check, Measurement, Result, Roof, Summary
from kbench.intent.config import Config
from kbench.intent.dtypes import DType
from kbench.intent.method import Method
from kbench.record.environment import collect
from kbench.record.filter import Filter
from kbench.record.format import APPLICATION, FORMAT
from kbench.record.store import Store

finite = st.floats(min_value=1e-9, max_value=1e15)
names = st.text(st.characters(codec="utf-8", exclude_characters="[],="), min_size=1, max_size=8)
values = st.one_of(st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False), names)


@st.composite
def results(draw: st.DrawFn) -> Result:
    axes = draw(st.dictionaries(names, values, max_size=5))
    samples = tuple(draw(st.lists(finite, min_size=1, max_size=5)))
    low, high = min(samples), max(samples)
    measured = Measurement("events", "cold", samples, (), 3e-6, Summary(low, low, low, high, low, high, len(samples)))
    return Result(
        config=Config(draw(names), axes, tuple(sorted(axes)[:2])),
        status=draw(st.sampled_from(STATUSES)),
        device=draw(st.sampled_from([synthetic.GPU, synthetic.CPU])),
        message=draw(st.text(st.characters(codec="utf-8"))),
        checks=(Check("y", True, "bits", max_error=draw(st.none() | finite)),),
        measurement=draw(st.sampled_from([None, measured])),
        roof=draw(st.sampled_from([None, Roof("copy", draw(finite), "B/s", 1, "events", "cold", "how")])),
        source=draw(names),
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(results(), max_size=6, unique_by=lambda r: (r.config.id, r.device.uid)))
def test_every_result_comes_back_as_it_was(rows: list[Result]) -> None:
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "k.db") as store:
        run = store.begin(collect(synthetic.GPU))
        for row in rows:
            store.add(run, row)
        assert [s.result for s in store.latest()] == rows


def test_values_that_are_plain_ones_in_disguise_are_stored(tmp_path: Path) -> None:
    point = Config("copy", {"dtype": DType("float16"), "n": np.int64(4)}, ())  # type: ignore[dict-item]
    with Store.open(tmp_path / "k.db") as store:
        store.add(store.begin(collect()), Result(config=point, status="skipped", device=synthetic.CPU))
        assert store.latest()[0].result.config.axes == {"dtype": "float16", "n": 4}


def test_runs_keep_environment_and_notes(tmp_path: Path) -> None:
    with Store.open(tmp_path / "k.db") as store:
        environment = collect(synthetic.GPU, ["kbench", "sweep"])
        run = store.begin(environment, {"copy": synthetic.NOTES["copy"]})
        (kept,) = store.runs()
        assert (kept.id, kept.environment, kept.finished) == (run, environment, None)
        store.finish(run)
        assert store.runs()[0].finished is not None
        assert store.notes() == {"copy": synthetic.NOTES["copy"]}


def test_latest_is_the_newest_row_of_each_configuration_and_device(tmp_path: Path) -> None:
    gpu, cpu = synthetic.Model(synthetic.GPU), synthetic.Model(synthetic.CPU)
    point = synthetic.config("copy", n=4, variant="naive")
    with Store.open(tmp_path / "k.db") as store:
        run = store.begin(collect())
        for row in (gpu.bad(point, "crashed", "a"), cpu.bad(point, "skipped", "b"), gpu.bad(point, "incorrect", "c")):
            store.add(run, row)
        assert [s.result.message for s in store.latest()] == ["b", "c"]
        assert [s.result.message for s in store.history(point.id, synthetic.GPU.uid)] == ["a", "c"]


def test_a_row_added_twice_is_kept_once(tmp_path: Path) -> None:
    row = synthetic.Model().bad(synthetic.config("copy", n=4), "skipped", "why")
    with Store.open(tmp_path / "k.db") as store:
        run = store.begin(collect())
        store.add(run, row)
        store.add(run, row)
        store.add(store.begin(collect()), row)
        assert len(store.history(row.config.id, row.device.uid)) == 2


def test_filters(tmp_path: Path) -> None:
    rows = synthetic.sweep()
    with Store.open(tmp_path / "k.db") as store:
        run = store.begin(collect())
        for row in rows:
            store.add(run, row)

        def kept(**parts: object) -> list[Result]:
            return [s.result for s in store.latest(Filter(**parts))]  # type: ignore[arg-type]

        assert kept(kernels=["fma", "copy"]) == [r for r in rows if r.config.kernel in ("fma", "copy")]
        assert kept(statuses=["incorrect"]) == [r for r in rows if r.status == "incorrect"]
        assert kept(axes={"threads": ["128"], "dtype": ["float16"]}) == [
            r for r in rows if r.config.axes.get("threads") == 128 and r.config.axes.get("dtype") == "float16"
        ]
        assert kept(devices=["cpu"]) == []
        assert len(kept(devices=["cuda"])) == len(kept(devices=[synthetic.GPU.uid])) == len(rows)
        assert kept(configs=[rows[3].config.digest[:8], rows[5].config.id]) == [rows[3], rows[5]]
        assert kept(runs=[run + 1]) == []


@pytest.mark.parametrize("status", STATUSES)
def test_done_is_what_would_end_the_same_way_again(tmp_path: Path, status: str) -> None:
    point = synthetic.config("copy", n=4)
    with Store.open(tmp_path / "k.db") as store:
        run = store.begin(collect())
        store.add(run, synthetic.Model().bad(point, status, ""))
        expected = {(point.id, synthetic.source(point))}
        assert store.done(synthetic.GPU.uid) == expected, "the run may have been killed, and is being resumed"
        store.finish(run)
        if status in ("crashed", "timed_out", "out_of_memory", "build_failed"):
            expected = set()
        assert store.done(synthetic.GPU.uid) == expected
        assert store.done(synthetic.GPU.uid, synthetic.GPU.driver) == expected
        assert store.done(synthetic.GPU.uid, "another driver") == set()
        assert store.done(synthetic.CPU.uid) == set()


def test_a_run_for_a_profiler_does_not_end_a_sweep_that_was_killed(tmp_path: Path) -> None:
    with Store.open(tmp_path / "k.db") as store:
        store.add(store.begin(collect()), synthetic.Model().bad(synthetic.config("copy", n=4), "crashed", ""))
        store.finish(store.begin(collect()))
        assert len(store.done(synthetic.GPU.uid)) == 1


def test_done_judges_by_the_newest_row_and_needs_a_source(tmp_path: Path) -> None:
    model, point = synthetic.Model(), synthetic.config("copy", n=4)
    with Store.open(tmp_path / "k.db") as store:
        run = store.begin(collect())
        store.add(run, model.bad(point, "skipped", ""))
        store.add(run, model.bad(point, "crashed", ""))
        assert len(store.done(synthetic.GPU.uid)) == 1
        store.settle()
        assert store.done(synthetic.GPU.uid) == set()
        store.add(run, msgspec.structs.replace(model.bad(synthetic.config("fma", n=1), "spec_failed", ""), source=""))
        assert store.done(synthetic.GPU.uid) == set()


_WRITER = """
import sys
import synthetic
from kbench.record.environment import collect
from kbench.record.store import Store
store = Store.open(sys.argv[1])
run = store.begin(collect(synthetic.GPU))
model = synthetic.Model()
for n in range(100_000):
    row = model.ok(synthetic.config("copy", n=n, variant="naive"), synthetic.Traffic(4, 4))
    store.add(run, row)
    print(n, flush=True)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that inserts row after row into tmp_path/k.db and prints the number of each row it was told is kept."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    command = [sys.executable, "-c", _WRITER, str(tmp_path / "k.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def test_killed_while_inserting_loses_nothing_that_was_shown(tmp_path: Path, writer: subprocess.Popen[str]) -> None:
    assert writer.stdout is not None
    for _ in range(40):
        shown = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    shown = max([shown, *(int(line) for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n"))])
    writer.wait()
    with Store.open(tmp_path / "k.db", readonly=True) as store:
        kept = [s.result.config.axes["n"] for s in store.latest()]
    assert kept in (list(range(shown + 1)), list(range(shown + 2)))
    with Store.open(tmp_path / "k.db") as store:
        store.add(store.begin(collect()), synthetic.Model().bad(synthetic.config("fma", n=1), "skipped", ""))
        assert len(store.latest()) == len(kept) + 1
    with sqlite3.connect(tmp_path / "k.db") as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_readable_while_written(tmp_path: Path, writer: subprocess.Popen[str]) -> None:
    assert writer.stdout is not None
    writer.stdout.readline()
    counts = []
    end = time.monotonic() + 20
    with Store.open(tmp_path / "k.db", readonly=True) as store:
        while len(set(counts)) < 3 and time.monotonic() < end:
            counts.append(len(store.latest()))
            writer.stdout.readline()
    assert counts == sorted(counts)
    assert len(set(counts)) == 3


def test_two_writers_take_turns(tmp_path: Path) -> None:
    def insert(offset: int) -> None:
        with Store.open(tmp_path / "k.db") as store:
            run = store.begin(collect())
            for n in range(offset, offset + 15):
                store.add(run, synthetic.Model().bad(synthetic.config("copy", n=n), "skipped", ""))

    threads = [threading.Thread(target=insert, args=(offset,)) for offset in (0, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Store.open(tmp_path / "k.db", readonly=True) as store:
        assert len(store.latest()) == 30


def _raw(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize("readonly", [False, True])
def test_a_store_from_a_newer_version_is_refused_untouched(tmp_path: Path, readonly: bool) -> None:
    path = tmp_path / "k.db"
    Store.open(path).close()
    _raw(path, f"PRAGMA user_version = {FORMAT + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"format {FORMAT + 1}.*newer kbench.*update kbench"):
        Store.open(path, readonly)
    assert path.read_bytes() == before


@pytest.mark.parametrize("readonly", [False, True])
def test_other_files_are_refused_untouched(tmp_path: Path, readonly: bool) -> None:
    other, text = tmp_path / "other.db", tmp_path / "notes.txt"
    _raw(other, "CREATE TABLE t (x)")
    text.write_text("not a database at all, but longer than a header\n" * 40)
    for path in (other, text):
        before = path.read_bytes()
        with pytest.raises(StoreError, match=r"not a kbench store: move it away"):
            Store.open(path, readonly)
        assert path.read_bytes() == before


def test_a_reader_neither_makes_nor_changes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    with pytest.raises(StoreError, match="kbench sweep"):
        Store.open(path, readonly=True)
    assert not path.exists()
    path.touch()
    with pytest.raises(StoreError, match="is empty"):
        Store.open(path, readonly=True)
    Store.open(path).close()
    with Store.open(path, readonly=True) as store, pytest.raises(StoreError, match="read-only"):
        store.begin(collect())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"folder .*absent does not exist"):
        Store.open(tmp_path / "absent" / "k.db")


@contextmanager
def _as_user() -> Iterator[Path]:
    """A folder, with permissions that bind (they do not bind root) while the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        root = os.geteuid() == 0
        if root:
            os.chown(folder, 65534, -1)
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            Path(folder).chmod(0o755)
            if root:
                os.seteuid(0)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_read_only_file_or_folder_is_told_at_once_and_still_readable(what: str) -> None:
    with _as_user() as folder:
        path = folder / "k.db"
        with Store.open(path) as store:
            store.add(store.begin(collect()), synthetic.Model().bad(synthetic.config("copy", n=4), "skipped", ""))
        (path if what == "file" else folder).chmod(0o444 if what == "file" else 0o555)
        with pytest.raises(StoreError, match=r"read-only|cannot be read or written") as caught:
            Store.open(path)
        assert "--db" in str(caught.value)
        with Store.open(path, readonly=True) as store:
            assert len(store.latest()) == 1


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    model = synthetic.Model()
    with Store.open(tmp_path / "k.db") as store:
        run = store.begin(collect())
        store._connection.execute("PRAGMA max_page_count = 30")
        kept = 0

        def fill() -> None:
            nonlocal kept
            for kept in range(1000):
                store.add(run, model.ok(synthetic.config("copy", n=kept, variant="naive"), synthetic.Traffic(4, 4)))

        with pytest.raises(StoreError, match=r"disk is full.*resumes"):
            fill()
    with Store.open(tmp_path / "k.db", readonly=True) as store:
        assert len(store.latest()) == kept > 0


def test_a_lock_that_stays_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kbench.record.store._BUSY_S", 0.05)
    path = tmp_path / "k.db"
    Store.open(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="locked by another process: wait"):
        Store.open(path)
    other.close()
    Store.open(path).close()


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    Store.open(tmp_path / "k.db").close()
    raw = sqlite3.connect(tmp_path / "k.db")
    assert raw.execute("PRAGMA application_id").fetchone() == (APPLICATION,)
    assert raw.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    assert raw.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    raw.close()


def test_a_row_that_cannot_be_read_is_left_out_and_told(tmp_path: Path) -> None:
    path, model = tmp_path / "k.db", synthetic.Model()
    with Store.open(path) as store:
        run = store.begin(collect())
        for n in (4, 5):
            store.add(run, model.bad(synthetic.config("copy", n=n), "skipped", ""))
    _raw(path, "UPDATE results SET body = '{}' WHERE id = 1", "UPDATE runs SET notes = '[]'")
    with Store.open(path, readonly=True) as store:
        assert [row.id for row in store.latest()] == [2]
        assert len(store.done(synthetic.GPU.uid)) == 1
        assert (len(store.runs()), store.notes()) == (1, {})
        assert set(store.unreadable) == {"row 1", "the notes of run 1"}
        assert "config" in store.unreadable["row 1"]


@pytest.mark.parametrize("traffic", [synthetic.Traffic(formula=5), synthetic.Traffic(2**70), synthetic.Traffic(2**63)])
def test_what_could_not_be_read_back_becomes_a_row_that_says_so(tmp_path: Path, traffic: synthetic.Traffic) -> None:
    row = msgspec.structs.replace(synthetic.Model().bad(synthetic.config("copy", n=4), "ok", ""), traffic=traffic)
    with Store.open(tmp_path / "k.db") as store:
        kept = store.add(store.begin(collect()), row)
        assert kept.status == "spec_failed"
        assert "the store cannot keep" in kept.message
        assert [s.result for s in store.latest()] == [kept]
        assert store.unreadable == {}


def test_going_back_to_an_older_source_is_measured_again(tmp_path: Path) -> None:
    """What is done and what is shown is the newest row, whatever older rows hold."""
    point = synthetic.config("copy", n=4)
    old = msgspec.structs.replace(synthetic.Model().bad(point, "skipped", ""), source="v1")
    with Store.open(tmp_path / "k.db") as store:
        run = store.begin(collect())
        store.add(run, old)
        assert store.done(synthetic.GPU.uid) == {(point.id, "v1")}
        store.add(run, msgspec.structs.replace(old, source="v2"))
        assert store.done(synthetic.GPU.uid) == {(point.id, "v2")}


def test_a_row_of_fewer_samples_than_asked_for_is_not_done(tmp_path: Path) -> None:
    row = synthetic.Model().ok(synthetic.config("copy", n=4, variant="naive"), synthetic.Traffic(4, 4))
    assert row.measurement is not None
    slow = msgspec.structs.replace(row.measurement, note="only 40 samples: they took 8.1 s")
    with Store.open(tmp_path / "k.db") as store:
        run = store.begin(collect())
        store.add(run, row)
        assert len(store.done(synthetic.GPU.uid, enough=enough(Method(samples_min=40, samples_max=40)))) == 1
        assert store.done(synthetic.GPU.uid, enough=enough(Method(samples_min=41, samples_max=41))) == set()
        store.add(run, msgspec.structs.replace(row, measurement=slow))
        assert len(store.done(synthetic.GPU.uid, enough=enough(Method(samples_min=41, samples_max=41)))) == 1
