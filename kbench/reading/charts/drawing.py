"""A drawing of one panel: series that can be switched off, points that tell more, and its two forms, PNG and SVG.

The PNG stands alone: title above, legend below. The SVG is the part between them; the report puts title and legend
around it in HTML, where they can wrap, be read aloud and be clicked.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from html import escape
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kbench.reading.charts.style import MUTED, PAPER, VARIABLES, Look

WIDTH_IN = 5.2
_TITLE_IN = 0.62
_LEGEND_ROW_IN = 0.21
_LINE_IN, _LINE_CHARACTERS = 0.15, 78  # of the subtitle
_COLOURS = 64


@dataclass(frozen=True)
class Entry:
    """One legend entry: its series number in the SVG (None: not switchable), its label and its look."""

    series: int | None
    label: str
    look: Look


@dataclass(frozen=True)
class Chart:
    """name: file name without its ending. subtitle: device, clock and what is fixed. note: what is left out, or "".
    alt: what a reader who cannot see it should know. svg: for an HTML page with the report's style sheet."""

    name: str
    title: str
    subtitle: str
    note: str
    alt: str
    legend: tuple[Entry, ...]
    svg: str
    png: bytes


class Drawing:
    """One matplotlib panel, made inside style.applied(). Margins in inches hold tick labels and axis names."""

    def __init__(self, height_in: float = 3.1, left: float = 0.68, right: float = 0.24, bottom: float = 0.48) -> None:
        self.height_in = height_in
        self.legend: list[Entry] = []
        self._margins = left, right, bottom
        self._hits: list[tuple[Any, float, float, str, int | None]] = []
        self._marked = 0
        self._title_in = _TITLE_IN
        self.figure = Figure(facecolor="none")
        FigureCanvasAgg(self.figure)
        self.ax = self.figure.add_axes((0.1, 0.1, 0.8, 0.8))
        self._arrange(0)

    def _arrange(self, legend_rows: int) -> None:
        """Fix the panel's place in inches, with strips for the title above and the legend below it."""
        left, right, bottom = self._margins
        below = legend_rows * _LEGEND_ROW_IN + 0.08
        whole = self._title_in + self.height_in + below
        self.figure.set_size_inches(WIDTH_IN, whole)
        width = WIDTH_IN - left - right
        height = self.height_in - bottom - 0.08
        self.ax.set_position((left / WIDTH_IN, (below + bottom) / whole, width / WIDTH_IN, height / whole))

    def series(self, label: str, look: Look) -> int:
        """A new series that the legend can switch off; returns its number."""
        number = sum(entry.series is not None for entry in self.legend)
        self.legend.append(Entry(number, label, look))
        return number

    def look(self, series: int) -> Look:
        return next(entry.look for entry in self.legend if entry.series == series)

    def mark(self, artist: Any, series: int) -> Any:
        """Make an artist part of a series."""
        self._marked += 1
        artist.set_gid(f"kbseries_{series}_{self._marked}")
        return artist

    def line(self, series: int, xs: list[float], ys: list[float], tips: list[str]) -> None:
        """A line with markers; tips: what each point tells."""
        look = self.look(series)
        face = PAPER if look.hollow else look.colour
        (drawn,) = self.ax.plot(
            xs, ys, color=look.colour, linestyle=look.dash, marker=look.marker, markersize=4.6, markerfacecolor=face,
            markeredgecolor=look.colour, linewidth=1.5, zorder=3,
        )  # fmt: skip
        self.mark(drawn, series)
        for x, y, tip in zip(xs, ys, tips, strict=True):
            self.hit(x, y, tip, series)

    def joined(self, series: int, start: tuple[float, float], end: tuple[float, float], tip: str) -> None:
        """A hollow mark of a series at `end`, and a thin line to it from the mark at `start`."""
        look = self.look(series)
        (line,) = self.ax.plot(*zip(start, end, strict=True), color=look.colour, linewidth=0.9, alpha=0.6, zorder=2.4)
        (mark,) = self.ax.plot(
            *([value] for value in end), marker=look.marker, color=look.colour, markersize=5.4, markeredgewidth=1.3,
            markerfacecolor=PAPER, linestyle="", zorder=2.9,
        )  # fmt: skip
        self.mark(line, series)
        self.mark(mark, series)
        self.hit(*end, tip, series)

    def hit(self, x: float, y: float, tip: str, series: int | None = None) -> None:
        """A point (in data coordinates) that answers a pointer with `tip`."""
        self._hits.append((self.ax, x, y, tip, series))

    def text(self, x: float, y: float, words: str, **how: Any) -> Any:
        style: dict[str, Any] = {"fontsize": 7.8, "color": MUTED, **how}
        return self.ax.text(x, y, words, **style)

    def finish(self, name: str, title: str, subtitle: str, note: str = "", alt: str = "") -> Chart:
        """Render both forms. Call it last: it fixes sizes."""
        columns = _legend_columns(self.legend)
        lines = _wrapped(subtitle)
        self._title_in = _TITLE_IN + _LINE_IN * (len(lines) - 1)
        self._arrange(-(-len(self.legend) // columns) if self.legend else 0)
        svg = self._svg(name)
        self.figure.text(0.02, 1 - 0.2 / self._whole, title, fontsize=10.5, fontweight="bold", va="center")
        self.figure.text(
            0.02, 1 - 0.33 / self._whole, "\n".join(lines), fontsize=7.8, color=MUTED, va="top", linespacing=1.35
        )
        if self.legend:
            handles = [_handle(entry) for entry in self.legend]
            self.figure.legend(handles=handles, loc="lower center", ncols=columns, borderaxespad=0.1, columnspacing=1.6)
        return Chart(name, title, subtitle, note, alt, tuple(self.legend), svg, self._png())

    def _png(self) -> bytes:
        """With a palette: a chart has few colours, and takes a third of the bytes."""
        from PIL import Image, PngImagePlugin

        drawn, small = io.BytesIO(), io.BytesIO()
        self.figure.savefig(drawn, format="png", dpi=144, facecolor=PAPER)
        by = PngImagePlugin.PngInfo()
        by.add_text("Software", "kbench")
        flat = Image.open(drawn).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
        flat.save(small, format="png", optimize=True, pnginfo=by)
        return small.getvalue()

    @property
    def _whole(self) -> float:
        return float(self.figure.get_size_inches()[1])

    def _svg(self, name: str) -> str:
        text = io.StringIO()
        self.figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        body = text.getvalue()
        body = body[body.index(">", body.index("<svg")) + 1 : body.rindex("</svg>")]
        hits = "".join(self._circles())
        width, height = WIDTH_IN * 72, self.height_in * 72
        box = f"0 {self._title_in * 72:g} {width:g} {height:g}"
        return f'<svg viewBox="{box}" role="img" aria-labelledby="{name}-title">{_slim(body, name)}{hits}</svg>'

    def _circles(self) -> list[str]:
        circles = []
        height = self._whole * 72
        for ax, x, y, tip, series in self._hits:
            px, py = ax.transData.transform((x, y)) * 72 / self.figure.dpi
            of = "" if series is None else f' data-s="{series}"'
            at = f'cx="{px:.1f}" cy="{height - py:.1f}" r="7"'
            circles.append(f'<circle class="hit" {at}{of}><title>{escape(tip)}</title></circle>')
        return circles


def _wrapped(subtitle: str) -> list[str]:
    """A subtitle in lines that fit the drawing, broken at its separators."""
    lines = [""]
    for part in subtitle.split(" · "):
        longer = f"{lines[-1]} · {part}" if lines[-1] else part
        if len(longer) <= _LINE_CHARACTERS or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def is_ours(png: bytes) -> bool:
    """Whether a PNG file was drawn here."""
    return b"Software\0kbench" in png[:200]


def _handle(entry: Entry) -> Line2D:
    look = entry.look
    return Line2D(
        [], [], color=look.colour, linestyle=look.dash, marker=look.marker, label=entry.label, markersize=4.6,
        markerfacecolor=PAPER if look.hollow else look.colour, linewidth=1.5,
    )  # fmt: skip


def _legend_columns(entries: list[Entry]) -> int:
    longest = max((len(entry.label) for entry in entries), default=1)
    return max(1, min(len(entries), int(WIDTH_IN * 72 / (longest * 5.2 + 42))))


def _slim(svg: str, name: str) -> str:
    """matplotlib's SVG without what a page does not need, its colours as CSS variables, its ids unique in the page."""
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<style type="text/css">.*?</style>', "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r"font: (\w+) ([\d.]+)px [^;\"]*", r"font-weight: \1; font-size: \2px", svg)
    svg = re.sub(r'id="kbseries_(\d+)_\d+"', r'class="series" data-s="\1"', svg)
    used = set(re.findall(r'(?:href="#|url\(#)([\w-]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'((?:href="|url\()#)', rf"\g<1>{name}-", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    svg = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d+\.\d\d)\d+", r"\1", tag[0]), svg)  # coordinates, never text
    return re.sub(r">\s+<", "><", svg)
