"""The configurations that every harness times, and what a harness reports of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

SOURCE = Path(__file__).with_name("copy48.cu")
SPEC = Path(__file__).with_name("copy48.py")
SIZES = tuple(2**k for k in (16, 20, 24, 28))
LARGE = tuple(2**k for k in (28, 29, 30, 31, 32))
"""From about 100 µs to 2 ms on an H200."""
THREADS = (128, 256, 512, 1024)
VECS = (1, 2, 4)


class Key(NamedTuple):
    """One configuration. nbytes: of the array that is copied (as many are read as are written)."""

    nbytes: int
    threads: int
    vec: int

    @property
    def n(self) -> int:
        return self.nbytes // 4

    @property
    def grid(self) -> int:
        return -(-self.n // (self.threads * self.vec))

    def __str__(self) -> str:
        return "/".join(map(str, self))


def key_of(text: str) -> Key:
    return Key(*map(int, text.split("/")))


@dataclass
class Asked:
    """What a run is about. samples: launches of each configuration under ncu."""

    sizes: tuple[int, ...] = SIZES
    threads: tuple[int, ...] = THREADS
    vecs: tuple[int, ...] = VECS
    device: str = "cuda:0"
    samples: int = 5

    def __iter__(self) -> Iterator[Key]:
        for nbytes in self.sizes:
            for threads in self.threads:
                for vec in self.vecs:
                    yield Key(nbytes, threads, vec)


@dataclass
class Run:
    """One process of one harness. times: seconds by configuration; wall_s: what each took, start and compiling apart;
    winners: by size, those that the harness does not tell from the best; extra: whatever else it says."""

    harness: str
    version: str = ""
    times: dict[str, float] = field(default_factory=dict)
    wall_s: dict[str, float] = field(default_factory=dict)
    winners: dict[int, list[str]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    total_s: float = 0.0

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def run_of(plain: dict[str, Any]) -> Run:
    return Run(**{**plain, "winners": {int(size): names for size, names in plain["winners"].items()}})
