"""Measured ceilings of one device, per read:write mix and working set: measured once, kept, and found again for a row.

Roofs are measured at powers of two (see survey.py). Between two of them the *time* is interpolated, which is what a
latency and a bandwidth make of it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from kbench.experiment.result import Result, Roof
from kbench.intent.plan import Planned
from kbench.intent.traffic import Traffic
from kbench.machine.build import cache_dir
from kbench.machine.device import DeviceInfo

VERSION = 2
"""Of the roof kernels and of how they are measured: raise it where a roof may come out differently."""

MIXES = {"read": 1.0, "mix 2:1": 2 / 3, "copy": 0.5, "mix 1:2": 1 / 3, "write": 0.0}
"""Bytes read over bytes moved."""
DEVICES = ("cuda", "cpu")
"""The kinds of device that the roof kernels are for; another one has no roofs."""
LINKS = ("h2d", "d2h", "h2d pageable", "d2h pageable")
FLOPS = ("fp32", "fp16")
L2 = ("L2 read", "L2 copy")
SMALLEST, LARGEST, LARGEST_LINK = 2**16, 2**32, 2**28
SHARE_OF_MEMORY = 16
"""A roof touches at most one 16th of the device's memory: inputs, references and guarded copies stand beside it."""


class Point(NamedTuple):
    """A roof that is wanted. clock: as asked for ("auto" included)."""

    kind: str
    nbytes: int
    clock: str
    cache: str


class _Entry(msgspec.Struct, frozen=True):
    asked: str
    roof: Roof


class _File(msgspec.Struct, frozen=True):
    version: int
    device: str
    entries: tuple[_Entry, ...]


class Roofs:
    """The roofs of one device and driver, kept in the cache folder."""

    def __init__(self, info: DeviceInfo, entries: Iterable[_Entry] = (), *, path: Path | None = None) -> None:
        self.info = info
        self._path = path or _path(info)
        self._points: dict[Point, Roof] = {
            Point(e.roof.kind, e.roof.nbytes, e.asked, e.roof.cache): e.roof for e in entries
        }

    @classmethod
    def load(cls, info: DeviceInfo) -> Roofs:
        """What is known of a device; nothing, where its driver or the way of measuring has changed since."""
        path = _path(info)
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=_File)
        except FileNotFoundError:
            return cls(info, path=path)
        except (OSError, msgspec.MsgspecError):
            return cls(info, path=path)  # unreadable or damaged: a cache is measured again
        return cls(info, kept.entries if kept.version == VERSION else (), path=path)

    def save(self) -> None:
        """Raises OSError."""
        entries = tuple(_Entry(point.clock, roof) for point, roof in self._points.items())
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(msgspec.json.encode(_File(VERSION, self.info.label, entries)))
        partial.replace(self._path)

    @property
    def all(self) -> tuple[Roof, ...]:
        """One for each clock: where it was asked for by name and by `auto`, the higher one."""
        highest: dict[Point, Roof] = {}
        for roof in self._points.values():
            point = Point(roof.kind, roof.nbytes, roof.clock, roof.cache)
            if point not in highest or roof.value > highest[point].value:
                highest[point] = roof
        return tuple(highest.values())

    def add(self, asked: str, roof: Roof) -> None:
        """Keep a roof; of two for the same point the higher one."""
        point = Point(roof.kind, roof.nbytes, asked, roof.cache)
        known = self._points.get(point)
        if known is None or roof.value > known.value or roof.unit == "s":
            self._points[point] = roof

    def missing(self, wanted: Iterable[Planned], max_bytes: int | None = None) -> list[Point]:
        """The points that rows of these configurations need and that are not there, smallest first."""
        return self.without(sorted({p for planned in wanted for p in _needed(self.info, planned, max_bytes)}))

    def without(self, points: Iterable[Point]) -> list[Point]:
        """Those of the points that are not there."""
        return [p for p in points if p not in self._points]

    def find(self, traffic: Traffic, clock: str, cache: str) -> Roof | None:
        """The roof of a mix and working set, interpolated; of the same clock where there is one, and the highest of it.

        Else of another clock, which it names; None where nothing of that kind was measured in that cache state.
        """
        kind, nbytes = _kind(self.info, traffic), traffic.useful_bytes
        same = [r for r in self.all if r.kind == kind and r.cache == cache and r.nbytes]
        curve = {r.nbytes: r for r in sorted(same, key=lambda r: r.clock == clock)}
        if not curve or not nbytes:
            return None
        below = max((n for n in curve if n <= nbytes), default=min(curve))
        above = min((n for n in curve if n >= nbytes), default=max(curve))
        return _between(curve[below], curve[above], nbytes)

    def put_on(self, result: Result) -> Result:
        """The row with its roof, where it was measured and has one."""
        if result.measurement is None:
            return result
        found = self.find(result.traffic, result.measurement.clock, result.measurement.cache)
        return msgspec.structs.replace(result, roof=found)


def _between(low: Roof, high: Roof, nbytes: int) -> Roof:
    if low.nbytes == high.nbytes or not low.nbytes < nbytes < high.nbytes:
        return low if nbytes <= low.nbytes else high
    share = (nbytes - low.nbytes) / (high.nbytes - low.nbytes)
    time_s = (1 - share) * low.nbytes / low.value + share * high.nbytes / high.value
    how = f"between {low.nbytes} B ({low.how}) and {high.nbytes} B ({high.how})"
    return msgspec.structs.replace(high, value=nbytes / time_s, nbytes=nbytes, how=how)


def _path(info: DeviceInfo) -> Path:
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{info.uid}-{info.driver or 'no-driver'}")
    return cache_dir() / "roofs" / f"{name}.json"


def _kind(info: DeviceInfo, traffic: Traffic) -> str:
    if traffic.link_bytes:
        direction = "h2d" if traffic.bytes_h2d >= traffic.bytes_d2h else "d2h"
        return f"{direction} pageable" if traffic.pageable and info.kind != "cpu" else direction
    if info.kind == "cpu":
        return "copy"
    share = traffic.bytes_read / max(traffic.useful_bytes, 1)
    return min(MIXES, key=lambda kind: abs(MIXES[kind] - share))


def sizes(info: DeviceInfo, kind: str, max_bytes: int | None) -> tuple[int, int]:
    """The smallest and the largest working set to measure."""
    limits = [LARGEST_LINK if kind in LINKS else LARGEST]
    if info.memory_bytes:
        limits.append(info.memory_bytes // SHARE_OF_MEMORY)
    if max_bytes and info.kind == "cpu":
        limits.append(max_bytes // 2)  # source and destination count, and so must both fit
    return SMALLEST, max(SMALLEST, 2 ** int(math.log2(min(limits))))


def _needed(info: DeviceInfo, planned: Planned, max_bytes: int | None) -> Iterator[Point]:
    traffic, config = planned.traffic, planned.config
    if not traffic.useful_bytes or info.kind not in DEVICES:
        return
    kind = _kind(info, traffic)
    smallest, largest = sizes(info, kind, max_bytes)
    size = min(max(traffic.useful_bytes, smallest), largest)
    for nbytes in {2 ** (size.bit_length() - 1), 2 ** (size - 1).bit_length()}:
        yield Point(kind, nbytes, config.clock, config.cache)
    if traffic.flops and info.kind != "cpu":
        yield from (Point(kind, 0, config.clock, config.cache) for kind in FLOPS)
