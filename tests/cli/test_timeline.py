"""kbench timeline on the cpu device, end to end: table, traces, pictures, the store; and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from conftest import Kbench
from PIL import Image

from kbench.cli.recording import Recording, recordings
from kbench.cli.selected import Selected
from kbench.cli.timeline import show
from kbench.errors import DeviceError
from kbench.experiment.result import Result
from kbench.experiment.timelines import profile_of
from kbench.intent.config import Config
from kbench.intent.discover import load
from kbench.intent.method import Method
from kbench.intent.plan import make_plan, select
from kbench.machine.choose import Choice
from kbench.machine.device import DeviceInfo
from kbench.machine.span import Span, Trace
from kbench.profiling.chrome import decoded
from kbench.reading.charts.drawing import is_ours
from kbench.record.store import Store

TESTS = Path(__file__).resolve().parent.parent

SMALL = [
    word
    for name, value in {"tokens": 16, "layers": 2, "heads": 1, "dim": 64, "hidden": 64, "k": 7, "swapped": 2}.items()
    for word in ("--axis", f"{name}={value}")
]
ON_CPU = ("timeline", "--device", "cpu", *SMALL)


def test_the_pipeline_on_one_two_and_three_streams(kbench: Kbench, tmp_path: Path) -> None:
    done = kbench(*ON_CPU)
    assert done.returncode == 0, done.stderr
    header, *rows = [line.split("\t") for line in done.stdout.splitlines()]
    table = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["streams"] for row in table] == ["1", "2", "3"]
    assert {row["device"] for row in table} == {"cpu (emulated)"}
    assert all("variant=staged" in row["configuration"] for row in table)
    assert all(float(row["time_s"]) > 0 for row in table)
    assert "overlap_share" not in header, "nothing can overlap here, so nothing is said of it"
    assert "nothing can overlap" in done.stderr
    with Store.open(tmp_path / "kbench.db", readonly=True) as store:
        kept = {one.key: one.profile for one in store.profiles()}
        assert not store.latest(), "a timeline is no result"
    for row in table:
        profile = kept[row["key"]]
        assert profile.tool == "host"
        assert [m.name for m in profile.metrics] == ["duration_s"]
        assert profile.raw == row["trace"] == f"reports/timelines/pipeline.{row['key']}.json"
        spans = decoded((tmp_path / row["trace"]).read_bytes())
        assert len(spans) == len(profile.spans) == profile.launches == int(row["work"]) == 5 + 2 * 5
        assert len({span.lane for span in spans}) == int(row["streams"])
        picture = tmp_path / row["picture"]
        assert is_ours(picture.read_bytes())
        assert Image.open(picture).size[0] > 700


def test_json_and_another_kernel_and_another_folder(kbench: Kbench, tmp_path: Path) -> None:
    words = ("--kernel", "copy_blocks", "--axis", "layers=2", "--axis", "pairs=2", "--axis", "dim=64")
    more = ("--dtype", "float16", "--variant", "memcpy", "--output", "out", "--json")
    done = kbench("timeline", "--device", "cpu", *words, *more)
    assert done.returncode == 0, done.stderr
    (one,) = json.loads(done.stdout)
    assert one["lanes"] == [{"name": "stream 0", "pieces": 8, "busy_s": one["lanes"][0]["busy_s"]}]
    assert one["trace"] == f"out/copy_blocks.{one['key']}.json"
    trace = json.loads((tmp_path / one["trace"]).read_text())
    assert trace["otherData"]["configuration"] == one["config"]
    assert trace["otherData"]["device"] == "cpu (emulated)"
    assert one["metrics"] == {"duration_s": pytest.approx(one["time_s"])}


def test_streams_is_short_for_the_axis(kbench: Kbench) -> None:
    done = kbench(*ON_CPU, "--streams", "3,1")
    assert done.returncode == 0, done.stderr
    assert [line.split("\t")[2] for line in done.stdout.splitlines()[1:]] == ["3", "1"]
    twice = kbench(*ON_CPU, "--streams", "1", "--axis", "streams=2")
    assert twice.returncode == 2
    assert "given twice" in twice.stderr
    without = kbench("timeline", "--device", "cpu", "--kernel", "copy", "--streams", "2")
    assert without.returncode == 2
    assert "streams" in without.stderr


def test_a_wrong_kernel_has_no_timeline_and_the_exit_code_says_so(kbench: Kbench, tmp_path: Path) -> None:
    faults = TESTS / "faults"
    done = kbench("timeline", "--device", "cpu", "--path", faults, "--kernel", "wrong_result", "--kernel", "good")
    assert done.returncode == 3, done.stderr
    rows = {line.split("\t")[1].partition("[")[0]: line.split("\t") for line in done.stdout.splitlines()[1:]}
    assert rows["wrong_result"][-1].startswith("incorrect: ")
    assert rows["good"][-1] == ""
    with Store.open(tmp_path / "kbench.db", readonly=True) as store:
        status = {one.profile.config.kernel: one.profile.status for one in store.profiles()}
    assert status == {"wrong_result": "failed", "good": "ok"}
    assert not list(tmp_path.glob("reports/timelines/wrong_result*"))


def test_nothing_that_can_run_is_an_empty_selection(kbench: Kbench) -> None:
    done = kbench(*ON_CPU, "--streams", "4")
    assert done.returncode == 2
    assert "one to three streams" in done.stderr


def test_tool_cupti_needs_a_gpu(kbench: Kbench) -> None:
    done = kbench("profile", "--tool", "cupti", "--device", "cpu", "--kernel", "copy", "--axis", "nbytes=4KiB")
    assert done.returncode == 2
    assert "cupti looks at a GPU" in done.stderr


def test_a_device_that_nothing_records_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`profile --tool cupti` and `timeline` share this path; here the worker's device says that it cannot."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    kernels = load(TESTS / "experiment" / "specs" / "misbehaves.py")
    plan = make_plan(select(kernels, {"how": ["good"]}), Method(timeout_s=5.0), device="fake")
    found = Selected(Choice("fake_device:FakeDevice", "a test"), plan, {p.config.id: "12345678" for p in plan.configs})
    with pytest.raises(DeviceError, match="nothing records here") as refused:
        recordings(found, tmp_path / "k.db", tmp_path / "out")
    assert refused.value.exit_code == 5
    assert not (tmp_path / "out").exists()


GPU = DeviceInfo(kind="cuda", name="a GPU", label="a GPU", uid="GPU-1", arch="sm_90")
SPANS = (
    Span("call", "cuLaunchKernel", "host", 0, 2e-6, correlation=1),
    Span("kernel", "fma", "stream 0", 2e-6, 22e-6, correlation=1),
    Span("copy", "copy d2h", "stream 1", 12e-6, 32e-6, 1 << 20, "d2h", 2),
)


def test_what_cupti_told_is_shown_with_its_overlap(capsys: pytest.CaptureFixture[str]) -> None:
    result = Result(Config("pipeline", {"streams": 2}), "ok", GPU, source="abc")
    profile = profile_of(result, Trace("cupti", SPANS, "13.0.1", "the median of 3 runs"))
    assert (profile.tool, profile.version, profile.launches, profile.source) == ("cupti", "13.0.1", 2, "abc")
    show([Recording("1234abcd", profile)], as_json=False)
    header, row = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    seen = dict(zip(header, row, strict=True))
    assert float(seen["time_s"]) == pytest.approx(30e-6)
    assert float(seen["overlap_share"]) == float(seen["kernel_overlap_share"]) == pytest.approx(0.5)
    assert float(seen["busy_share"]) == 1
    assert float(seen["idle_s"]) == pytest.approx(0, abs=1e-12)
    assert "gap_s" not in seen, "one piece a stream"
    assert "message" not in seen, "what a reader must know of all of them is said once, below"
    failed = profile_of(msgspec.structs.replace(result, status="crashed", message="it burnt"), None)
    assert (failed.status, failed.message, failed.metrics) == ("failed", "crashed: it burnt", ())


def test_a_folder_that_cannot_be_made_is_named(kbench: Kbench, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = kbench(*ON_CPU, "--streams", 1, "--output", "file/out")
    assert done.returncode == 2
    assert "cannot write into file/out (Not a directory): name another folder with --output" in done.stderr
