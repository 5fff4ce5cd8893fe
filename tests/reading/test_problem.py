"""Grouping, the best row, what it is compared with, and ties."""

from __future__ import annotations

import msgspec
import pytest
import synthetic
from synthetic import CPU, GPU, Model, Traffic, config, stored

from kbench.experiment.result import Result
from kbench.reading.problem import problems
from kbench.record.store import KernelNote

TRAFFIC = Traffic(2**28, 2**28)


def timed(
    variant: str, seconds: float, *, half_width: float = 1e-3, threads: int | None = 256, device: object = GPU
) -> Result:
    """An ok row with a given time; its interval is the time times 1 -+ half_width."""
    tuning = ("variant",) if threads is None else ("threads", "variant")
    axes = {"n": 4, "variant": variant} | ({} if threads is None else {"threads": threads})
    row = Model(device).ok(config("copy", tuning, **axes), TRAFFIC)  # type: ignore[arg-type]
    assert row.measurement is not None
    low, high = seconds * (1 - half_width), seconds * (1 + half_width)
    summary = msgspec.structs.replace(row.measurement.summary, center_s=seconds, low_s=low, high_s=high)
    return msgspec.structs.replace(row, measurement=msgspec.structs.replace(row.measurement, summary=summary))


def test_rows_are_sorted_and_the_best_is_named_with_its_gains() -> None:
    rows = [
        timed("uint4", 2e-4),
        timed("naive", 6e-4),
        timed("naive", 5e-4, threads=128),
        timed("memcpy", 1e-4, threads=None),
    ]
    bad = Model().bad(config("copy", n=4, variant="uint2", threads=256), "crashed", "x")
    (problem,) = problems(stored([bad, *rows]))
    assert [r.result.config.axes["variant"] for r in problem.rows] == ["memcpy", "uint4", "naive", "naive", "uint2"]
    assert problem.best is not None
    assert problem.best.result == rows[0]
    assert problem.gain == pytest.approx(2.5)
    assert problem.baseline is not None
    assert problem.baseline_gain == pytest.approx(0.5)
    assert problem.failed[0].result == bad
    assert problem.choice(rows[0].config) == "uint4 · threads 256"


@pytest.mark.parametrize(
    ("note", "name", "gain"),
    [
        (KernelNote("", ("scalar", "uint4")), "scalar", 2.0),
        (KernelNote("", ("lib", "scalar", "uint4"), ("lib",)), "scalar", 2.0),
        (KernelNote(), "slowest", 3.0),
    ],
)
def test_naive_is_the_named_one_else_the_first_else_the_slowest(note: KernelNote, name: str, gain: float) -> None:
    rows = [timed("uint4", 1e-4), timed("scalar", 2e-4), timed("other", 3e-4)]
    (problem,) = problems(stored(rows), {"copy": note})
    assert problem.naive_name == name
    assert problem.gain == pytest.approx(gain)


def test_a_naive_variant_that_failed_gives_no_gain() -> None:
    bad = Model().bad(config("copy", n=4, variant="naive", threads=256), "incorrect", "x")
    (problem,) = problems(stored([timed("uint4", 1e-4), timed("uint2", 2e-4), bad]))
    assert problem.naive is None
    assert problem.gain is None


def test_ties_need_touching_intervals_and_at_most_one_percent() -> None:
    rows = [
        timed("best", 1.0e-4),
        timed("near", 1.0015e-4),
        timed("apart", 1.005e-4, half_width=1e-4),
        timed("wide", 1.03e-4, half_width=0.1),
    ]
    (problem,) = problems(stored(rows))
    assert [r.result.config.axes["variant"] for r in problem.ties] == ["near"]


def test_devices_never_share_a_problem_and_gpus_come_first() -> None:
    rows = [timed("naive", 1e-2, device=CPU), timed("naive", 1e-4)]
    found = problems(stored(rows))
    assert [p.device.kind for p in found] == ["cuda", "cpu"]
    assert all(len(p.rows) == 1 for p in found)


def test_problems_are_ordered_by_value_not_by_text() -> None:
    model = Model()
    rows = [model.ok(config("copy", n=n, variant="naive"), TRAFFIC) for n in (1024, 256, 16384)]
    assert [p.axes["n"] for p in problems(stored(rows))] == [256, 1024, 16384]


def test_measuring_axes_state_the_problem() -> None:
    cold = timed("naive", 1e-4)
    warm = msgspec.structs.replace(cold, config=msgspec.structs.replace(cold.config, cache="warm"))
    found = problems(stored([cold, warm]))
    assert sorted(p.label for p in found) == ["n 4", "n 4 · cache warm"]


def test_a_whole_sweep_loses_no_row() -> None:
    rows = stored(synthetic.sweep())
    assert sorted(r.id for p in problems(rows, synthetic.NOTES) for r in p.rows) == [r.id for r in rows]


def test_axes_that_only_some_variants_have_tell_their_rows_apart() -> None:
    model = Model()
    split = model.ok(
        config("copy", ("threads", "loads", "variant"), n=4, variant="split", threads=128, loads=2), TRAFFIC
    )
    bulk = [model.ok(config("copy", ("chunk", "variant"), n=4, variant="bulk", chunk=c), TRAFFIC) for c in (1, 2)]
    (problem,) = problems(stored([split, *bulk]))
    assert sorted(problem.tuning) == ["chunk", "loads", "threads", "variant"]
    assert len({problem.choice(row.result.config) for row in problem.rows}) == 3
