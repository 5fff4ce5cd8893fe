"""Finding, interpolating and keeping roofs; and the kernels that measure them, compiled for GPUs and run on the cpu."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from kbench.experiment import roofs, survey
from kbench.experiment.engine import Engine
from kbench.experiment.result import Measurement, Result, Roof, Summary
from kbench.experiment.roofs import Point, Roofs
from kbench.experiment.survey import METHOD, Survey, everything, measure
from kbench.intent.config import Config
from kbench.intent.discover import load
from kbench.intent.method import Method
from kbench.intent.plan import Planned, Selection, make_plan
from kbench.intent.traffic import Traffic
from kbench.machine.binary import Target
from kbench.machine.build import build, request_of
from kbench.machine.device import DeviceInfo

MIB = 2**20
GPU = DeviceInfo(kind="cuda", name="G", label="G", uid="GPU-1", arch="sm_90", driver="580.1", memory_bytes=140 << 30)
CPU = DeviceInfo(kind="cpu", name="C", label="cpu (emulated)", uid="cpu-1", arch="x86_64")
SPEC = Path(survey.__file__).with_name("roof_kernels") / "roof.py"


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def roof(kind: str, mib: float, gigabytes: float, clock: str = "events", cache: str = "cold") -> Roof:
    return Roof(kind, gigabytes * 1e9, "B/s", int(mib * MIB), clock, cache, f"{mib} MiB")


def known(*found: Roof, info: DeviceInfo = GPU) -> Roofs:
    made = Roofs(info)
    for one in found:
        made.add("auto", one)
    return made


def copying(nbytes: int) -> Traffic:
    return Traffic(bytes_read=nbytes // 2, bytes_written=nbytes - nbytes // 2)


@pytest.mark.parametrize(
    ("read", "written", "kind"),
    [(100, 0, "read"), (90, 10, "read"), (70, 30, "mix 2:1"), (50, 50, "copy"), (30, 70, "mix 1:2"), (0, 5, "write")],
)
def test_a_row_is_held_against_the_nearest_mix(read: int, written: int, kind: str) -> None:
    every = known(*(roof(k, 1, 100) for k in roofs.MIXES))
    found = every.find(Traffic(bytes_read=read * MIB, bytes_written=written * MIB), "events", "cold")
    assert found
    assert found.kind == kind


def test_between_two_sizes_the_time_is_interpolated() -> None:
    # 2 us for 1 MiB and 3 us for 2 MiB are 2.5 us for 1.5 MiB.
    pair = known(roof("copy", 1, MIB / 2e-6 / 1e9), roof("copy", 2, 2 * MIB / 3e-6 / 1e9))
    found = pair.find(copying(3 * MIB // 2), "events", "cold")
    assert found
    assert found.value == pytest.approx(1.5 * MIB / 2.5e-6)
    assert found.nbytes == 3 * MIB // 2
    assert "between" in found.how
    assert pair.find(copying(2 * MIB), "events", "cold") == roof("copy", 2, 2 * MIB / 3e-6 / 1e9)


def test_beyond_the_sizes_measured_the_nearest_one_counts() -> None:
    pair = known(roof("copy", 1, 10), roof("copy", 4, 20))
    for nbytes, gigabytes in ((MIB // 8, 10), (100 * MIB, 20)):
        found = pair.find(copying(nbytes), "events", "cold")
        assert found
        assert found.value == gigabytes * 1e9


def test_the_same_cache_state_is_needed_and_the_same_clock_preferred() -> None:
    every = known(roof("copy", 1, 10), roof("copy", 1, 30, cache="warm"))
    every.add("host", roof("copy", 1, 5, clock="host"))
    assert every.find(copying(MIB), "host", "cold") == roof("copy", 1, 5, clock="host")
    assert every.find(copying(MIB), "cupti", "warm") == roof("copy", 1, 30, cache="warm")
    assert every.find(copying(MIB), "events", "sustained") is None


def test_transfers_are_held_against_the_link_and_the_cpu_against_its_copy() -> None:
    every = known(roof("h2d", 1, 55), roof("d2h", 1, 54), roof("copy", 1, 4000))
    assert every.find(Traffic(bytes_h2d=MIB), "events", "cold") == roof("h2d", 1, 55)
    assert every.find(Traffic(bytes_h2d=MIB, pageable=True), "events", "cold") is None
    every.add("auto", roof("h2d pageable", 1, 8))
    assert every.find(Traffic(bytes_h2d=MIB, pageable=True), "events", "cold") == roof("h2d pageable", 1, 8)
    assert known(roof("d2h", 1, 5), info=CPU).find(Traffic(bytes_d2h=MIB, pageable=True), "events", "cold")
    assert every.find(Traffic(bytes_d2h=MIB, bytes_read=9 * MIB), "events", "cold") == roof("d2h", 1, 54)
    host = known(roof("copy", 1, 30), info=CPU)
    assert host.find(Traffic(bytes_read=MIB), "events", "cold") == roof("copy", 1, 30)


def planned(traffic: Traffic, clock: str = "auto", cache: str = "cold") -> Planned:
    kernel = load(SPEC)[0]
    return Planned(Config("k", {"n": 1}, (), cache, clock), kernel, "ok", traffic=traffic)


def test_a_sweep_lacks_the_two_sizes_around_each_of_its_own() -> None:
    empty = Roofs(GPU)
    assert empty.missing([planned(copying(3 * MIB)), planned(copying(3 * MIB + 2))]) == [
        Point("copy", 2 * MIB, "auto", "cold"),
        Point("copy", 4 * MIB, "auto", "cold"),
    ]
    assert empty.missing([planned(copying(4 * MIB), cache="warm")]) == [Point("copy", 4 * MIB, "auto", "warm")]
    assert empty.missing([planned(copying(100))]) == [Point("copy", 2**16, "auto", "cold")]
    assert empty.missing([planned(copying(2**40))]) == [Point("copy", 2**32, "auto", "cold")]
    assert empty.missing([planned(Traffic(bytes_h2d=2**40))]) == [Point("h2d", 2**28, "auto", "cold")]
    kinds = {p.kind for p in empty.missing([planned(Traffic(bytes_read=MIB, flops=5))])}
    assert kinds == {"read", "fp32", "fp16"}
    assert Roofs(CPU).missing([planned(Traffic(bytes_read=2**30, flops=5))], max_bytes=64 * MIB) == [
        Point("copy", 32 * MIB, "auto", "cold")
    ]
    small = msgspec.structs.replace(GPU, memory_bytes=8 << 30)
    assert Roofs(small).missing([planned(copying(2**32))]) == [Point("copy", 2**29, "auto", "cold")]
    elsewhere = msgspec.structs.replace(GPU, kind="fake")
    assert Roofs(elsewhere).missing([planned(copying(MIB))]) == []
    assert known(roof("copy", 1, 1)).missing([planned(copying(MIB))]) == []


@pytest.mark.usefixtures("own_cache")
def test_roofs_are_kept_per_device_and_driver_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Roofs.load(GPU).all == ()
    made = known(roof("copy", 1, 10))
    made.save()
    assert Roofs.load(GPU).all == (roof("copy", 1, 10),)
    assert Roofs.load(msgspec.structs.replace(GPU, driver="590")).all == ()
    assert Roofs.load(msgspec.structs.replace(GPU, uid="GPU-2")).all == ()
    monkeypatch.setattr(roofs, "VERSION", 10_000)
    assert Roofs.load(GPU).all == ()


@pytest.mark.usefixtures("own_cache")
def test_a_damaged_cache_is_measured_again() -> None:
    known(roof("copy", 1, 10)).save()
    path = roofs._path(GPU)
    path.write_bytes(path.read_bytes()[:-9])
    assert Roofs.load(GPU).all == ()


def test_of_two_roofs_for_a_point_the_higher_one_stays() -> None:
    assert known(roof("copy", 1, 10), roof("copy", 1, 9)).all == (roof("copy", 1, 10),)
    assert known(roof("copy", 1, 10), roof("copy", 1, 11)).all == (roof("copy", 1, 11),)


@pytest.mark.parametrize("first", ["auto", "events"])
def test_of_two_roofs_by_one_clock_the_higher_one_counts_whatever_was_asked_for(first: str) -> None:
    """`auto` and `events` are two points, measured at different times by the same clock."""
    made = Roofs(GPU)
    for asked, gigabytes in ((first, 10), ({"auto", "events"} - {first}, 8), ("cupti", 12)):
        made.add(str(asked), roof("copy", 1, gigabytes, "cupti" if asked == "cupti" else "events"))
    assert made.find(copying(MIB), "events", "cold") == roof("copy", 1, 10)


def test_under_a_profiler_no_roof_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its times are no ceiling, and they would stay."""
    monkeypatch.setenv("KBENCH_PROFILER", "nsys")
    with Engine("cpu") as engine:
        made = Roofs(engine.info, path=tmp_path / "roofs.json")
        (told,) = measure(engine, [Point("copy", MIB, "auto", "cold")], made)
    assert told == (
        "no roofs are measured under a profiler (KBENCH_PROFILER is nsys): kbench roof without it measures them"
    )
    assert made.all == ()
    assert not (tmp_path / "roofs.json").exists()


