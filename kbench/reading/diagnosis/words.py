"""A diagnosis in words: for a terminal, and as rows for a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kbench.reading import counted, units
from kbench.reading.diagnosis.diagnosis import Cause, Diagnosis, Evidence, Gain

if TYPE_CHECKING:
    from rich.console import RenderableType

_RELATIONS = {">=": "at least", "<=": "at most"}

COLUMNS = (
    "device", "key", "configuration", "headline", "rule", "title", "gain_low", "gain_high", "evidence", "why", "next",
)  # fmt: skip
"""Of a pipe: a row a cause; a diagnosis without any has one row."""


def evidence(one: Evidence) -> str:
    """ "DRAM throughput 91.2 % (at least 85.0 %; ncu): of what DRAM can do"."""
    limit = ""
    if one.relation and one.threshold is not None:
        limit = f"{_RELATIONS[one.relation]} {counted.valued(one.threshold, one.unit)}"
    beside = "; ".join(filter(None, [limit, one.source]))
    said = f": {one.meaning}" if one.meaning else ""
    name = one.name.removesuffix("_s") if one.unit == "s" else one.name
    return f"{counted.words(name)} {counted.valued(one.value, one.unit)}{f' ({beside})' if beside else ''}{said}"


def gain(found: Gain) -> str:
    """ "up to 1.85x", or "1.20x to 1.85x"; what is bound at its roof may still get a little nearer."""
    low, high = units.factor(found.low), units.factor(found.high)
    if low == high:
        return low
    return f"up to {high}" if low == units.factor(1.0) else f"{low} to {high}"


def rows(found: Iterable[Diagnosis]) -> list[tuple[object, ...]]:
    """In the order of COLUMNS."""
    return [row for diagnosis in found for row in _rows(diagnosis)]


def _rows(diagnosis: Diagnosis) -> list[tuple[object, ...]]:
    head = (diagnosis.device, diagnosis.key, diagnosis.config.id, diagnosis.headline)
    return [(*head, *_row(cause)) for cause in diagnosis.causes] or [(*head, *[None] * (len(COLUMNS) - len(head)))]


def _row(cause: Cause) -> tuple[object, ...]:
    counted_by = ", ".join(
        f"{e.name}={e.value:.6g}" + (f"{e.relation}{e.threshold:.6g}" if e.threshold is not None else "")
        for e in cause.evidence
    )
    return cause.rule, cause.title, cause.gain.low, cause.gain.high, counted_by, cause.gain.why, cause.next


def renderables(found: Sequence[Diagnosis]) -> list[RenderableType]:
    """What a rich Console prints, in order."""
    from rich.text import Text

    parts: list[RenderableType] = []
    for diagnosis in found:
        of = f"{diagnosis.key}  {diagnosis.config.id} on {diagnosis.device}"
        by = f"  ({', '.join(diagnosis.used)})" if diagnosis.used else ""
        parts += [Text(of + by, style="bold"), Text(f"→ {diagnosis.headline}", style="green")]
        for cause in diagnosis.causes:
            parts += _cause(cause)
        parts += [Text(line, style="dim") for line in _rest(diagnosis)]
        parts.append(Text(""))
    return parts


def _cause(cause: Cause) -> list[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    lines = [Text(evidence(one), style="" if one.threshold is not None else "dim") for one in cause.evidence]
    lines.append(Text(f"gain {gain(cause.gain)}: {cause.gain.why}"))
    lines.append(Text(f"next: {cause.next}"))
    title = Text(f"• {cause.title}", style="yellow")
    return [title, *(Padding(line, (0, 0, 0, 4)) for line in lines)]


def held(found: Diagnosis) -> list[tuple[str, list[str]]]:
    """What was ruled out, by the reason."""
    reasons: dict[str, list[str]] = {}
    for one in found.held:
        reasons.setdefault(one.why, []).append(one.title)
    return list(reasons.items())


def missing(found: Diagnosis) -> list[tuple[str, list[str], list[str]]]:
    """What could not be judged, by the way to what is missing: titles, and the metrics in words."""
    ways: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for one in found.missing:
        titles, lacking = ways.setdefault(one.how, ({}, {}))
        titles[one.title] = None
        lacking |= dict.fromkeys(counted.words(name) for name in one.metrics)
    return [(how, list(titles), list(lacking)) for how, (titles, lacking) in ways.items()]


def _rest(diagnosis: Diagnosis) -> list[str]:
    """What was held back and what is missing: a line for each reason."""
    return [
        *(f"not asked: {', '.join(titles)}: {why}" for why, titles in held(diagnosis)),
        *(f"not known: {', '.join(titles)}; for what is missing: {how}" for how, titles, _ in missing(diagnosis)),
    ]
