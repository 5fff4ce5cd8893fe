"""Profiles in the store: kept as they were, newest first in right, and files of the format before them still serve."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from kbench.experiment.result import Result
from kbench.intent.config import Config
from kbench.profiling.metrics import KINDS
from kbench.profiling.profile import TOOLS, Finding, Metric, Profile, Span
from kbench.record.environment import collect
from kbench.record.store import Store

POINT = synthetic.config("copy", n=4)
finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(codec="utf-8"), max_size=12)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    return Profile(
        config=synthetic.config("copy", n=draw(st.integers(1, 2**40))),
        device=draw(st.sampled_from([synthetic.GPU, synthetic.CPU])),
        tool=draw(st.sampled_from(TOOLS)),
        version=draw(words),
        status=draw(st.sampled_from(["ok", "failed"])),
        message=draw(words),
        metrics=tuple(Metric(n, draw(finite), draw(words)) for n in draw(st.lists(st.sampled_from(sorted(KINDS))))),
        findings=(Finding("memcheck", draw(words), draw(words), file="x.cu", line=3),),
        spans=(Span("kernel", draw(words), "stream 0", 0.0, draw(finite)),),
        launches=draw(st.integers(0, 9)),
        raw=draw(words),
    )


def profile(message: str = "", device: object = synthetic.GPU, tool: str = "ncu", point: Config = POINT) -> Profile:
    return Profile(point, device, tool, message=message)  # type: ignore[arg-type]


def one_of_format_1(path: Path) -> None:
    """As the kbench before profiles left it, with one result."""
    with Store.open(path) as store:
        store.add(store.begin(collect()), Result(POINT, "skipped", synthetic.GPU))
    raw = sqlite3.connect(path)
    raw.executescript("DROP TABLE profiles; PRAGMA user_version = 1")
    raw.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(profiles(), max_size=5, unique_by=lambda p: (p.config.id, p.device.uid, p.tool)))
def test_every_profile_comes_back_as_it_was(rows: list[Profile]) -> None:
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "k.db") as store:
        run = store.begin(collect())
        for row in rows:
            store.add_profile(run, row, "abcd")
        assert [s.profile for s in store.profiles()] == rows
        assert {s.key for s in store.profiles()} <= {"abcd"}


def test_a_failure_does_not_hide_what_the_tool_said_before(tmp_path: Path) -> None:
    good = Profile(POINT, synthetic.GPU, "ncu", message="good")
    bad = Profile(POINT, synthetic.GPU, "ncu", status="failed", message="bad")
    with Store.open(tmp_path / "k.db") as store:
        run = store.begin(collect())
        for one in (bad, good):
            store.add_profile(run, msgspec.structs.replace(one, message=f"first {one.message}"))
        assert [s.profile.message for s in store.profiles()] == ["first good"]
        store.add_profile(run, bad)
        store.add_profile(run, msgspec.structs.replace(bad, message="worse"))
        assert [s.profile.message for s in store.profiles()] == ["first good", "worse"]
        store.add_profile(run, good)
        assert [s.profile.message for s in store.profiles()] == ["good"]


def test_the_newest_of_each_configuration_device_and_tool(tmp_path: Path) -> None:
    with Store.open(tmp_path / "k.db") as store:
        run = store.begin(collect())
        rows = [profile("a"), profile("b", tool="nsys"), profile("c", synthetic.CPU), profile("d"), profile("d")]
        for row in rows:
            store.add_profile(run, row)
        assert [s.profile.message for s in store.profiles()] == ["b", "c", "d"]
        assert [s.profile.message for s in store.profiles(synthetic.GPU.uid)] == ["b", "d"]
        assert {s.key for s in store.profiles()} == {POINT.digest[:8]}


def test_profiles_leave_results_alone(tmp_path: Path) -> None:
    with Store.open(tmp_path / "k.db") as store:
        store.add_profile(store.begin(collect()), profile())
        assert (store.latest(), store.done(synthetic.GPU.uid)) == ([], set())


def test_what_could_not_be_read_back_becomes_a_failed_one(tmp_path: Path) -> None:
    with Store.open(tmp_path / "k.db") as store:
        store.add_profile(
            store.begin(collect()),
            msgspec.structs.replace(profile(), metrics=(Metric("duration_s", float("nan")),), raw="r.sqlite"),
        )
        (kept,) = store.profiles()
    assert (kept.profile.status, kept.profile.metrics, kept.profile.raw) == ("failed", (), "r.sqlite")
    assert "the store cannot keep" in kept.profile.message


def test_a_store_of_format_1_is_read_as_it_is_and_migrated_by_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    one_of_format_1(path)
    before = path.read_bytes()
    with Store.open(path, readonly=True) as reader:
        assert (reader.profiles(), len(reader.latest())) == ([], 1)
        assert path.read_bytes() == before
        with Store.open(path) as store:
            assert len(store.latest()) == 1
            store.add_profile(store.begin(collect()), profile())
        assert len(reader.profiles()) == 1, "a reader that was open sees what a writer added since"
    with Store.open(path) as again:
        assert len(again.profiles()) == 1


def test_a_migration_that_is_killed_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    one_of_format_1(path)
    killed = """if True:
        import os, signal, sys
        from kbench.record import format, store
        format._PROFILES = (*format._PROFILES, "SELECT die()")
        connect = format.sqlite3.connect
        def connected(*args, **options):
            made = connect(*args, **options)
            made.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
            return made
        store.sqlite3.connect = connected
        store.Store.open(sys.argv[1])
    """
    done = subprocess.run([sys.executable, "-c", killed, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    with Store.open(path, readonly=True) as reader:
        assert (reader.profiles(), len(reader.latest())) == ([], 1)
    with Store.open(path) as store:
        assert len(store.latest()) == 1
        store.add_profile(store.begin(collect()), profile())


def test_a_killed_process_loses_nothing_that_was_stored(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    script = """if True:
        import os, signal, sys
        import synthetic
        from kbench.profiling.profile import Profile
        from kbench.record.environment import collect
        from kbench.record.store import Store
        store = Store.open(sys.argv[1])
        run = store.begin(collect())
        for n in range(7):
            store.add_profile(run, Profile(synthetic.config("copy", n=n), synthetic.GPU, "ncu"))
        store._connection.execute("BEGIN IMMEDIATE")
        store._connection.execute("DELETE FROM profiles")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    here = str(Path(synthetic.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {here!r})\n{script}", str(path)], check=False
    )
    assert done.returncode == -signal.SIGKILL
    with Store.open(path, readonly=True) as store:
        assert [s.profile.config.axes["n"] for s in store.profiles()] == list(range(7))


def test_one_that_cannot_be_read_is_left_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    with Store.open(path) as store:
        run = store.begin(collect())
        store.add_profile(run, profile())
        store.add_profile(run, profile(tool="nsys"))
    raw = sqlite3.connect(path)
    raw.execute("UPDATE profiles SET body = '{}' WHERE tool = 'ncu'")
    raw.commit()
    raw.close()
    with Store.open(path, readonly=True) as store:
        assert [s.profile.tool for s in store.profiles()] == ["nsys"]
        assert set(store.unreadable) == {"profile 1"}


@pytest.mark.parametrize("version", [0, -1])
def test_a_format_that_never_was_is_refused(tmp_path: Path, version: int) -> None:
    path = tmp_path / "k.db"
    one_of_format_1(path)
    raw = sqlite3.connect(path)
    raw.execute(f"PRAGMA user_version = {version}")
    raw.close()
    with pytest.raises(Exception, match=f"format {version}"):
        Store.open(path)