def test_a_row_above_its_roof_says_so() -> None:
    summary = Summary(1e-6, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6, 20)
    timed = Measurement("events", "cold", (1e-6,), (), 0.0, summary)
    row = Result(Config("k", {}), "ok", GPU, traffic=copying(MIB), measurement=timed)
    put = known(roof("copy", 1, 500)).put_on(row)
    assert put.of_roof == pytest.approx(MIB / 1e-6 / 500e9)
    assert put.of_roof
    assert put.of_roof > 1
    assert known(roof("copy", 1, 500)).put_on(msgspec.structs.replace(row, measurement=None)).roof is None


def test_everything_covers_each_mix_and_link_at_powers_of_two() -> None:
    points = everything(GPU)
    assert len(points) == len(set(points))
    assert {p.kind for p in points} == {*roofs.MIXES, *roofs.LINKS, *roofs.FLOPS}
    assert [p.nbytes for p in points if p.kind == "copy"] == [2**i for i in range(16, 33)]
    assert [p.nbytes for p in points if p.kind == "h2d"] == [2**i for i in range(16, 29)]
    on_cpu = everything(CPU, max_bytes=MIB)
    assert {p.kind for p in on_cpu} == {"copy", "h2d", "d2h"}
    assert max(p.nbytes for p in on_cpu) == MIB // 2


