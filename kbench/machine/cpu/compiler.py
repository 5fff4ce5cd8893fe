"""Compile one instantiation for the host: the translated source behind our CUDA shim, by a C++ compiler.

Build modes (Target.arch): "fast"; "check", with checks for undefined behaviour whose handlers are the shim's own;
"asan" and "tsan", executables for sanitize.py.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from kbench.errors import BuildError, CannotBuild, DeviceError, UsageError
from kbench.machine.arguments import normal_ctype
from kbench.machine.binary import Binary, Param, Target
from kbench.machine.build import BuildRequest, cache_dir
from kbench.machine.cpu.translate import translate
from kbench.machine.source import closure, hash_of, include_dirs

SHIM = Path(__file__).resolve().parent / "include_shim"
MODES = ("fast", "check", "asan", "tsan")

# Same bits with every compiler: no contraction to fma, no -march, two's complement.
_COMMON = (
    *("-std=c++17", "-g1", "-fPIC", "-pthread", "-fvisibility=hidden", "-fno-rtti", "-fno-exceptions"),
    *("-ffp-contract=off", "-fno-strict-aliasing", "-fno-math-errno", "-fstack-clash-protection"),
    *("-Wno-unknown-pragmas", "-Wno-attributes", "-Wno-psabi"),
)
_CLANG = ("-Wno-pass-failed", "-Wno-unknown-warning-option")
_UNDEFINED = "alignment,bounds,shift-exponent,signed-integer-overflow,integer-divide-by-zero"
_PARAMS = re.compile(rb"kbench-params\{((?:[Ppv]\d{10}[^\n]*\n)*)\}")
_MACHINE = re.compile(
    r"No space left on device|Read-only file system|[Oo]ut of memory|virtual memory exhausted|Cannot allocate memory|"
    r"[Kk]illed signal terminated program|Disk quota exceeded|Too many open files"
)
_TYPE = re.compile(r"\[(?:with )?T = (.*)\]$")


@dataclass(frozen=True)
class HostCompiler:
    """command: how to call it; version: its first line of --version; clang, zig: what it is."""

    command: tuple[str, ...]
    version: str

    @property
    def clang(self) -> bool:
        return "clang" in self.version or self.zig

    @property
    def zig(self) -> bool:
        return "ziglang" in self.command or Path(self.command[0]).name == "zig"

    def flags(self, mode: str) -> list[str]:
        """Compiler flags of a build mode."""
        if self.zig and mode == "asan":
            raise DeviceError("zig ships no AddressSanitizer runtime: install g++ or clang++ and set KBENCH_CXX to it")
        common = [*_COMMON, *(_CLANG if self.clang else ())]
        if self.zig:
            common.append("-fno-sanitize=undefined")  # zig turns it on by itself
        if mode == "fast":
            return [*common, "-O2", "-fwrapv"]
        if mode == "tsan":
            return [*common, "-O1", "-fsanitize=thread", "-fno-omit-frame-pointer"]
        kinds = _UNDEFINED.replace("bounds", "array-bounds") if self.clang else _UNDEFINED
        checks = [f"-fsanitize={kinds}", f"-fno-sanitize-recover={kinds}"]
        if mode == "check":
            return [*common, "-O1", "-DKB_CHECK", *checks]  # for answers, not for speed: a third less compile time
        # clang's ASan runtime has handlers of its own for undefined behaviour
        own = [] if self.clang else ["-DKB_CHECK"]
        return [*common, "-O1", *own, *checks, "-fsanitize=address", "-fno-omit-frame-pointer"]


def host_compiler() -> HostCompiler:
    """$KBENCH_CXX, $CXX, g++, clang++, c++, or the PyPI package ziglang. Raises CannotBuild where there is none."""
    if sys.platform == "win32":
        raise DeviceError("the cpu device needs Linux (WSL will do): Windows has neither its signals nor its mmap")
    for name in ("KBENCH_CXX", "CXX"):
        if os.environ.get(name):
            return _probe(tuple(shlex.split(os.environ[name])))
    for command in ("g++", "clang++", "c++"):
        if found := shutil.which(command):
            return _probe((found,))
    if _has_ziglang():
        return _probe((sys.executable, "-m", "ziglang", "c++"))
    raise CannotBuild("no C++ compiler found: install g++ or clang++, or `pip install ziglang`, or set KBENCH_CXX")


def _has_ziglang() -> bool:
    from importlib.util import find_spec

    return find_spec("ziglang") is not None


@functools.cache
def _probe(command: tuple[str, ...]) -> HostCompiler:
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, env=_environment(), check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        log = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
        raise CannotBuild(
            f"the C++ compiler does not run: {shlex.join(command)} (set KBENCH_CXX)", log=log or ""
        ) from error
    return HostCompiler(command, done.stdout.splitlines()[0].strip())


def _environment() -> dict[str, str]:
    """English messages, and zig's caches in ours: it must work without a home directory."""
    zig = str(cache_dir() / "zig")
    return {**os.environ, "LC_ALL": "C", "ZIG_GLOBAL_CACHE_DIR": zig, "ZIG_LOCAL_CACHE_DIR": zig}


