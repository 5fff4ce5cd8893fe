"""What the report shows of a profiled row: both times, the diagnosis, metrics by group, findings and the timeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kbench.experiment.result import Roof
from kbench.profiling.profile import Finding
from kbench.reading import counted, units
from kbench.reading.charts.drawing import Chart
from kbench.reading.charts.style import applied
from kbench.reading.charts.timeline import timeline_chart
from kbench.reading.diagnosis.diagnose import diagnose
from kbench.reading.diagnosis.diagnosis import Diagnosis
from kbench.reading.problem import Problem
from kbench.reading.profiled import Found, Profiled, Profiles
from kbench.record.store import Stored, StoredProfile


@dataclass(frozen=True)
class Told:
    """One metric in words. share: 0 to 1 where the value is one, else None; by: who says it, and under which name."""

    name: str
    value: str
    meaning: str
    by: str
    share: float | None


MOST_TIMELINES = 12  # drawn for one kernel: each is a picture of its own

Groups = tuple[tuple[str, tuple[Told, ...]], ...]


@dataclass(frozen=True)
class ProfilePart:
    """A row that opens. timed: (tool, its time of one run, how far it is from kbench's own). traced: it has a timeline,
    drawn or not."""

    anchor: str
    problem: Problem
    found: Profiled
    diagnosis: Diagnosis
    groups: Groups
    charts: tuple[Chart, ...]

    @property
    def row(self) -> Stored:
        return self.found.row

    @property
    def timed(self) -> Iterator[tuple[str, str, str]]:
        for kept in self.found.fresh:
            seconds, own = kept.profile.value("duration_s"), self.row.result.time_s
            if seconds is not None:
                apart = f"{(seconds / own - 1) * 100:+.1f} %" if own else ""
                yield kept.profile.tool, units.duration(seconds), apart

    @property
    def traced(self) -> bool:
        return any(kept.profile.spans for kept in self.found.fresh)

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(one for kept in self.found.fresh for one in kept.profile.findings)

    @property
    def failed(self) -> tuple[StoredProfile, ...]:
        return tuple(kept for kept in self.found.fresh if kept.profile.status == "failed")

    @property
    def clean(self) -> tuple[StoredProfile, ...]:
        """Sanitizers that ran and found nothing."""
        return tuple(
            kept
            for kept in self.found.fresh
            if kept.profile.tool == "sanitizer" and kept.profile.status == "ok" and not kept.profile.findings
        )


def profile_parts(
    group: Sequence[Problem], profiles: Profiles, roofs: Sequence[Roof], prefix: str
) -> tuple[ProfilePart, ...]:
    """The profiled rows of a kernel on one device, in the order of its problems and of their rows. prefix: begins
    anchors and the names of charts."""
    joined = ((problem, profiles.of(row)) for problem in group for row in problem.rows)
    parts = [_part(problem, found, roofs, prefix) for problem, found in joined if found]
    drawn = {part.anchor: _timeline(part) for part in [part for part in parts if part.traced][:MOST_TIMELINES]}
    return tuple(replace(part, charts=drawn.get(part.anchor, ())) for part in parts)


def _timeline(part: ProfilePart) -> tuple[Chart, ...]:
    """The timeline of a row, of the tool that traces in the process itself where there are two."""
    traces = [kept.profile for kept in part.found.fresh if kept.profile.spans]
    chosen = min(traces, key=lambda profile: profile.tool != "cupti")
    with applied():
        chart = timeline_chart(chosen, f"{part.anchor}-timeline", part.problem.choice(part.row.result.config))
    return (chart,) if chart else ()


def anchors(parts: Sequence[ProfilePart]) -> Mapping[int, str]:
    """By the row's id in the store."""
    return {part.row.id: part.anchor for part in parts}


def _part(problem: Problem, found: Profiled, roofs: Sequence[Roof], prefix: str) -> ProfilePart:
    row = found.row
    own = [kept.profile for kept in reversed(found.fresh)]  # of two that tell the same the later one counts
    return ProfilePart(
        anchor=f"{prefix}profile-{row.key}",
        problem=problem,
        found=found,
        diagnosis=diagnose(row.result, own, roofs),
        groups=groups(found.metrics),
        charts=(),
    )


def groups(metrics: Mapping[str, Found]) -> Groups:
    """Metrics in words, by group; stalls from the longest on."""
    made = []
    for title, names in counted.grouped(metrics):
        if title == "stalls":
            names.sort(key=lambda name: -metrics[name].value)
        made.append((title, tuple(_told(name, metrics[name]) for name in names)))
    return tuple(made)


def stale_groups(kept: StoredProfile) -> Groups:
    """The metrics of a profile of another source, to be shown as such."""
    return groups({metric.name: Found(metric, kept) for metric in kept.profile.metrics})


def _told(name: str, found: Found) -> Told:
    share = found.value if counted.is_share(name) else None
    return Told(counted.words(name), counted.shown(name, found.value), counted.meaning(name), found.said_by, share)
