"""Results at hand in a Python program: a sequence that prints as tables, picks the best, and becomes a DataFrame."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

from kbench.errors import UsageError, did_you_mean
from kbench.experiment.result import Result
from kbench.intent.config import Value, format_value
from kbench.intent.plan import Plan
from kbench.reading.problem import Problem, problems
from kbench.reading.size_curves import SizeCurve, size_curves, table
from kbench.record.store import KernelNote, Stored

WIDTH = 150


def notes_of(plan: Plan) -> dict[str, KernelNote]:
    """What readers want to know of the kernels of a plan when their files are not at hand."""
    kernels = {p.kernel.name: p.kernel for p in plan.configs}
    return {
        name: KernelNote(k.summary, tuple(map(str, k.axes.get("variant", ()))), k.baselines)
        for name, k in kernels.items()
    }


class Rows(Sequence[Result]):
    """Results in the order in which they were measured. rows[0] is a Result, rows[1:] are Rows.

    stored: the same rows with the key of each. notes: what the tables say of each kernel (its naive variant, its
    baselines).
    """

    def __init__(self, stored: Iterable[Stored], notes: Mapping[str, KernelNote] | None = None) -> None:
        self.stored = tuple(stored)
        self.notes = dict(notes or {})

    def __len__(self) -> int:
        return len(self.stored)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> Rows: ...
    def __getitem__(self, index: int | slice) -> Result | Rows:
        if isinstance(index, slice):
            return Rows(self.stored[index], self.notes)
        return self.stored[index].result

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The rows by what they compete in: each with its rows, best, ties, baseline and gains."""
        return tuple(problems(self.stored, self.notes))

    @property
    def curves(self) -> tuple[SizeCurve, ...]:
        """T = a + V/b of every variant that was measured at four sizes or more, where that fits: latency, bandwidth,
        and the size below which it is launch-bound."""
        return tuple(size_curves(self.problems))

    def where(self, **axes: Value) -> Rows:
        """The rows with these values of their axes. Raises UsageError for an axis that no row has."""
        known = {name for row in self for name in row.config.axes}
        for name in axes:
            if name not in known:
                raise UsageError(f"no row has an axis {name!r}{did_you_mean(name, known)}")
        wanted = {name: format_value(value) for name, value in axes.items()}

        def fits(row: Stored) -> bool:
            have = row.result.config.axes
            return all(name in have and format_value(have[name]) == value for name, value in wanted.items())

        return Rows(filter(fits, self.stored), self.notes)

    def best(self, **axes: Value) -> Result:
        """The best row of one problem: the winner of its contest, else the fastest; baselines left out. axes: which
        problem, where there are several.

        Raises UsageError where rows of several problems are left, or none that was timed.
        """
        found = self.where(**axes).problems
        if len(found) > 1:
            names = ", ".join(problem.name for problem in found[:3]) + (", …" if len(found) > 3 else "")
            raise UsageError(f"best of which problem? {len(found)} are left: {names}: name its axes, best(n=…)")
        if not found or found[0].best is None:
            raise UsageError("no row was timed: " + (found[0].rows[0].result.message if found else "there are none"))
        return found[0].best.result

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows as plain values under unit-bearing names, those of `kbench export`."""
        from kbench.reading.export import flat

        return [flat(row) for row in self.stored]

    def to_pandas(self) -> Any:
        """The rows as a pandas DataFrame with the names of `to_dicts`: time_s, achieved_bytes_per_s, axis.NAME, …"""
        from kbench.reading.export import frame

        return frame(self.stored)

    def __repr__(self) -> str:
        """The tables that `kbench sweep` prints."""
        return self._printed(None)

    def _repr_html_(self) -> str:
        return self._printed("<pre style='line-height:1.2;white-space:pre'>{code}</pre>")

    def _printed(self, html: str | None) -> str:
        from rich.console import Console

        from kbench.reading.table import tables
        from kbench.reading.terminal import renderables

        text = io.StringIO()
        console = Console(file=text, width=WIDTH, color_system=None, record=html is not None, force_jupyter=False)
        for part in [*renderables(tables(self.stored, self.notes)), *table(self.curves)]:
            console.print(part)
        if html is not None:
            return console.export_html(inline_styles=True, code_format=html)
        lines = [line.rstrip() for line in text.getvalue().splitlines()]
        return "\n".join(lines).strip() or "no rows"