@functools.cache
def _shim_hash() -> str:
    files = [
        *sorted(p for p in SHIM.rglob("*") if p.is_file()),
        Path(__file__),
        Path(__file__).with_name("translate.py"),
    ]
    return hash_of(part for file in files for part in (str(file.name).encode(), file.read_bytes()))


def identity(target: Target) -> str:
    """Everything of ours and of the compiler's that a Binary depends on: version, command, flags, shim."""
    cxx = host_compiler()
    return " ".join([cxx.version, *cxx.command, *cxx.flags(_mode(target)), _shim_hash()])


def _mode(target: Target) -> str:
    if target.arch not in MODES:
        raise UsageError(f"the cpu device has no build mode {target.arch!r} (known: {', '.join(MODES)})")
    return target.arch


def compile(request: BuildRequest, folder: Path, key: str) -> Binary:
    """Compile request.entry into `folder`: a shared library, or an executable for a sanitizer. Of request.options only
    -I, -D, -U and -std are meant for a host compiler; the others are named in the log. Raises BuildError with the
    compiler's log, whose lines are those of the user's own files, and DeviceError where a sanitizer cannot be linked.
    """
    cxx, mode = host_compiler(), _mode(request.target)
    started = time.perf_counter()
    more, macros, ignored = _options(request)
    # zig looks into libc++'s folder before an -isystem one, and libc++'s <cassert> would bring the host's assert().
    shim = ("-I", str(SHIM)) if cxx.zig else ("-isystem", str(SHIM))
    flags = [*cxx.flags(mode), *more, *_write_sources(request, folder, macros), *shim]
    source, output = folder / "kernel.cpp", folder / ("kernel" if mode in ("asan", "tsan") else "kernel.so")
    if mode in ("asan", "tsan"):
        program = [*(f for f in flags if f != "-fPIC"), "-DKB_JOB"]
        log = _run(cxx, [*cxx.command, *program, str(source), "-o", str(output)], request, folder, key)
    else:
        # Two steps: linking with the sanitizer flags would pull in its runtime library.
        compiled = folder / "kernel.o"
        log = _run(cxx, [*cxx.command, *flags, "-c", str(source), "-o", str(compiled)], request, folder, key)
        log += _run(cxx, _link_command(cxx, compiled, output), request, folder, key)
        compiled.unlink()
    if ignored:
        log += f"not for the cpu, ignored: {' '.join(ignored)}\n"
    _clean(folder, output)
    return Binary(
        entry=request.entry, symbol="kbench_launch", path=str(output), target=request.target, compiler=cxx.version,
        params=_params(output), key=key, size_bytes=output.stat().st_size, compile_s=time.perf_counter() - started,
        log=log,
    )  # fmt: skip


def _link_command(cxx: HostCompiler, compiled: Path, output: Path) -> list[str]:
    if cxx.zig and sys.platform == "linux":
        # Its own libc would first have to be built; the Python process that loads this library has one already.
        return [*cxx.command[:-1], "ld.lld", "-shared", str(compiled), "-o", str(output)]
    return [*cxx.command, "-shared", "-pthread", str(compiled), "-lm", "-o", str(output)]


