"""The answer to "why is it slow?": what was found, what was held back and why, and what nobody could tell."""

from __future__ import annotations

from typing import Literal

import msgspec

from kbench.intent.config import Config

Relation = Literal[">=", "<=", ""]


class Evidence(msgspec.Struct, frozen=True):
    """A number that a rule looked at. name: a metric of `kbench.profiling.metrics.KINDS`, or a fact of
    `kbench.reading.diagnosis.facts.FACTS`; unit: as there; the rule holds where `value relation threshold` does ("":
    it is only told). source: who says it: "ncu", "cupti", "compiler", "clock", "roof", "device", …"""

    name: str
    value: float
    unit: str
    meaning: str = ""
    relation: Relation = ""
    threshold: float | None = None
    source: str = ""


class Gain(msgspec.Struct, frozen=True):
    """How many times faster it may become, from `low` to `high` (1 is no gain), and why that many."""

    low: float
    high: float
    why: str


class Cause(msgspec.Struct, frozen=True):
    """Something that a rule found. rule: its short name, such as "bank-conflicts"; title: in words; next: what to try
    next."""

    rule: str
    title: str
    evidence: tuple[Evidence, ...]
    gain: Gain
    next: str


class Held(msgspec.Struct, frozen=True):
    """A rule that was not asked, or whose cause is none, because curing it could gain nothing here."""

    rule: str
    title: str
    why: str


class Missing(msgspec.Struct, frozen=True):
    """A rule that could not judge: the metrics that it lacks, and the command that gets them."""

    rule: str
    title: str
    metrics: tuple[str, ...]
    how: str


class Diagnosis(msgspec.Struct, frozen=True):
    """Of one configuration on one device. headline: the answer in a sentence. causes: the largest gain first. used:
    the tools whose numbers went into it."""

    config: Config
    key: str
    device: str
    headline: str
    causes: tuple[Cause, ...] = ()
    held: tuple[Held, ...] = ()
    missing: tuple[Missing, ...] = ()
    used: tuple[str, ...] = ()
