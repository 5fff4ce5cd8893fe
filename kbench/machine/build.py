"""Compile instantiations of .cu files for any target, without a device, through a cache that sees header edits."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import msgspec

from kbench.errors import CannotBuild, KbenchError, NoCache, UsageError
from kbench.machine.binary import Binary, Target
from kbench.machine.source import digest

if TYPE_CHECKING:
    from kbench.intent.plan import Instantiation


class BuildRequest(msgspec.Struct, frozen=True):
    """One instantiation: a source file, a C++ name expression in it, what to compile for, compiler options and -D
    defines."""

    source: str
    entry: str
    target: Target
    options: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()


def request_of(what: Instantiation, target: Target) -> BuildRequest:
    """An instantiation that a plan needs, for one target."""
    return BuildRequest(what.source, what.entry, target, what.options, what.defines)


def cache_dir() -> Path:
    """$XDG_CACHE_HOME/kbench, or ~/.cache/kbench."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kbench"


def _compiler(target: Target) -> ModuleType:
    """The module that compiles for a target: `identity(target)` names compiler and version, `compile(request, folder,
    key)` returns a Binary
    whose file lies in `folder`; both raise BuildError."""
    if target.device == "cuda":
        from kbench.machine.cuda import nvrtc

        return nvrtc
    from kbench.machine.cpu import compiler

    return compiler


def build(request: BuildRequest) -> Binary:
    """The Binary of a request, from the cache if nothing that went into it has changed. Raises BuildError, and
    UsageError for a target that its compiler does not know."""
    compiler = _compiler(request.target)
    key = digest(
        Path(request.source), request.entry, repr(request.target), repr(request.options), repr(request.defines),
        compiler.identity(request.target),
    )[:32]  # fmt: skip
    home = cache_dir() / "binaries"
    meta = home / key / "binary.json"
    if meta.is_file():
        found = msgspec.json.decode(meta.read_bytes(), type=Binary)
        if Path(found.path).is_file():
            return found
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as scratch:
            binary: Binary = compiler.compile(request, Path(scratch), key)
            final = home / key
            final.mkdir(exist_ok=True)
            for file in Path(scratch).iterdir():
                file.replace(final / file.name)
            binary = msgspec.structs.replace(binary, path=str(final / Path(binary.path).name))
            partial = final / f"binary.json.{os.getpid()}"
            partial.write_bytes(msgspec.json.encode(binary))
            partial.replace(meta)
    except OSError as error:
        raise NoCache(f"cannot write the compile cache in {home}: {error.strerror} (set XDG_CACHE_HOME)") from error
    return binary


def build_all(
    requests: Iterable[BuildRequest], threads: int | None = None
) -> Iterator[tuple[BuildRequest, Binary | KbenchError]]:
    """Build many in parallel threads; yields each request with its Binary, or with the error that it raised, in order.

    Raises CannotBuild and UsageError: they are no single request's."""

    def attempt(request: BuildRequest) -> Binary | KbenchError:
        try:
            return build(request)
        except (CannotBuild, UsageError):
            raise
        except KbenchError as error:
            return error

    wanted = list(requests)
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        yield from zip(wanted, pool.map(attempt, wanted), strict=True)
