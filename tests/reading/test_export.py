"""Exports carry every row, in SI units, and parse with other programs' readers."""

from __future__ import annotations

import csv
import io
import json

import msgspec
import pytest
import synthetic
from synthetic import Model, config, stored

from kbench.experiment.stats import summarise
from kbench.reading.export import columns, export, flat, frame

ROWS = stored(synthetic.sweep())


def test_flat_values_are_si_and_named_so() -> None:
    result = Model().ok(config("copy", n=4, variant="uint4"), synthetic.Traffic(2**20, 2**20, items={"tokens": 512}))
    (row,) = stored([result])
    values = flat(row)
    assert result.time_s is not None
    assert values["time_s"] == result.time_s
    assert values["achieved_bytes_per_s"] == 2**21 / result.time_s
    assert values["tokens_per_s"] == 512 / result.time_s
    assert values["axis.variant"] == "uint4"
    assert values["status"] == "ok"
    assert values["tolerance"] == "bits"
    assert values["checked"] is True


def test_a_failed_row_has_every_name_and_no_time() -> None:
    (row,) = stored([Model().bad(config("copy", n=4), "crashed", "why")])
    values = flat(row)
    assert set(flat(ROWS[0])) - set(values) <= {"axis.dtype", "axis.variant", "axis.threads"}
    assert values["time_s"] is None
    assert values["checked"] is False


@pytest.mark.parametrize("n", [1, 5, 6])
def test_below_six_samples_no_interval_is_told(n: int) -> None:
    result = Model().ok(config("copy", n=4, variant="uint4"), synthetic.Traffic(2**20, 2**20))
    assert result.measurement
    few = msgspec.structs.replace(result.measurement, summary=summarise(result.measurement.samples_s[:n]))
    values = flat(stored([msgspec.structs.replace(result, measurement=few)])[0])
    bounds = [values[name] for name in ("low_s", "high_s", "median_low_s", "median_high_s")]
    assert (None in bounds) == (bounds == [None] * 4) == (n < 6)
    assert values["time_s"] == few.summary.center_s


def test_three_forms_hold_the_same_rows() -> None:
    flats = [flat(row) for row in ROWS]
    assert json.loads(export(ROWS, "json")) == flats
    assert [json.loads(line) for line in export(ROWS, "jsonl").splitlines()] == flats
    table = list(csv.DictReader(io.StringIO(export(ROWS, "csv"))))
    assert list(table[0]) == columns(flats)
    assert [t["config"] for t in table] == [f["config"] for f in flats]
    assert [t["time_s"] for t in table] == ["" if f["time_s"] is None else str(f["time_s"]) for f in flats]
    assert [t["message"] for t in table] == [f["message"] for f in flats]


def test_no_rows() -> None:
    assert export([], "json") == "[]\n"
    assert export([], "jsonl") == ""
    assert export([], "csv") == "config\n"


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="csv, jsonl, json"):
        export(ROWS, "xml")


def test_frame_is_the_same_table() -> None:
    table = frame(ROWS)
    assert len(table) == len(ROWS)
    assert list(table["config"]) == [row.result.config.id for row in ROWS]
