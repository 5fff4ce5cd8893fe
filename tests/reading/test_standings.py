"""What a contest decided goes before what the times alone would say."""

from __future__ import annotations

import msgspec
import synthetic

from kbench.experiment.result import Result, Standing
from kbench.intent.traffic import Traffic
from kbench.reading.problem import problems
from kbench.reading.table import tables
from kbench.record.store import Stored


def row(variant: str, seconds: float, standing: Standing | None) -> Result:
    model = synthetic.Model(synthetic.GPU)
    result = model.ok(synthetic.config("copy", n=2**20, variant=variant, threads=128), Traffic(2**29, 2**29))
    return msgspec.structs.replace(result, measurement=model.measurement(seconds), standing=standing)


def contest(gap: float, place: str, name: str = "a") -> Standing:
    return Standing(place, gap, gap - 0.001, gap + 0.001, "duel of 40 pairs", name, 3)  # type: ignore[arg-type]


def rows(last: Standing | None) -> list[Stored]:
    """uint4 won the duel though its centre is a little higher than float4's."""
    naive, float4 = row("naive", 3e-4, contest(2.0, "stopped")), row("float4", 1.0e-4, contest(0.002, "tied"))
    return synthetic.stored([naive, float4, row("uint4", 1.001e-4, last)])


def test_the_duel_decides_and_the_tie_is_sized() -> None:
    (problem,) = problems(rows(contest(0.0, "best")))
    assert problem.best
    assert problem.best.result.config.axes["variant"] == "uint4"
    assert [tie.result.config.axes["variant"] for tie in problem.ties] == ["float4"]
    (table,) = tables(rows(contest(0.0, "best"))).tables
    assert "tied with float4 · threads 128 +0.20 %" in table.headline


def test_rows_of_different_contests_are_held_by_their_times() -> None:
    for last in (contest(0.0, "best", "b"), None):
        (problem,) = problems(rows(last))
        assert problem.best
        assert problem.best.result.config.axes["variant"] == "float4"


def test_a_gap_to_a_best_that_is_not_shown_is_not_told() -> None:
    """A selection without the best: the gaps of its contest are gaps to another row."""
    shown = [row("float4", 1.0e-4, contest(0.002, "tied")), row("float2", 1.001e-4, contest(0.009, "tied"))]
    (table,) = tables(synthetic.stored(shown)).tables
    assert "tied with float2 · threads 128" in table.headline
    assert "+0" not in table.headline.partition("tied with")[2]


def test_a_best_that_others_have_overtaken_since_is_told() -> None:
    """Who stopped early was slower in the rounds of then; afterwards the device slowed down for those that went on."""
    stopped, best = row("naive", 1e-4, contest(0.3, "stopped")), row("uint4", 3e-4, contest(0.0, "best"))
    (table,) = tables(synthetic.stored([stopped, best])).tables
    assert (
        "the device slowed down while it was measured (1 that had stopped before have better times)" in table.headline
    )
    assert "--fresh" in table.headline
    usual = [row("naive", 4e-4, contest(0.3, "stopped")), best]
    assert "slowed down" not in tables(synthetic.stored(usual)).tables[0].headline
