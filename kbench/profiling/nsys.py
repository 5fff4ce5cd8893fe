"""Nsight Systems: what ran when, and how much of the time each configuration had.

Kernels and copies belong to a configuration by the call that asked for them: a call of the thread that had the phase
`samples` of its range open, at that time.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from kbench.machine.marks import DOMAIN, PHASES
from kbench.machine.span import Span
from kbench.profiling import nsys_tables
from kbench.profiling.driver import PLAIN, SAMPLES, How
from kbench.profiling.find import Found
from kbench.profiling.nsys_tables import Call, Range, Report, UnreadableError, Work
from kbench.profiling.profile import Metric, Profile
from kbench.profiling.promised import Promised
from kbench.profiling.timeline import length, timeline, union

CHECKS: tuple[str, ...] = ("",)
ALONE = FAULTS = False
MOST_SPANS = 5000
"""Of one configuration: what a page can draw, and a row of a store should hold."""


def command(found: Found, inner: Sequence[str], raw: Path, how: How = PLAIN) -> list[str]:
    """Sampling of the processor is off: with it reports grow to hundreds of megabytes, and say nothing of a GPU."""
    options = ["--trace=cuda,nvtx", "--sample=none", "--cpuctxsw=none", "--export=sqlite", "--force-overwrite=true"]
    return [found.path, "profile", *options, f"--output={str(raw).replace('%', '%%')}", *inner]


def read(raw: Path, wanted: Mapping[str, Promised], log: str, how: How = PLAIN) -> list[Profile]:
    """See Driver. A report that cannot be read is a failed Profile of each configuration that should be in it."""
    gui = raw.with_name(f"{raw.name}.nsys-rep")
    file = str(gui) if gui.is_file() else ""
    try:
        report = nsys_tables.load(raw.with_name(f"{raw.name}.sqlite"), DOMAIN)
    except UnreadableError as error:
        last = log.strip().splitlines()[-1:]
        message = f"Nsight Systems left nothing that can be read: {error}" + "".join(f"; it said: {w}" for w in last)
        return [_failed(promised, message, file) for promised in wanted.values()]
    found = (_profile(name, promised, report, file) for name, promised in wanted.items())
    return [profile for profile in found if profile is not None]


def _profile(name: str, promised: Promised, report: Report, file: str) -> Profile | None:
    mine = [r for r in report.ranges if r.name == name]
    if not mine:
        return None
    samples = [r for r in _phases(report, mine) if r.name == SAMPLES]
    runs = list(_runs(report, samples))
    work = [each for run in runs for each in run]
    kernels = sum(w.kind == "kernel" for w in work)
    if promised.on_gpu and not kernels and promised.launches:
        message = f"Nsight Systems saw none of the {promised.launches} kernels that were launched in {name}"
        return _failed(promised, message, file, report.version)
    odd = promised.on_gpu and kernels != promised.launches
    return Profile(
        promised.config, promised.device, "nsys", report.version,
        message=f"{kernels} kernels were seen where {promised.launches} were launched" if odd else "",
        metrics=tuple(_metrics(report, mine, samples, runs)), spans=tuple(_spans(report, mine, samples, work)),
        launches=len(work), runs=promised.runs, raw=file, source=promised.source,
    )  # fmt: skip


def _failed(promised: Promised, message: str, file: str, version: str = "") -> Profile:
    return Profile(promised.config, promised.device, "nsys", version, "failed", message, raw=file,
                   runs=promised.runs, source=promised.source)  # fmt: skip


def _phases(report: Report, outer: Sequence[Range]) -> list[Range]:
    return [r for r in report.ranges if r.name in PHASES and any(_within(r, o) for o in outer)]


def _within(inner: Range | Call, outer: Range) -> bool:
    return inner.thread == outer.thread and outer.start <= inner.start and inner.end <= outer.end


def _runs(report: Report, samples: Sequence[Range]) -> Iterator[list[Work]]:
    """The work of each run of the Op. A run ends where the host waits for it."""
    asked: dict[tuple[int, int], list[Work]] = {}
    for work in report.work:
        asked.setdefault(work.call, []).append(work)
    run: list[Work] = []
    for call in _calls(report, samples):
        run += asked.get((nsys_tables.process_of(call.thread), call.correlation), [])
        if "Synchronize" in call.name and run:
            yield run
            run = []
    if run:
        yield run


def _calls(report: Report, samples: Sequence[Range]) -> list[Call]:
    """In the phases `samples`, in order."""
    return sorted((c for c in report.calls if any(_within(c, s) for s in samples)), key=lambda c: c.start)


def _metrics(
    report: Report, mine: Sequence[Range], samples: Sequence[Range], runs: Sequence[Sequence[Work]]
) -> Iterator[Metric]:
    """Of one run of the Op: of several the median."""
    traced = report.end - report.begin
    if traced > 0:
        yield Metric("range_share", length(union((r.start, r.end) for r in mine)) / traced, "NVTX_EVENTS")
    if not runs:
        return
    lines = [timeline(_span(work, 0) for work in run) for run in runs]
    yield Metric("duration_s", statistics.median(line.time_s for line in lines), "CUPTI_ACTIVITY_KIND_*")
    busy = length(union((work.start, work.end) for run in runs for work in run))
    in_samples = length(union((s.start, s.end) for s in samples))
    if in_samples > 0:
        yield Metric("busy_share", min(1.0, busy / in_samples), "CUPTI_ACTIVITY_KIND_*")
    for name, values in (
        ("gap_s", [line.gap_s for line in lines]),
        ("overlap_share", [line.copies_hidden for line in lines]),
    ):
        known = [value for value in values if value is not None]
        if known:
            yield Metric(name, statistics.median(known), "CUPTI_ACTIVITY_KIND_*")
    kernels = [work for run in runs for work in run if work.kind == "kernel"]
    if kernels:
        source = "CUPTI_ACTIVITY_KIND_KERNEL"
        yield Metric("grid_blocks", max(k.blocks for k in kernels), f"{source}.gridX*gridY*gridZ")
        yield Metric("block_threads", max(k.threads for k in kernels), f"{source}.blockX*blockY*blockZ")
        yield Metric("registers_per_thread", max(k.registers for k in kernels), f"{source}.registersPerThread")
        yield Metric("shared_bytes_per_block", max(k.shared_bytes for k in kernels), f"{source}.*SharedMemory")


def _spans(report: Report, mine: Sequence[Range], samples: Sequence[Range], work: Sequence[Work]) -> Iterable[Span]:
    """The configuration's range and its phases, and what was called and done in `samples`, from the range's start."""
    zero = min(r.start for r in mine)
    found = [Span("range", r.name, "host", *_seconds(r, zero)) for r in (*mine, *_phases(report, mine))]
    found += [
        Span("call", c.name, "host", *_seconds(c, zero), correlation=c.correlation) for c in _calls(report, samples)
    ]
    found += [_span(each, zero) for each in work]
    return sorted(found, key=lambda span: span.start_s)[:MOST_SPANS]


def _span(work: Work, zero: int) -> Span:
    return Span(work.kind, work.name, f"stream {work.stream}", *_seconds(work, zero), work.nbytes, work.memory,
                work.call[1])  # fmt: skip


def _seconds(what: Range | Call | Work, zero: int) -> tuple[float, float]:
    return (what.start - zero) * 1e-9, (what.end - zero) * 1e-9
