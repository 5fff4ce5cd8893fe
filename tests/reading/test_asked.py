"""Columns on request: their names, what they show, and where they stand."""

from __future__ import annotations

import msgspec
import pytest
import synthetic

from kbench.errors import UsageError
from kbench.experiment.result import Result, Standing
from kbench.intent.traffic import Traffic
from kbench.machine.device import Telemetry
from kbench.reading import asked
from kbench.reading.export import flat
from kbench.reading.table import tables
from kbench.reading.terminal import tsv
from kbench.record.store import Stored


def row() -> Result:
    traffic = Traffic(2**29, 2**29, items={"tokens": 2**20})
    result = synthetic.Model(synthetic.GPU).ok(synthetic.config("copy", n=2**20, variant="uint4", threads=128), traffic)
    assert result.measurement
    warm = Telemetry(sm_clock_hz=1.98e9, temperature_c=41.0, power_w=300.0)
    measured = msgspec.structs.replace(result.measurement, energy_j=0.25, memory_bytes=2**30, telemetry=(warm,))
    standing = Standing("tied", 0.004, -0.001, 0.009, "duel of 40 pairs")
    return msgspec.structs.replace(result, measurement=measured, standing=standing)


@pytest.fixture
def stored() -> list[Stored]:
    return synthetic.stored([row()])


def test_an_export_always_holds_them(stored: list[Stored]) -> None:
    values = flat(stored[0])
    time_s = values["time_s"]
    assert values["memory_bytes"] == 2**30
    assert values["joules_per_gb"] == pytest.approx(0.25 / (2**30 / 1e9))
    assert values["items_per_s"] == values["tokens_per_s"] == pytest.approx(2**20 / time_s)
    assert (values["compile_s"], values["binary_bytes"]) == (0.06, 9000)
    assert (values["place"], values["gap"], values["decided_by"]) == ("tied", 0.004, "duel of 40 pairs")
    assert (values["sm_clock_hz"], values["temperature_c"], values["power_w"]) == (1.98e9, 41.0, 300.0)


def test_a_row_without_a_time_has_none_of_them() -> None:
    model = synthetic.Model(synthetic.GPU)
    values = flat(synthetic.stored([model.bad(synthetic.config("copy", n=1), "crashed", "why")])[0])
    for name in ("memory_bytes", "joules_per_gb", "items_per_s", "compile_s", "place", "power_w"):
        assert values[name] is None


def test_names_are_those_of_an_export(stored: list[Stored]) -> None:
    there = asked.of_rows(stored)
    assert asked.checked(["compile_s", "n", "axis.n", "tokens_per_s"], there) == ("compile_s", "axis.n", "tokens_per_s")
    with pytest.raises(UsageError, match="did you mean memory_bytes"):
        asked.checked(["memory_byte"], there)
    with pytest.raises(UsageError, match="no column 'pages_per_s'"):
        asked.checked(["pages_per_s"], there)


@pytest.mark.parametrize(
    ("name", "title", "text"),
    [
        ("compile_s", "compile", "60.00 ms"),
        ("binary_bytes", "binary", "8.79 KiB"),
        ("memory_bytes", "memory", "1 GiB"),
        ("joules_per_gb", "J/GB", "0.2328"),
        ("energy_j", "energy J", "0.2500"),
        ("sm_clock_hz", "sm clock MHz", "1980"),
        ("temperature_c", "temperature °C", "41"),
        ("gap", "gap %", "+0.40"),
        ("decided_by", "decided by", "duel of 40 pairs"),
        ("throttled", "throttled", "no"),
        ("axis.n", "n", "1048576"),
        ("peak_bytes_per_s", "peak GB/s", None),
    ],
)
def test_titles_and_units(stored: list[Stored], name: str, title: str, text: str | None) -> None:
    assert asked.title(name) == title
    if text is not None:
        assert asked.shown(name, flat(stored[0])[name]) == text


def test_rates_of_items_are_in_millions(stored: list[Stored]) -> None:
    value = flat(stored[0])["tokens_per_s"]
    assert asked.title("tokens_per_s") == "tokens 1e6/s"
    assert float(asked.shown("tokens_per_s", value)) == pytest.approx(value / 1e6, rel=1e-3)


def test_they_stand_at_the_end_of_a_table_and_of_a_pipe_s_line(stored: list[Stored]) -> None:
    found = asked.with_columns(tables(stored), ("memory_bytes", "clock", "axis.threads"))
    (table,) = found.tables
    assert [column.name for column in table.columns][-1] == "memory_bytes", "clock and threads are there already"
    assert table.columns[-1].right
    assert table.rows[0].cells[-1] == "1 GiB"
    assert len(table.rows[0].cells) == len(table.columns)
    head, line = tsv(found, ("memory_bytes", "clock")).splitlines()
    assert head.split("\t")[-1] == "memory_bytes"
    assert head.split("\t").count("clock") == 1
    assert line.split("\t")[-1] == str(2**30)
