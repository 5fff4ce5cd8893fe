"""Run a compiled kernel in this process: its library, its packed arguments, and what went wrong in words."""

from __future__ import annotations

import _ctypes
import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kbench.errors import DeviceError, KernelFault, UsageError
from kbench.intent.op import Dim
from kbench.machine.binary import Binary
from kbench.machine.cpu.memory import Region, Watched

ORDERS = {"forward": 0, "reverse": 1, "random": 2}
MAX_WORKERS = 64
# kb::Code in include_shim/kbench/state.h, as kinds of KernelFault
FAULT_KINDS = ("", "fault", "barrier", "deadlock", "undefined", "assert", "timeout", "config", "warp", "trap")


class _Error(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_int32), ("signal", ctypes.c_int32), ("address", ctypes.c_uint64), ("pc", ctypes.c_uint64),
        ("block", ctypes.c_uint32 * 3), ("thread", ctypes.c_uint32 * 3), ("message", ctypes.c_char * 1024),
    )  # fmt: skip


class _Launch(ctypes.Structure):
    """kb::Launch in include_shim/kbench/state.h."""

    _fields_ = (
        ("grid", ctypes.c_uint32 * 3), ("block", ctypes.c_uint32 * 3),
        *((name, ctypes.c_uint32) for name in ("shared_bytes", "workers", "order", "strict", "poison")),
        ("seed", ctypes.c_uint64), ("timeout_s", ctypes.c_double), ("pool", ctypes.POINTER(ctypes.c_void_p)),
        ("error", _Error), ("ns", ctypes.c_uint64), ("switches", ctypes.c_uint64), ("early", ctypes.c_uint64),
        ("static_shared_bytes", ctypes.c_uint32),
    )  # fmt: skip


@dataclass(frozen=True)
class Conditions:
    """How the threads of a launch are run. order: in which threads and blocks start ("forward", "reverse", "random" by
    `seed`); strict: what a GPU leaves undefined is an error; timeout_s: None waits for ever."""

    order: str = "forward"
    seed: int = 1
    strict: bool = False
    workers: int | None = None
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise UsageError(f"unknown thread order {self.order!r} (known: {', '.join(ORDERS)})")

    @property
    def worker_count(self) -> int:
        return min(self.workers or len(os.sched_getaffinity(0)), MAX_WORKERS)


# One launch at a time in a process: its workers use every core, and signal handlers belong to the process.
_serial = threading.Lock()
_idle_workers: list[int] = []  # kb::Worker blocks: stacks and arenas, reused by all libraries


@cache
def _load_libm() -> None:
    """A library linked by zig names no libm: its symbols come from the process. (musl's libc has them anyway.)"""
    with suppress(OSError):
        ctypes.CDLL("libm.so.6", mode=ctypes.RTLD_GLOBAL)


class Library:
    """One compiled kernel, loaded."""

    def __init__(self, binary: Binary) -> None:
        _load_libm()
        self.binary = binary
        try:
            lib = ctypes.CDLL(binary.path)
        except OSError as error:
            raise DeviceError(f"cannot load {binary.path}: {error} (remove it to compile it again)") from error
        self._handle: int | None = lib._handle
        self.launch = lib.kbench_launch
        self._worker = lib.kbench_worker
        self._worker.restype = ctypes.c_void_p
        self.copies = lib.kbench_copies
        self.copies.restype = ctypes.c_uint64
        self.copies.argtypes = [ctypes.c_uint64, *[ctypes.c_void_p] * 3]

    def workers(self, count: int) -> list[int]:
        """Take workers from the pool; the caller holds the lock and gives them back."""
        while len(_idle_workers) < count:
            made = self._worker()
            if not made:
                raise MemoryError("cannot map the stacks of another worker")
            _idle_workers.append(made)
        return _idle_workers[:count]

    def close(self) -> None:
        if self._handle is not None:
            _ctypes.dlclose(self._handle)
            self._handle = None


class PreparedLaunch:
    """A launch whose arguments are packed once, so that running it again costs little Python.

    arguments: the bytes of each parameter. read_only: regions that the kernel may not write. watched: every region that
    it may reach, with its name.
    """

    def __init__(
        self, library: Library, *, grid: Dim, block: Dim, shared_bytes: int, arguments: Sequence[bytes],
        conditions: Conditions, read_only: Sequence[Region] = (), watched: Sequence[Watched] = (),
    ) -> None:  # fmt: skip
        self._library, self._read_only, self._watched = library, tuple(read_only), tuple(watched)
        self._values = [ctypes.create_string_buffer(data, max(len(data), 1)) for data in arguments]
        pointers = [ctypes.addressof(value) for value in self._values]
        self._argv = (ctypes.c_void_p * max(len(pointers), 1))(*pointers)
        self._pool = (ctypes.c_void_p * conditions.worker_count)()
        most = 2**32 - 1  # clipped, not wrapped: the launcher refuses such a grid
        self._launch = _Launch(
            grid=tuple(min(n, most) for n in grid), block=tuple(min(n, most) for n in block),
            shared_bytes=min(shared_bytes, most), workers=conditions.worker_count, order=ORDERS[conditions.order],
            strict=conditions.strict, poison=1, seed=conditions.seed, timeout_s=conditions.timeout_s or 0.0,
            pool=ctypes.cast(self._pool, ctypes.POINTER(ctypes.c_void_p)),
        )  # fmt: skip

    def run(self) -> int:
        """Launch and wait; returns the launcher's own nanoseconds. Raises KernelFault."""
        with _serial:
            for index, worker in enumerate(self._library.workers(len(self._pool))):
                self._pool[index] = worker
            for region in self._read_only:
                region.protect(writable=False)
            try:
                failed = self._library.launch(ctypes.byref(self._launch), self._argv)
            finally:
                for region in self._read_only:
                    region.protect(writable=True)
        if failed:
            raise self._fault()
        return int(self._launch.ns)

    @property
    def early_exit_barriers(self) -> int:
        """How many barriers of the last run some thread had already passed by returning."""
        return int(self._launch.early)

    def _fault(self) -> KernelFault:
        error, binary = self._launch.error, self._library.binary
        kind, message = FAULT_KINDS[error.code], error.message.decode(errors="replace")
        if kind == "fault" and error.address:
            near = next((w for w in self._watched if w.region.holds(error.address)), None)
            message += near.where(error.address) if near else f" at {error.address:#x}, far from every array"
        if error.pc and (place := _source_line(binary.path, error.pc)):
            message += f" at {place}"
        if kind != "config":
            message += f" [block {tuple(error.block)}, thread {tuple(error.thread)}]"
        return KernelFault(f"{binary.entry}: {message}", kind=kind)


@cache
def _source_line(library: str, pc: int) -> str | None:
    """file:line of a program counter; None without binutils' addr2line or debug information."""
    tool = shutil.which("addr2line")
    if tool is None:
        return None
    done = subprocess.run([tool, "-e", library, hex(pc)], capture_output=True, text=True)
    place = done.stdout.split("\n")[0].split(" ")[0]
    return None if place.startswith("??") or not place else Path(place).name
