"""From a result and its profiles to a diagnosis."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from kbench.experiment.result import Result, Roof
from kbench.profiling.profile import Profile
from kbench.reading import units
from kbench.reading.diagnosis.diagnosis import Cause, Diagnosis, Gain, Held, Missing
from kbench.reading.diagnosis.facts import Facts
from kbench.reading.diagnosis.rule import Rule, busiest
from kbench.reading.diagnosis.rules import RULES

WORTH = 1.05
"""The least gain that is worth telling: noise, another driver and the next process make as much of a difference."""
_BUSY = {"roof": "it is at the roof already", "sectors": "it is at the roof already, counted in whole sectors"}


def diagnose(result: Result, profiles: Sequence[Profile] = (), roofs: Sequence[Roof] = ()) -> Diagnosis:
    """What is known of why this configuration takes as long as it does.

    profiles: its own, of any tools; of two that tell the same the later one counts. roofs: further ceilings of its
    device (arithmetic, L2), for rules that hold it against them. Never raises: a row without a time says so.
    """
    key, label = result.config.digest[:8], result.device.label
    if why := _speechless(result):
        return Diagnosis(result.config, key, label, why)
    facts = Facts(result, profiles, roofs)
    answers = [_ask(rule, facts, key) for rule in RULES if rule.applies(facts)]
    causes = [answer for answer in answers if isinstance(answer, Cause)]
    causes.sort(key=lambda cause: (-cause.gain.high, -cause.gain.low))
    missing = tuple(answer for answer in answers if isinstance(answer, Missing))
    return Diagnosis(
        result.config, key, label, _headline(facts, causes, missing), tuple(causes),
        tuple(answer for answer in answers if isinstance(answer, Held)), missing, facts.used,
    )  # fmt: skip


def _speechless(result: Result) -> str:
    """Why there is nothing to diagnose; "" where there is."""
    if result.status != "ok" or not result.time_s:
        return f"{result.status.replace('_', ' ')}: there is no time to explain"
    if result.device.kind == "cpu":
        return f"{result.device.label}: how long an emulation takes says nothing of a GPU"
    return ""


def _ask(rule: Rule, facts: Facts, key: str) -> Cause | Held | Missing | None:
    """Held comes before Missing: nobody needs to count for a cure that has nothing to win."""
    part, share = busiest(facts, but=rule.relieves)
    if not rule.tells and share * WORTH > 1:
        return Held(rule.name, rule.title, _occupied(part, share))
    if lacking := rule.lacks(facts):
        return Missing(rule.name, rule.title, lacking, _how(rule, key))
    found = rule.judge(facts)
    if found is None or rule.tells:
        return found
    gain = _bounded(found.gain, share, 0.0 if rule.name == "launch-bound" else facts.value("empty_share") or 0.0)
    if gain.high < WORTH:
        return Held(rule.name, found.title, f"it could gain {units.factor(gain.high)} at most")
    return replace(found, gain=gain)


def _bounded(gain: Gain, busy: float, empty: float) -> Gain:
    """No faster than what else is busy allows; and what an empty kernel takes stays as it is (Amdahl's law)."""
    low, high = (1 / (empty + (1 - empty) / value) for value in (gain.low, gain.high))
    if busy and 1 / busy < high:
        return Gain(min(low, 1 / busy), 1 / busy, f"{gain.why}; no more than the next bound allows")
    return Gain(low, high, gain.why)


def _occupied(part: str, share: float) -> str:
    return _BUSY.get(part, f"{part} is busy for {units.percent(share)} % of the time, which this would not change")


def _how(rule: Rule, key: str) -> str:
    return f"kbench profile {key} --tool {rule.tool}" if rule.tool else "kbench sweep --fresh"


def _headline(facts: Facts, causes: Sequence[Cause], missing: Sequence[Missing]) -> str:
    told = [cause for cause in causes if cause.gain.high >= WORTH and cause.rule not in _TELLING]
    bounds = [cause for cause in causes if cause.rule in _TELLING]
    parts = [f"{cause.title} (up to {units.factor(cause.gain.high)})" for cause in told]
    parts += [cause.title for cause in bounds]
    share = facts.value("of_roof")
    at = "" if share is None else f"at {units.percent(share)} % of its roof"
    if parts:
        return "; ".join([", ".join(parts), at] if at else [", ".join(parts)])
    why = "no rule says why"
    if missing:
        why = f"nothing that is known of it says why; more is known after {missing[0].how}"
    if share is not None and share * WORTH > 1:
        why = "nothing to gain at this size"
    return ": ".join(filter(None, [at, why]))


_TELLING = frozenset(rule.name for rule in RULES if rule.tells)
