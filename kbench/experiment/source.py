"""Which source a row was made from, so that a sweep can be resumed: it counts as done while this has not changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kbench.errors import BuildError
from kbench.intent.plan import Planned
from kbench.machine.source import digest, hash_of


class Sources:
    """Hashes of sources as they are now; files are read once for each kernel."""

    def __init__(self) -> None:
        self._files: dict[tuple[Path, Path, bool], str] = {}

    def of(self, planned: Planned) -> str:
        """A hash of the spec with the private modules (_*.py) beside it, of the .cu file with its headers, and of what
        is compiled: entries, options, defines. "" where a file cannot be read: such a row is never done."""
        compiled = [(i.entry, i.options, i.defines) for i in planned.instantiations if i is not None]
        try:
            files = self._of_files(planned, bool(compiled))
        except (BuildError, OSError):
            return ""
        return hashlib.sha256(f"{files}\0{compiled!r}".encode()).hexdigest()[:16]

    def _of_files(self, planned: Planned, compiled: bool) -> str:
        spec, source = planned.kernel.spec_path, planned.kernel.source
        key = (spec, source, compiled)
        if key not in self._files:
            python = [p.read_bytes() for p in (spec, *sorted(spec.parent.glob("_*.py")))]
            cuda = digest(source) if compiled else ""
            self._files[key] = hash_of([cuda.encode(), *python])
        return self._files[key]
