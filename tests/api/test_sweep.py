"""kbench.sweep on the cpu device: what it takes, what it gives, what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from commandline import FAULTS, ROOT, environment

import kbench
from kbench.api.settings import method_of
from kbench.errors import SpecError, UsageError
from kbench.experiment.result import Result
from kbench.intent.discover import load
from kbench.intent.method import PRESETS, Method
from kbench.record.store import Store

FEW = {"samples": 6, "max_time_s": 0.01}
SPECS = Path(__file__).with_name("specs")


@pytest.fixture(scope="module")
def rows() -> kbench.Rows:
    axes = {"nbytes": ["4KiB", "8KiB"], "dtype": "float32", "variant": ["naive", "float4", "memcpy"], "threads": 128}
    return kbench.sweep("copy", axes=axes, device="cpu", **FEW)


def test_a_row_for_every_configuration(rows: kbench.Rows) -> None:
    assert len(rows) == 6
    assert {row.status for row in rows} == {"ok"}
    assert isinstance(rows[0], Result)
    assert isinstance(rows[1:3], kbench.Rows)
    assert len(rows[1:3]) == 2
    assert all(len(row.measurement.samples_s) == 6 for row in rows if row.measurement)


def test_the_best_is_of_one_problem_and_no_baseline(rows: kbench.Rows) -> None:
    with pytest.raises(UsageError, match=r"which problem\? 2 are left"):
        rows.best()
    best = rows.best(nbytes=4096)
    kernels = [r for r in rows.where(nbytes=4096) if r.config.axes["variant"] != "memcpy"]
    assert best in kernels
    assert best.standing
    assert best.standing.place == "best"
    with pytest.raises(UsageError, match="did you mean nbytes"):
        rows.best(nbyte=4096)
    with pytest.raises(UsageError, match="there are none"):
        rows.best(nbytes=1)


def test_a_data_frame_has_the_names_of_an_export(rows: kbench.Rows) -> None:
    frame = rows.to_pandas()
    assert len(frame) == 6
    assert {"time_s", "achieved_bytes_per_s", "axis.nbytes", "axis.variant", "status"} <= set(frame.columns)
    assert list(frame["config"]) == [row.config.id for row in rows]
    assert rows.to_dicts()[0]["time_s"] == rows[0].time_s


def test_it_prints_as_tables(rows: kbench.Rows) -> None:
    text = repr(rows)
    assert "copy[dtype=float32,nbytes=4096] on cpu (emulated)" in text
    assert "→ best:" in text
    assert "\x1b" not in text
    assert repr(rows[:0]) == "no rows"
    assert "<pre" in rows._repr_html_()
    assert "float4" in rows._repr_html_()


def test_spec_files_folders_and_kernels_are_taken() -> None:
    (good,) = load(FAULTS / "good.py")
    for what in (good, FAULTS / "good.py", str(FAULTS / "good.py"), [good]):
        (row,) = kbench.sweep(what, axes={"n": 256}, device="cpu", **FEW)
        assert row.status == "ok", row.message
    (row,) = kbench.sweep("good", path=FAULTS, axes={"n": 256}, device="cpu", **FEW)
    assert row.config.id == "good[n=256,threads=128]"


def test_failures_are_rows_and_are_told_as_they_come() -> None:
    told: list[str] = []
    rows = kbench.sweep(["good", "wrong_result"], path=FAULTS, device="cpu", on_result=lambda r: told.append(r.status),
                        axes={"n": 256}, **FEW)  # fmt: skip
    assert sorted(told) == sorted(row.status for row in rows) == ["incorrect", "ok"]


def test_a_store_keeps_rows_and_resumes(tmp_path: Path) -> None:
    db = tmp_path / "kept.db"
    told: list[Result] = []
    for _ in range(2):
        rows = kbench.sweep("good", path=FAULTS, axes={"n": [256, 512]}, device="cpu", db=db,
                            on_result=told.append, **FEW)  # fmt: skip
        assert len(rows) == 2
    assert len(told) == 2, "the second time nothing is measured"
    kbench.sweep("good", path=FAULTS, axes={"n": 256}, device="cpu", db=db, on_result=told.append, fresh=True, **FEW)
    assert len(told) == 3
    with Store.open(db, readonly=True) as store:
        assert len(store.runs()) == 2
        assert all(run.finished for run in store.runs())


def test_what_it_refuses() -> None:
    with pytest.raises(UsageError, match="did you mean copy"):
        kbench.sweep("coppy", device="cpu")
    with pytest.raises(UsageError, match="did you mean precision"):
        kbench.sweep("copy", device="cpu", precison=0.1)
    with pytest.raises(UsageError, match="between 0 and 1"):
        kbench.sweep("copy", device="cpu", precision=5.0)
    with pytest.raises(UsageError, match="did you mean fast"):
        kbench.sweep("copy", device="cpu", preset="fas")
    with pytest.raises(UsageError, match="no axis 'nbyte'"):
        kbench.sweep("copy", axes={"nbyte": 1}, device="cpu")
    with pytest.raises(UsageError, match="no such spec file"):
        kbench.sweep("not/there.py", device="cpu")
    with pytest.raises(UsageError, match="cache state"):
        kbench.sweep("copy", device="cpu", cache="lukewarm")
    with pytest.raises(UsageError, match="no kernel"):
        kbench.sweep([], device="cpu")


def test_a_spec_that_sweeps_itself_starts_no_workers_without_end() -> None:
    with pytest.raises(SpecError, match=r"unguarded.py:\d+: .*__main__"):
        kbench.sweep(SPECS / "unguarded.py", device="cpu")


def test_a_kernel_without_a_file_is_refused() -> None:
    script = """
import kbench
@kbench.kernel("x.cu", entry="x", axes={"n": [1]})
def x(xp, rng, *, n): ...
kbench.sweep(x, device="cpu")
"""
    done = subprocess.run([sys.executable, "-"], input=script, env=environment(), capture_output=True, text=True,
                          check=False, cwd=ROOT, timeout=60)  # fmt: skip
    assert "kernel x is defined in no file" in done.stderr


def test_importing_kbench_loads_nothing_of_it() -> None:
    heavy = ("numpy", "kbench.api", "pandas", "rich", "msgspec")
    script = f"import sys, kbench; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True,
                          cwd=ROOT)  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_settings_are_those_of_a_method() -> None:
    fast = method_of(preset="fast", samples=7)
    assert (fast.preset, fast.samples_min, fast.samples_max) == ("fast", 7, 7)
    assert fast.precision == PRESETS["fast"]["precision"]
    assert method_of(precision=0.1).precision == 0.1
    assert method_of() == Method()