def test_everything_has_the_l2_of_a_gpu_that_has_one_warm_and_within_it() -> None:
    points = everything(msgspec.structs.replace(GPU, l2_bytes=60 * MIB))
    warm = {(p.kind, p.nbytes) for p in points if p.cache == "warm"}
    assert warm == {(kind, n * MIB) for kind in roofs.L2 for n in (4, 8, 16, 32)}
    assert len(points) == len(set(points)) == len(everything(GPU)) + 8
    assert all(p.cache == "cold" for p in everything(GPU))


def candidates(device: str) -> dict[str, Planned]:
    """Every roof kernel with every candidate, at small and awkward sizes."""
    kernels = {k.name: k for k in load(SPEC)}
    selections = [
        Selection(kernels["roof"], {"nbytes": [2**16, 2**16 + 2**13], "variant": ["kernel"]}),
        Selection(kernels["fma_peak"], {"blocks": [1], "threads": [128]}),
        Selection(kernels["l2"], {"nbytes": [2**16 + 2**13], "passes": [3], "threads": [256]}),
    ]
    plan = make_plan(selections, METHOD, device=device)
    return {p.config.id: p for p in plan.configs if p.status != "skipped"}


def test_every_roof_kernel_compiles_for_gpus() -> None:
    requests = {
        request_of(i, Target("cuda", "sm_90")) for p in candidates("cuda").values() for i in p.instantiations if i
    }
    assert len(requests) == 5 * 3 + 2 * 3 + 2
    for request in requests:
        assert build(request).size_bytes > 0


