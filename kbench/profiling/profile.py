"""What a profiler said of one configuration. Travels into the store as JSON."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from kbench.intent.config import Config
from kbench.machine.device import DeviceInfo
from kbench.machine.span import Span as Span

Tool = Literal["ncu", "nsys", "cupti", "sanitizer", "host"]
TOOLS: tuple[str, ...] = get_args(Tool)
"""host: the host's clock, for timelines of the cpu device."""


class Metric(msgspec.Struct, frozen=True):
    """name: one of `metrics.KINDS`; value in the unit of its kind; source: the tool's own name of it."""

    name: str
    value: float
    source: str = ""


class Finding(msgspec.Struct, frozen=True):
    """Something that a sanitizer found. check: "memcheck", "racecheck", "initcheck", "synccheck"; kind: its words for
    the error; line: 0 where unknown; count: how often."""

    check: str
    kind: str
    message: str
    kernel: str = ""
    file: str = ""
    line: int = 0
    count: int = 1


class Profile(msgspec.Struct, frozen=True):
    """One configuration under one tool. metrics are those of one run of its Op: of several launches counts are summed,
    shares are means weighted with duration. launches: kernel launches (and copies) that were looked at, in `runs` runs
    of the Op. raw: the tool's own file, relative to the store's folder where it lies below it. A tool that failed is a
    Profile with a message and no metrics."""

    config: Config
    device: DeviceInfo
    tool: Tool
    version: str = ""
    status: Literal["ok", "failed"] = "ok"
    message: str = ""
    metrics: tuple[Metric, ...] = ()
    findings: tuple[Finding, ...] = ()
    spans: tuple[Span, ...] = ()
    launches: int = 0
    runs: int = 1
    raw: str = ""
    source: str = ""

    def value(self, name: str) -> float | None:
        """A metric's value, None where the tool did not say."""
        return next((m.value for m in self.metrics if m.name == name), None)
