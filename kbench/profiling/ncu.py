"""Nsight Compute: started around `kbench profile`, looking at the launches of each configuration's phase `samples`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kbench.errors import ProfilerError
from kbench.machine.marks import DOMAIN
from kbench.profiling import ncu_metrics, permission
from kbench.profiling.driver import PLAIN, SAMPLES, How
from kbench.profiling.find import Found
from kbench.profiling.metrics import KINDS
from kbench.profiling.ncu_module import Seen
from kbench.profiling.ncu_read import launches
from kbench.profiling.profile import Metric, Profile
from kbench.profiling.promised import Promised

CHECKS: tuple[str, ...] = ("",)
ALONE = FAULTS = False
ENDING = ".ncu-rep"
FILTER = f"{DOMAIN}@{SAMPLES}/"
"""For --nvtx-include: what lies in a push/pop range `samples` of the domain kbench, at any depth."""


def options(metrics: Iterable[str], cache: str = "cold") -> list[str]:
    """Clocks are left alone: what is counted belongs to the time that kbench measured. For a cold configuration a
    launch is repeated for each pass, with empty caches. For another one the whole process is: what ncu saves and
    restores around a repeated launch takes the place of what the launch before had left in L2."""
    caches = ["all"] if cache == "cold" else ["none", "--replay-mode", "application"]
    return ["--metrics", ",".join(metrics), "--clock-control", "none", "--cache-control", *caches]


def command(found: Found, inner: Sequence[str], raw: Path, how: How = PLAIN) -> list[str]:
    """See driver.Driver."""
    return [
        found.path, "--nvtx", "--nvtx-include", FILTER, "--target-processes", "all",
        *options(ncu_metrics.names(how.arch), how.cache), "--export", str(raw), "--force-overwrite", *inner,
    ]  # fmt: skip


def read(raw: Path, wanted: Mapping[str, Promised], log: str, how: How = PLAIN) -> list[Profile]:
    """See driver.Driver. A report that holds less than was promised gives what it holds."""
    if permission.REFUSED in log:
        raise permission.refused("ncu")
    report = raw.with_name(raw.name + ENDING)
    if not report.is_file():
        raise ProfilerError(f"ncu wrote no report: {_reason(log)}")
    seen: dict[str, list[Seen]] = {}
    for launch in launches(report):
        for name in launch.ranges:
            if name in wanted:
                seen.setdefault(name, []).append(launch)
    if not seen:
        raise ProfilerError(f"{report} has no launch in any of the promised ranges: {_reason(log)}")
    return [_profile(wanted[name], some, str(report)) for name, some in seen.items()]


def _reason(log: str) -> str:
    """The tool's own words, errors before warnings."""
    for mark in ("==ERROR==", "==WARNING=="):
        said = [line.removeprefix(mark).strip() for line in log.splitlines() if line.startswith(mark)]
        if said:
            missing = re.search(r"Failed to find metric (\S+)", " ".join(said))
            if missing:
                return f"this version does not know {missing.group(1)}; a newer one does: install it, or set KBENCH_NCU"
            return "; ".join(dict.fromkeys(said))
    return "it was stopped before it was done, or nothing ran on the GPU"


def _profile(promised: Promised, some: Sequence[Seen], raw: str) -> Profile:
    whole, runs = _whole_runs(len(some), promised.runs)
    message = ""
    if not whole:
        whole, runs = len(some), 1
        message = f"cut short: {len(some)} of {promised.launches} launches"
    elif whole < len(some) or runs < promised.runs:
        message = f"cut short: {runs} of {promised.runs} runs"
    return Profile(
        promised.config, promised.device, "ncu", message=message, metrics=tuple(joined(some[:whole], runs)),
        launches=whole, runs=runs, raw=raw, source=promised.source,
    )  # fmt: skip


def _whole_runs(launches: int, runs: int) -> tuple[int, int]:
    """How many launches make whole runs, and how many runs those are. What kbench launches is more than what ncu sees
    (copies are no kernels), so that only a number of launches that is no multiple tells of a run that was cut short."""
    if not runs or launches % runs == 0:
        return launches, max(runs, 1)
    each = launches // runs + 1
    return launches // each * each, launches // each


def joined(some: Sequence[Seen], runs: int) -> list[Metric]:
    """One run's metrics from the launches of `runs` runs: as KINDS says, sums over a run, means weighted with the time
    of the launches, or the largest. A sum that some launch does not tell is left out, since it would be too small."""
    weights = [found[0] if (found := ncu_metrics.value("duration_s", s.found)) else 0.0 for s in some]
    if not any(weights):
        weights = [1.0] * len(some)
    metrics = []
    for kind in ncu_metrics.NAMES:
        told = [(w, *found) for w, s in zip(weights, some, strict=True) if (found := ncu_metrics.value(kind, s.found))]
        how = KINDS[kind].joined
        if not told or (how == "sum" and len(told) < len(some)):
            continue
        if how == "sum":
            number = sum(v for _, v, _ in told) / runs
        elif how == "max":
            number = max(v for _, v, _ in told)
        else:
            total = sum(w for w, _, _ in told)
            number = sum(w * v for w, v, _ in told) / total if total else 0.0
        metrics.append(Metric(kind, number, told[0][2]))
    return metrics