def _options(request: BuildRequest) -> tuple[list[str], list[str], list[str]]:
    """What of a kernel's (NVRTC) options the host compiler gets, macro definitions as source lines, and the rest.

    Macros are defined behind the shim: on the command line, -DT=4 would change the shim's own templates.
    """
    flags: list[str] = []
    ignored: list[str] = []
    macros = [f"-D{define}" for define in request.defines]
    for option in request.options:
        plain = option[1:] if option.startswith("--std") else option
        kind = macros if plain[:2] in ("-D", "-U") else flags if plain.startswith(("-I", "-std=")) else ignored
        kind.append(plain)
    lines = []
    for macro in macros:
        name, equals, value = macro[2:].partition("=")
        lines.append(f"#undef {name}" if macro.startswith("-U") else f"#define {name} {value if equals else 1}")
    return flags, lines, ignored


def _write_sources(request: BuildRequest, folder: Path, macros: list[str]) -> list[str]:
    """kernel.cpp, and translated copies of the headers it reaches; returns the include flags."""
    source = Path(request.source).resolve()
    files = closure(source)
    body = _numbered(source, files.pop(str(source)))
    dirs = include_dirs(source)
    mirrors = [folder / f"include{i}" for i in range(len(dirs))]
    for name, text in files.items():
        copies = [
            mirror / Path(name).relative_to(directory.resolve())
            for directory, mirror in zip(dirs, mirrors, strict=True)
            if Path(name).is_relative_to(directory.resolve())
        ]
        for copy in copies:
            copy.parent.mkdir(parents=True, exist_ok=True)
            if copy == copies[0]:
                copy.write_text(_numbered(Path(name), text))
            else:  # one file under two names, or #pragma once would not see that they are the same
                copy.hardlink_to(copies[0])
    parts = ['#include "kbench_cpu.h"', *macros, body, '#line 1 "<entry>"', f"KB_EXPORT({request.entry})", ""]
    (folder / "kernel.cpp").write_text("\n".join(parts))
    return [f"-I{d}" for d in (*(m for m in mirrors if m.is_dir()), *dirs)]


def _numbered(path: Path, text: bytes) -> str:
    """A translated file whose lines the compiler reports as those of `path`."""
    quoted = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'#line 1 "{quoted}"\n{translate(text.decode(errors="replace"))}\n'


def _run(cxx: HostCompiler, command: list[str], request: BuildRequest, folder: Path, key: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=_environment())
    if done.returncode == 0:
        return done.stderr
    tool = request.target.arch
    if tool in ("asan", "tsan") and re.search(rf"cannot find .*{tool}|libclang_rt|lib{tool}", done.stderr):
        raise DeviceError(
            f"{cxx.version} cannot link {tool}: install its sanitizer runtime (lib{tool}), or set KBENCH_CXX to a "
            f"compiler that has it\n{done.stderr.strip()}"
        )
    if done.returncode < 0 or _MACHINE.search(done.stderr):
        raise CannotBuild(f"{cxx.version} could not compile {request.entry} on this machine", log=done.stderr)
    kept = cache_dir() / "failed" / key  # so that the command below can be run
    shutil.copytree(folder, kept, dirs_exist_ok=True)
    again = shlex.join(command).replace(str(folder), str(kept))
    raise BuildError(
        f"{request.entry} does not compile for the cpu", log=done.stderr.replace(str(folder), str(kept)), command=again
    )


def _clean(folder: Path, output: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path != output:
            path.unlink()


def _params(library: Path) -> tuple[Param, ...]:
    """The kernel's parameters, from the text that the shim leaves in the library (include_shim/kbench/exports.h)."""
    found = _PARAMS.search(library.read_bytes())
    if not found:
        raise BuildError(f"{library} carries no parameter list")
    kinds = {"P": "pointer", "p": "const", "v": "value"}
    params = []
    for line in found[1].decode().splitlines():
        match = _TYPE.search(line)
        params.append(Param(kinds[line[0]], normal_ctype(match[1]) if match else "", int(line[1:11])))
    return tuple(params)
