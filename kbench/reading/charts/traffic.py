"""Traffic: the bytes that a kernel must move, those of whole sectors, and those counted at L2 and at DRAM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any

from kbench.reading import units
from kbench.reading.charts.bars import label
from kbench.reading.charts.drawing import Chart, Drawing
from kbench.reading.charts.slices import fastest, series_name
from kbench.reading.charts.style import COLOURS, INK, MUTED, Look
from kbench.reading.charts.view import View
from kbench.reading.problem import Problem, worded
from kbench.reading.profiled import DRAM, L2, Profiled, Profiles

MOST_ROWS = 8
_LEVELS = (
    ("useful", COLOURS[9]),
    ("in whole sectors", COLOURS[5]),
    ("L2, as counted", COLOURS[4]),
    ("DRAM, as counted", COLOURS[0]),
)
_FAINT = 0.5  # what is written, behind what is read
_BAR, _GROUP_IN = 0.2, 0.72


@dataclass(frozen=True)
class Moved:
    """Bytes at one level, read and written; of several launches all of them."""

    read: float
    written: float

    @property
    def total(self) -> float:
        return self.read + self.written


def traffic_charts(view: View, profiles: Profiles) -> Iterator[Chart]:
    """One chart of the kernel's configurations whose bytes were counted; none without."""
    every = [(problem, found) for problem in _ordered(view) for found in _counted(problem, profiles)]
    if every:
        yield _chart(view, every[:MOST_ROWS], len(every) - MOST_ROWS)


def levels(found: Profiled) -> dict[str, Moved]:
    """What is known of a row's bytes, by the name of the level."""
    traffic = found.row.result.traffic
    known = {"useful": Moved(traffic.bytes_read, traffic.bytes_written)}
    if traffic.sectors_read + traffic.sectors_written:
        known["in whole sectors"] = Moved(traffic.sectors_read, traffic.sectors_written)
    for name, metrics in (("L2, as counted", L2), ("DRAM, as counted", DRAM)):
        read, written = (found.value(metric) for metric in metrics)
        if read is not None and written is not None:
            known[name] = Moved(read, written)
    return known


def _ordered(view: View) -> list[Problem]:
    """The problems that compare most, then the others."""
    return [*view.comparisons, *(problem for problem in view.problems if problem not in view.comparisons)]


def _counted(problem: Problem, profiles: Profiles) -> list[Profiled]:
    """Of each series the fastest row that was counted."""
    found = {id(row): profiles.of(row) for row in problem.ok}
    rows = [row for row in problem.ok if row.result.traffic.useful_bytes and not row.result.traffic.link_bytes]
    rows = [row for row in rows if any(name.endswith("counted") for name in levels(found[id(row)]))]
    return [found[id(row)] for row in sorted(fastest(rows).values(), key=lambda row: row.result.time_s or 0.0)]


def _chart(view: View, shown: Sequence[tuple[Problem, Profiled]], left_out: int) -> Chart:
    labels = [_label(shown, problem, found) for problem, found in shown]
    wide = max(len(line) for words in labels for line in words.split("\n"))
    drawing = Drawing(height_in=0.62 + _GROUP_IN * len(shown), left=min(2.0, 0.22 + wide * 0.066), right=0.2)
    ax = drawing.ax
    ax.set_yticks(range(len(shown)), labels)
    ax.set_ylim(len(shown) - 0.5, -0.55)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    there = [levels(found) for _, found in shown]
    top = max(moved.total / known["useful"].total for known in there for moved in known.values())
    ax.set_xlim(0, top * 1.42)  # room for the words
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100) if top / step < 8) if top < 800 else 10 ** floor(log10(top))
    ax.set_xticks([at * step for at in range(int(top // step) + 1)])
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    ax.set_xlabel("bytes moved over useful bytes · faint: written")
    ax.axvline(1, color=MUTED, linewidth=1.1, linestyle="--", zorder=2.5)
    for name, colour in _LEVELS:
        if any(name in known for known in there):
            series = drawing.series(name, Look(colour, "s"))
            for place, ((problem, found), known) in enumerate(zip(shown, there, strict=True)):
                _bar(drawing, series, place, name, known, _tip(problem, found, known), top)
    alone = [shown[0][0].label] if len({problem.name for problem, _ in shown}) == 1 else []
    subtitle = " · ".join([*alone, view.device.label, f"counted by {_tools(shown)}"])
    notes = [f"{left_out} more are left out; each profiled row below has its own."] if left_out > 0 else []
    if any(known["DRAM, as counted"].written < 0.98 * known["useful"].written for known in there if len(known) > 3):
        notes.append("What was written and still lies in L2 at the end of the kernel did not reach DRAM yet.")
    told = [f"{words.splitlines()[0]} {_excess(known)}" for words, known in zip(labels, there, strict=True)]
    alt = f"Bars of bytes moved over useful bytes: {'; '.join(told)}."
    return drawing.finish(f"{view.stem}-traffic", f"{view.kernel}: traffic", subtitle, " ".join(notes), alt)


def _bar(drawing: Drawing, series: int, place: int, name: str, known: dict[str, Moved], tip: str, top: float) -> None:
    if name not in known:
        return
    moved, useful, colour = known[name], known["useful"].total, drawing.look(series).colour
    at = place + (list(known).index(name) - (len(known) - 1) / 2) * _BAR
    read, whole = moved.read / useful, moved.total / useful
    how: dict[str, Any] = {"height": _BAR * 0.86, "color": colour, "linewidth": 0, "zorder": 2}
    parts = drawing.ax.barh(at, read, **how), drawing.ax.barh(at, whole - read, left=read, alpha=_FAINT, **how)
    for part in (patch for bar in parts for patch in bar if patch.get_width()):
        drawing.mark(part, series)
    words = units.size(moved.total) if name == "useful" else f"{units.factor(whole)} · {units.size(moved.total)}"
    drawing.mark(drawing.text(whole + 0.012 * top, at, words, va="center", fontsize=7.2, color=INK), series)
    for share in (0.15, 0.5, 0.85):
        drawing.hit(whole * share, at, tip, series)


def _label(shown: Sequence[tuple[Problem, Profiled]], problem: Problem, found: Profiled) -> str:
    """What was chosen, and where several problems are shown, on a second line what sets this one apart."""
    row = found.row
    first = label(problem, series_name(row), row)
    varying = [name for name, value in problem.axes.items() if any(other.axes.get(name) != value for other, _ in shown)]
    second = " ".join(f"{name} {worded(problem.axes[name], name)}" for name in varying[:2])
    return f"{first}\n{second}" if second else first


def _tools(shown: Sequence[tuple[Problem, Profiled]]) -> str:
    """Who counted: "ncu 2025.3"."""
    every = [found.metrics[name].by.profile for _, found in shown for name in (*L2, *DRAM) if name in found.metrics]
    return " and ".join(dict.fromkeys(f"{profile.tool} {profile.version}".strip() for profile in every))


def _tip(problem: Problem, found: Profiled, known: dict[str, Moved]) -> str:
    lines = [problem.choice(found.row.result.config), problem.label]
    for name, moved in known.items():
        lines.append(f"{name}: {units.size(moved.read)} read, {units.size(moved.written)} written")
    return "\n".join(lines)


def _excess(known: dict[str, Moved]) -> str:
    """The factor at each level, for who cannot see the bars."""
    useful = known["useful"].total
    return ", ".join(f"{name} {units.factor(moved.total / useful)}" for name, moved in known.items())
