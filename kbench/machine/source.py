"""A .cu file with every header it includes, and hashes that see all of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from kbench.errors import BuildError

_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.MULTILINE)


@cache
def bundled(folder: str) -> Path:
    """A folder that ships with kbench ("kernels_cu" or "suites"): beside the package in a checkout, inside it in a
    wheel."""
    package = Path(__file__).resolve().parent.parent
    inside = package / folder
    return inside if inside.is_dir() else package.parent / folder


def include_dirs(source: Path) -> tuple[Path, ...]:
    """Where a kernel's quoted headers are looked up: its own folder, include/ in it, and kbench's own include/."""
    return (source.parent, source.parent / "include", bundled("kernels_cu") / "include")


def closure(source: Path) -> dict[str, bytes]:
    """The contents of `source` and of every header it reaches in its include_dirs, by path. System headers are not
    followed: the compiler's version stands for them. Raises BuildError if the source cannot be read."""
    found: dict[str, bytes] = {}
    dirs = include_dirs(source)
    todo = [source]
    while todo:
        path = todo.pop()
        if str(path) in found:
            continue
        try:
            found[str(path)] = path.read_bytes()
        except OSError as error:
            raise BuildError(f"cannot read {path}: {error.strerror}") from error
        for name in _INCLUDE.findall(found[str(path)]):
            candidates = (folder / name.decode(errors="replace") for folder in (path.parent, *dirs))
            todo.extend([c.resolve() for c in candidates if c.is_file()][:1])
    return found


def digest(source: Path, *parts: str) -> str:
    """A hash of everything that `closure` sees, and of `parts`. Paths do not enter it, so a moved tree keeps its
    cache."""
    return hash_of([*sorted(closure(source).values()), *(p.encode() for p in parts)])


def hash_of(parts: Iterable[bytes]) -> str:
    h = hashlib.sha256()
    for part in parts:
        h.update(len(part).to_bytes(8, "little"))
        h.update(part)
    return h.hexdigest()
