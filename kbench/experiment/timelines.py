"""Timelines of configurations, as profiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kbench.experiment.engine import Engine
from kbench.experiment.result import Result
from kbench.intent.method import Method
from kbench.intent.plan import Planned
from kbench.machine.span import WORK, Trace
from kbench.profiling.profile import Metric, Profile, Tool
from kbench.profiling.timeline import metrics_of, timeline


def timelines(
    engine: Engine, configs: Sequence[Planned], method: Method, keys: Mapping[str, str] | None = None
) -> Iterator[Profile]:
    """One for each configuration: those that failed, or are incorrect, say so in `message`. Raises DeviceError where no
    worker starts, or where nothing on its device could record."""
    for result, trace in engine.traces(configs, method, keys=keys):
        yield profile_of(result, trace)


def profile_of(result: Result, trace: Trace | None) -> Profile:
    """trace: None where there is none, for the reason that the result gives."""
    tool: Tool = "host" if result.device.kind == "cpu" else "cupti"
    if trace is None:
        message = f"{result.status}: {result.message}"
        return Profile(result.config, result.device, tool, status="failed", message=message, source=result.source)
    return Profile(
        result.config, result.device, tool, trace.version, message=trace.note,
        metrics=_metrics(trace, tool), spans=trace.spans,
        launches=sum(span.kind in WORK for span in trace.spans), source=result.source,
    )  # fmt: skip


def _metrics(trace: Trace, tool: Tool) -> tuple[Metric, ...]:
    """Where steps are emulated one after the other, what overlaps and which stream waits says nothing."""
    found = metrics_of(timeline(trace.spans))
    return tuple(metric for metric in found if tool != "host" or metric.name == "duration_s")
