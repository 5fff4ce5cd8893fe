"""A timeline: a row for each stream, a bar for each kernel, copy and fill, and a strip that shows where both ran."""

from __future__ import annotations

from collections.abc import Sequence

from kbench.machine.span import WORK, Span
from kbench.profiling.profile import Profile
from kbench.profiling.timeline import Timeline, common, lanes_of, overlap_words, timeline, union
from kbench.reading import units
from kbench.reading.charts.drawing import Chart, Drawing
from kbench.reading.charts.style import COLOURS, GRID, INK, MUTED, PAPER, Look

_ROW_IN, _STRIP = 0.36, 0.34
_MOST_HITS = 300
_CHARACTER_IN = 0.062  # of the labels in bars
_KINDS = {  # in the order of the legend
    "kernel": ("kernel", COLOURS[0]), "h2d": ("copy to the GPU", COLOURS[4]), "d2h": ("copy to the host", COLOURS[1]),
    "d2d": ("copy within the GPU", COLOURS[5]), "copy": ("copy", COLOURS[8]), "fill": ("fill", COLOURS[3]),
    "call": ("call of the host", MUTED),
}  # fmt: skip
_BOTH = COLOURS[2]


def timeline_chart(profile: Profile, name: str, label: str = "") -> Chart | None:
    """The timeline of a profile, inside style.applied(); None where it has none. name: of the file, without ending;
    label: the configuration in words."""
    found = timeline(profile.spans)
    if not found.time_s:
        return None
    begin = min(span.start_s for span in profile.spans if _shown(span) and span.kind != "call")
    spans = [span for span in profile.spans if _shown(span) and span.end_s >= begin]
    lanes = lanes_of(spans)
    scale, unit = _unit(found.time_s)
    strip = found.both_s > 0
    drawing = Drawing(_ROW_IN * (len(lanes) + strip * _STRIP) + 0.62, left=0.2 + 0.068 * max(map(len, lanes)))
    _rows(drawing, spans, lanes, begin, scale)
    if strip:
        _strip(drawing, spans, len(lanes), begin, scale)
    _axes(drawing, lanes, found, scale, unit, strip)
    emulated = profile.device.kind == "cpu"
    words = "its steps, one after the other" if emulated else overlap_words(found)
    numbers = units.duration(found.time_s) if emulated else _numbers(found)
    subtitle = " · ".join(filter(None, [label, profile.device.label, _told(profile), numbers]))
    alt = f"Timeline of {label or name}: {words}; {numbers}."
    return drawing.finish(name, f"{profile.config.kernel}: {words}", subtitle, alt=alt)


def _shown(span: Span) -> bool:
    return span.kind in (*WORK, "call")


def _kind(span: Span) -> str:
    return span.memory if span.kind == "copy" and span.memory in _KINDS else span.kind


def _rows(drawing: Drawing, spans: Sequence[Span], lanes: Sequence[str], begin: float, scale: float) -> None:
    width = (max(s.end_s for s in spans if s.kind != "call") - begin) * scale
    inches = drawing.ax.get_position().width * drawing.figure.get_size_inches()[0]
    for kind, (words, colour) in _KINDS.items():
        mine = [span for span in spans if _kind(span) == kind]
        if not mine:
            continue
        series = drawing.series(words, Look(colour, "s"))
        for row, lane in enumerate(lanes):
            bars = [((s.start_s - begin) * scale, (s.end_s - s.start_s) * scale) for s in mine if s.lane == lane]
            if bars:
                high = 0.4 if kind == "call" else 0.7
                drawn = drawing.ax.broken_barh(bars, (row - high / 2, high), color=colour, linewidth=0, zorder=3)
                drawing.mark(drawn, series)
        for span in sorted(mine, key=lambda s: s.start_s - s.end_s)[: _MOST_HITS // len(_KINDS)]:
            middle, row = ((span.start_s + span.end_s) / 2 - begin) * scale, lanes.index(span.lane)
            drawing.hit(middle, row, _tip(span), series)
            room = (span.end_s - span.start_s) * scale / width * inches
            if span.kind != "call" and (text := _fitted(span, int(room / _CHARACTER_IN))):
                drawing.text(middle, row, text, ha="center", va="center", color=PAPER, fontsize=6.6, zorder=4)


def _strip(drawing: Drawing, spans: Sequence[Span], row: int, begin: float, scale: float) -> None:
    kernels, copies = (union((s.start_s, s.end_s) for s in spans if s.kind == kind) for kind in ("kernel", "copy"))
    bars = [((start - begin) * scale, (end - start) * scale) for start, end in common(kernels, copies)]
    series = drawing.series("copy and kernel at once", Look(_BOTH, "s"))
    low = row - 0.5 + 0.05
    drawing.mark(drawing.ax.broken_barh(bars, (low, 0.22), color=_BOTH, linewidth=0, zorder=3), series)


def _axes(drawing: Drawing, lanes: Sequence[str], found: Timeline, scale: float, unit: str, strip: bool) -> None:
    ax = drawing.ax
    ax.set_xlim(0, found.time_s * scale)
    ax.set_ylim(len(lanes) - 0.5 + strip * _STRIP, -0.5)  # the first lane on top
    ax.set_yticks(range(len(lanes)), lanes)
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.grid(axis="y", visible=False)
    for row in range(1, len(lanes) + strip):
        ax.axhline(row - 0.5, color=GRID, linewidth=0.8, zorder=1)
    ax.set_xlabel(f"{unit} since the first kernel or copy began")


def _fitted(span: Span, characters: int) -> str:
    """A label that fits into so many characters: the whole name, or the name without its template arguments."""
    names = (span.name, span.name.split("<")[0])
    return next((name for name in names if 0 < len(name) <= characters), "")


def _tip(span: Span) -> str:
    words = [span.name, units.duration(span.end_s - span.start_s)]
    if span.nbytes and span.end_s > span.start_s:
        speed = units.rate(span.nbytes / (span.end_s - span.start_s))
        words += [units.size(span.nbytes), f"{speed} GB/s"]
    return ", ".join(words)


def _told(profile: Profile) -> str:
    by = {"cupti": "CUPTI", "nsys": "Nsight Systems", "host": "the host's clock"}.get(profile.tool, profile.tool)
    return f"recorded by {by}"


def _numbers(found: Timeline) -> str:
    gap = f", largest gap {units.duration(found.largest_gap_s)}" if found.largest_gap_s else ""
    return f"{units.duration(found.time_s)}, busy {units.percent(found.busy_share)} %{gap}"


def _unit(seconds: float) -> tuple[float, str]:
    return next(((scale, unit) for scale, unit in ((1.0, "s"), (1e3, "ms")) if seconds * scale >= 1), (1e6, "µs"))
