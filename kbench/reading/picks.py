"""Results picked out of each problem: the best, the worst, the naive one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kbench.errors import UsageError, did_you_mean
from kbench.reading.problem import Problem, is_baseline, problems
from kbench.record.store import KernelNote, Stored

PICKS = ("best", "worst", "naive")


def picked(rows: Sequence[Stored], notes: Mapping[str, KernelNote], picks: Sequence[str]) -> list[Stored]:
    """Those of each problem, problem by problem; one that is both the worst and the naive one comes once. Baselines are
    never picked. Raises UsageError for an unknown pick."""
    for pick in picks:
        if pick not in PICKS:
            raise UsageError(f"unknown --pick {pick!r}{did_you_mean(pick, PICKS)}")
    found: dict[int, Stored] = {}
    for problem in problems(rows, notes):
        each = _of(problem, notes.get(problem.kernel, KernelNote()))
        found |= {row.id: row for pick in picks if (row := each[pick]) is not None}
    return list(found.values())


def _of(problem: Problem, note: KernelNote) -> dict[str, Stored | None]:
    """The best by its standing is not always the fastest by the times alone; it is never the worst where there are
    others."""
    own = [row for row in problem.ok if not is_baseline(row, problem.ok, note)]
    others = [row for row in own if row is not problem.best] or own
    return {"best": problem.best, "worst": others[-1] if others else None, "naive": problem.naive}
