"""One point of a sweep: a kernel and a value for each of its axes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

Value = bool | int | float | str


def format_value(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class Config(msgspec.Struct, frozen=True):
    """id: `copy_blocks[dtype=float16,pairs=256,threads=256,variant=uint4]`, axes sorted; the join key everywhere.

    axes: what is passed to the spec. tuning: the names among them that are being chosen; the others state the problem.
    cache, clock: how to measure; part of the id where they are not the defaults (cold, auto).
    """

    kernel: str
    axes: dict[str, Value]
    tuning: tuple[str, ...] = ()
    cache: str = "cold"
    clock: str = "auto"

    def _named(self, axes: Mapping[str, Value]) -> str:
        shown = dict(axes)
        if self.cache != "cold":
            shown["cache"] = self.cache
        if self.clock != "auto":
            shown["clock"] = self.clock
        return f"{self.kernel}[{','.join(f'{k}={format_value(v)}' for k, v in sorted(shown.items()))}]"

    @property
    def id(self) -> str:
        return self._named(self.axes)

    @property
    def problem(self) -> str:
        """The id without the tuning axes: what "best" and "gain over naive" compare within."""
        return self._named({k: v for k, v in self.axes.items() if k not in self.tuning})

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.id.encode()).hexdigest()


def keys(configs: Iterable[Config]) -> dict[str, str]:
    """A short key for each id: 8 hex digits of its hash, more where two collide."""
    digests = {c.id: c.digest for c in configs}
    length = 8
    while len({d[:length] for d in digests.values()}) < len(digests):
        length += 1
    return {name: digest[:length] for name, digest in digests.items()}
