"""From a stream of activity records to samples: which record belongs to which run, and whether any is missing.

Pure functions over records as CUPTI delivered them. Launch order is the order of correlation ids, which count API
calls; records may arrive in another order. Every doubt is a ClockError: a sample is never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kbench.errors import ClockError


class Record(NamedTuple):
    """One kernel, copy or fill on the GPU. start, end: nanoseconds of one clock, 0 where it was not stamped."""

    correlation: int
    name: str
    start: int
    end: int


def in_order(records: Sequence[Record], dropped: int) -> list[Record]:
    """By launch. Raises ClockError where records were dropped or bear no time stamps."""
    if dropped:
        raise ClockError(f"CUPTI dropped {dropped} of its records: the samples are not complete")
    blank = [record for record in records if record.start <= 0 or record.end < record.start]
    if blank:
        raise ClockError(f"CUPTI has no time stamps for {len(blank)} of {len(records)} records ({blank[0].name})")
    return sorted(records, key=lambda record: (record.correlation, record.start))


def between(records: Sequence[Record], marker: str, count: int) -> list[list[Record]]:
    """The records of `count` runs, each of which comes after one record named `marker`. All runs must consist of the
    same kernels in the same order. Raises ClockError."""
    runs: list[list[Record]] = []
    for record in records:
        if record.name == marker:
            runs.append([])
        elif not runs:
            raise ClockError(f"CUPTI: {record.name} ran before the first {marker}")
        else:
            runs[-1].append(record)
    if len(runs) != count:
        raise ClockError(f"CUPTI delivered {len(runs)} of {count} records of {marker}")
    if count:
        _must_match(runs, _names(runs[0]))
    return runs


def after(records: Sequence[Record], marker: str, count: int) -> list[list[Record]]:
    """The records of `count` back-to-back runs. One more run stands between two records named `marker`, before all
    others: it shows what a run consists of. Raises ClockError."""
    marks = [index for index, record in enumerate(records) if record.name == marker]
    if len(marks) != 2 or marks[0] != 0:
        raise ClockError(f"CUPTI delivered {len(marks)} of 2 records of {marker}")
    names, rest = _names(records[1 : marks[1]]), list(records[marks[1] + 1 :])
    if not names:
        raise ClockError("CUPTI saw nothing run: the Op has no kernel, copy or fill on the GPU")
    if len(rest) != count * len(names):
        raise ClockError(f"CUPTI delivered {len(rest)} records of {count} runs with {len(names)} records each")
    runs = [rest[first : first + len(names)] for first in range(0, len(rest), len(names))]
    _must_match(runs, names)
    return runs


def seconds(run: Sequence[Record]) -> float:
    """From the first start to the last end."""
    return (max(record.end for record in run) - min(record.start for record in run)) * 1e-9


def _names(run: Sequence[Record]) -> list[str]:
    return [record.name for record in run]


def _must_match(runs: Sequence[Sequence[Record]], names: Sequence[str]) -> None:
    if not names:
        raise ClockError("CUPTI saw nothing run: the Op has no kernel, copy or fill on the GPU")
    for number, run in enumerate(runs):
        if _names(run) != list(names):
            raise ClockError(
                f"CUPTI: run {number} of {len(runs)} consists of {_words(_names(run))}, the first of {_words(names)}"
            )


def _words(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"
