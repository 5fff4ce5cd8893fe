"""What a contest decided about the rows of a problem: who is best, who is tied with it, and by how much."""

from __future__ import annotations

from collections.abc import Sequence

from kbench.experiment.result import Result
from kbench.record.store import Stored


def decided(rows: Sequence[Stored]) -> tuple[Stored, tuple[Stored, ...]] | None:
    """The best row and those tied with it, the nearest first. None where the rows were not all measured together (some
    in an earlier sweep, some resumed): their times are then all there is."""
    standings = [row.result.standing for row in rows]
    if not rows or len({standing.contest if standing else "" for standing in standings}) > 1:
        return None
    best = [row for row in rows if row.result.standing and row.result.standing.place == "best"]
    if len(best) != 1:
        return None
    ties = [row for row in rows if row.result.standing and row.result.standing.place == "tied"]
    return best[0], tuple(sorted(ties, key=_gap))


def gap(result: Result, best: Result) -> str:
    """How far a row is behind the best of its contest: "+0.31 %"; "" where `best` is another one, or none is known."""
    standing, its = result.standing, best.standing
    if standing is None or its is None or its.place != "best" or its.contest != standing.contest:
        return ""
    return f"{standing.gap * 100:+.2f} %"


def _gap(row: Stored) -> float:
    return row.result.standing.gap if row.result.standing else 0.0
