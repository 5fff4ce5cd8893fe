"""What ncu prints and what clocks read, made comparable; without a GPU, ncu or any measurement."""

from __future__ import annotations

import pytest

from kbench.errors import DeviceError
from kbench.experiment import validate
from kbench.experiment.validate import CANNED, NCU_LAUNCHES, Reading, ncu_readings, with_bias

HEAD = '"ID","Process ID","Process Name","Host Name","Kernel Name","Context","Stream","Block Size","Grid Size",' \
       '"Device","CC","gpu__time_duration.sum"'  # fmt: skip


def units(unit: str = "ns") -> str:
    return ",".join(['""'] * 11 + [f'"{unit}"'])


def line(number: int, value: str) -> str:
    return f'"{number}","9","python","host","canned","1","7","(256, 1, 1)","(4, 1, 1)","0","9.0","{value}"'


def test_ncu_prints_launches_in_order_among_other_things() -> None:
    values = [f"{(number // NCU_LAUNCHES + 1) * 1_000:,}" for number in range(NCU_LAUNCHES * len(CANNED))]
    text = "\n".join(["==PROF== Connected to process 9", "what the child says", HEAD, units(),
                      *map(line, range(99), values), "==PROF== Disconnected"])  # fmt: skip
    found = ncu_readings(text)
    assert [r.kernel for r in found] == [canned.name for canned in CANNED]
    assert [r.time_s for r in found] == pytest.approx([1e-6, 2e-6, 3e-6, 4e-6, 5e-6])
    assert {(r.cache, r.clock, r.samples) for r in found} == {("cold", "ncu", NCU_LAUNCHES)}


@pytest.mark.parametrize("unit", ["usecond", "us"])
def test_ncu_names_its_units_differently(unit: str) -> None:
    text = "\n".join([HEAD, units(unit), *(line(n, "1.5") for n in range(NCU_LAUNCHES * len(CANNED)))])
    assert ncu_readings(text)[0].time_s == pytest.approx(1.5e-6)


def test_launches_that_are_missing_are_no_reading() -> None:
    with pytest.raises(ValueError, match="11 launches"):
        ncu_readings("\n".join([HEAD, units(), *(line(n, "1") for n in range(11))]))
    with pytest.raises(ValueError, match="no table"):
        ncu_readings("==ERROR== ERR_NVGPUCTRPERM")
    with pytest.raises(ValueError, match="without their duration"):
        ncu_readings("\n".join([HEAD, units("?"), *(line(n, "1") for n in range(NCU_LAUNCHES * len(CANNED)))]))


def reading(clock: str, time_s: float, cache: str = "cold", kernel: str = CANNED[0].name, **more: object) -> Reading:
    return Reading(kernel, cache, clock, time_s, time_s, 0.0, 0.0, 9, **more)  # type: ignore[arg-type]


def test_the_bias_is_against_cupti_in_the_same_cache_state() -> None:
    found = {
        (r.cache, r.clock): r
        for r in with_bias([reading("events", 1.5e-6), reading("cupti", 1.2e-6), reading("cupti", 1e-6, "warm"),
                            reading("graph", 1.1e-6, "warm")])
    }  # fmt: skip
    assert found["cold", "events"].bias_s == pytest.approx(0.3e-6)
    assert found["cold", "events"].bias == pytest.approx(0.25)
    assert found["warm", "graph"].bias == pytest.approx(0.1)
    assert found["cold", "cupti"].bias_s is None


def test_without_cupti_it_is_against_graphs_and_a_bias_that_is_there_stays() -> None:
    same = reading("same launches", 2e-6, "warm", against="CUPTI", bias_s=1e-8)
    found = with_bias([reading("events", 1.5e-6), reading(validate.DIFFERENCE, 1.4e-6), reading("graph", 1e-6, "warm"),
                       reading("events", 3e-6, "warm"), same])  # fmt: skip
    against = {(r.cache, r.clock): r.against for r in found}
    assert against["cold", "events"] == validate.DIFFERENCE
    assert against["warm", "events"] == "graph"
    assert [r for r in found if r.clock == "same launches"] == [same]


def test_the_cpu_has_no_clocks_to_compare() -> None:
    with pytest.raises(DeviceError, match="clocks of a GPU"):
        validate.validate("cpu")


def test_without_ncu_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KBENCH_NCU", "/nowhere/ncu")
    found, why = validate.by_ncu("cuda:0")
    assert not found
    assert "KBENCH_NCU names /nowhere/ncu, which does not run" in why
