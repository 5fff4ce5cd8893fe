"""All charts of a device, and of each kernel on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kbench.experiment.result import Roof
from kbench.machine.device import DeviceInfo
from kbench.reading.charts.bars import bar_charts
from kbench.reading.charts.ceilings import ceilings
from kbench.reading.charts.drawing import Chart
from kbench.reading.charts.heatmap import heat_charts
from kbench.reading.charts.roofline import roofline
from kbench.reading.charts.size import size_charts
from kbench.reading.charts.style import applied
from kbench.reading.charts.submit import submit_charts
from kbench.reading.charts.traffic import traffic_charts
from kbench.reading.charts.view import views
from kbench.reading.charts.working_set import working_set
from kbench.reading.problem import Problem
from kbench.reading.profiled import Profiles
from kbench.record.store import KernelNote


@dataclass(frozen=True)
class Gallery:
    """device: charts over all kernels. kernels: each kernel's own, in the order of the problems."""

    device: tuple[Chart, ...]
    kernels: Mapping[str, tuple[Chart, ...]]


def gallery(
    device: DeviceInfo,
    problems: Sequence[Problem],
    notes: Mapping[str, KernelNote],
    roofs: Sequence[Roof],
    prefix: str = "",
    profiles: Profiles | None = None,
) -> Gallery:
    """Draw everything of one device. prefix: begins each chart's name, so that two devices can share a folder."""
    counted = profiles or Profiles()
    with applied():
        found = ceilings(device, problems, roofs)
        arranged = views(problems, notes, prefix)
        looks = {view.kernel: view.looks for view in arranged}
        own = [
            *roofline(device, problems, found, prefix, looks, counted),
            *working_set(device, problems, found, prefix, counted),
        ]
        kernels = {
            view.kernel: [
                *size_charts(view),
                *bar_charts(view),
                *submit_charts(view),
                *heat_charts(view),
                *traffic_charts(view, counted),
            ]
            for view in arranged
        }
    return Gallery(tuple(own), {kernel: tuple(charts) for kernel, charts in kernels.items()})