def test_every_roof_kernel_gives_what_its_reference_says() -> None:
    made = candidates("cpu")
    assert len(made) == 5 * 2 * 9 + 2 * 3 + 2
    thin = [p for p in made.values() if p.config.axes.get("threads") in (128, None) or p.config.axes["unroll"] == 4]
    with Engine("cpu") as engine:
        rows = list(engine.run(thin, Method(timeout_s=60.0), "verify"))
    assert {r.status for r in rows} == {"ok"}, [r.message for r in rows if r.status != "ok"]


def test_roofs_are_measured_on_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    points = [Point("copy", MIB, "auto", "cold"), Point("h2d", MIB, "auto", "cold"), Point("d2h", MIB, "auto", "warm")]
    with Engine("cpu") as engine:
        made = Roofs(engine.info, path=tmp_path / "roofs.json")
        found = list(measure(engine, points, made))
    assert all(isinstance(r, Roof) for r in found), found
    assert made.all == tuple(found)
    assert [(r.kind, r.nbytes, r.clock, r.cache) for r in made.all] == [(k, n, "host", c) for k, n, _, c in points]
    assert made.all[0].how.endswith("best of 2")
    assert all(1e8 < r.value < 1e13 for r in made.all)
    assert made.without(points) == []


def test_a_cache_that_cannot_be_written_is_said_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    points = [Point("copy", 2**16, "auto", "cold"), Point("copy", 2**17, "auto", "cold")]
    with Engine("cpu") as engine:
        found = list(measure(engine, points, Roofs(engine.info, path=tmp_path / "file" / "roofs.json")))
    said = [f for f in found if isinstance(f, str)]
    assert len(said) == 1
    assert "cannot be kept" in said[0]
    assert len(found) == 3


def test_a_survey_gives_known_roofs_and_measures_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []

    def pretend(engine: Engine, points: list[Point], made: Roofs) -> Any:
        asked.extend(points)
        for p in points:
            yield roof(p.kind, p.nbytes / MIB, 1)

    monkeypatch.setattr(survey, "measure", pretend)
    monkeypatch.setattr(roofs, "_path", lambda info: tmp_path / "known.json")
    with Engine("cpu") as engine:
        kept = Roofs(engine.info, path=tmp_path / "known.json")
    kept.add("auto", roof("copy", 1 / 16, 7))
    kept.save()
    looked = Survey("cpu", max_bytes=MIB)
    found = list(looked)
    assert looked.info
    assert looked.total == len(found) == len(everything(looked.info, max_bytes=MIB))
    assert found[0] == roof("copy", 1 / 16, 7)
    assert Point("copy", 2**16, "auto", "cold") not in asked
    assert len(list(Survey("cpu", max_bytes=MIB, fresh=True))) == looked.total
    assert Point("copy", 2**16, "auto", "cold") in asked


def test_a_reason_that_all_points_share_is_given_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    points = [Point("copy", 2**i, "auto", "cold") for i in (16, 17, 18)]

    def refused(engine: Engine, configs: list[Planned], method: Method) -> Any:
        for one in configs:
            yield Result(one.config, "build_failed", CPU, message="no compiler")

    monkeypatch.setattr(Engine, "run", refused)
    with Engine("cpu") as engine:
        made = Roofs(engine.info, path=tmp_path / "roofs.json")
        assert list(measure(engine, points, made)) == ["no copy roof at 65536 bytes: no compiler"]
    assert made.all == ()
