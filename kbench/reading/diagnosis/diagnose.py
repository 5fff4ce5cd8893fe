"""From a result and its profiles to a diagnosis."""

from __future__ import annotations

from collections.abc import Sequence

from kbench.experiment.result import Result, Roof
from kbench.profiling.profile import Profile
from kbench.reading.diagnosis.diagnosis import Diagnosis


def diagnose(result: Result, profiles: Sequence[Profile] = (), roofs: Sequence[Roof] = ()) -> Diagnosis:
    """What is known of why this configuration takes as long as it does.

    profiles: its own, of any tools; of two that tell the same the later one counts. roofs: further ceilings of its
    device (arithmetic, L2), for rules that hold it against them. Never raises: a row without a time says so.
    """
    headline = "" if result.status == "ok" else f"{result.status.replace('_', ' ')}: there is no time to explain"
    return Diagnosis(result.config, result.config.digest[:8], result.device.label, headline)
