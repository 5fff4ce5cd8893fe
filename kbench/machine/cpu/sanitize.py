"""One Op under ThreadSanitizer or AddressSanitizer: each launch in a child process, arrays carried from step to step.

The child is the same shim with a main() (include_shim/kbench/job.h). Under ThreadSanitizer every CUDA thread is a fiber
of its own, ordered only by barriers, __syncwarp and fences with atomics: what it reports is a race on a GPU too.
"""

from __future__ import annotations

import ctypes
import math
import os
import re
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from kbench.errors import DeviceError, KernelFault, SpecError
from kbench.intent.op import Call, HostArray, Launch, Op, dim3
from kbench.machine.arguments import check_arguments
from kbench.machine.binary import Binary
from kbench.machine.cpu.compiler import SHIM
from kbench.machine.cpu.launch import FAULT_KINDS, ORDERS, Conditions
from kbench.machine.cpu.names import names_in
from kbench.machine.layout import Layout, Operand, Table, Transfers, layout

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

_SETTINGS = {
    "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0:exitcode=99:abort_on_error=0",
    "TSAN_OPTIONS": "halt_on_error=1:exitcode=66:history_size=7:report_thread_leaks=0:atexit_sleep_ms=0",
}
_WORKERS, _MOST_FIBERS = 3, 4096  # ThreadSanitizer has room for about 8,000 threads, CUDA's included
_HEADLINE = re.compile(
    r"(?:WARNING|ERROR): (?:Address|Thread)Sanitizer: .*|KBENCH_ERROR code=(\d+) .*|\S+: runtime error: .*"
)
_ACCESS = re.compile(
    r"((?:Previous )?(?:atomic )?(?:read|write) of size \d+)[^\n]*\n((?:\s+#\d+ .*\n)+)", re.IGNORECASE
)
_FRAME = re.compile(r"#\d+ .*?(/\S+:\d+)")


def sanitize(
    op: Op, binaries: Sequence[Binary | None], *, order: str = "forward", seed: int = 1, strict: bool = False,
    workers: int | None = None, timeout_s: float = 120.0,
) -> dict[str, Any]:  # fmt: skip
    """Run all steps once; returns the outputs by name. binaries: one a step, built as "tsan" or "asan" (None for
    copies). workers: threads of the child; blocks of one worker count as ordered. timeout_s: of one launch. Raises
    KernelFault (kind "race", "asan", or what the in-process device says) with the lines of both accesses,
    DeviceError where the sanitizer cannot run here."""
    conditions = Conditions(order, seed, strict, workers or _WORKERS, timeout_s)
    found = layout(op)
    memory: list[Bytes] = [
        np.frombuffer(ctypes.string_at(base.address, base.nbytes), np.uint8).copy() for base in found.bases
    ]
    for step, placed, binary in zip(op.steps, found.steps, binaries, strict=True):
        if isinstance(placed, Transfers):
            _copy(placed, memory)
        elif isinstance(step, Call):
            _call(step, placed, memory)
        else:
            assert isinstance(step, Launch)
            _launch(step, placed, binary, found, memory, conditions)
    return {name: _view(operand, memory).copy() for name, operand in found.outputs.items()}


def _view(operand: Operand, memory: list[Bytes]) -> Any:
    if operand.nbytes == 0:
        return np.empty(operand.shape, operand.dtype)
    return np.ndarray(operand.shape, operand.dtype, memory[operand.base].data, operand.offset, operand.strides)


def _copy(rows: Transfers, memory: list[Bytes]) -> None:
    columns = (rows.dst_base, rows.dst_offset, rows.src_base, rows.src_offset, rows.nbytes)
    for dst, to, src, start, n in zip(*(column.tolist() for column in columns), strict=True):
        memory[dst][to : to + n] = memory[src][start : start + n]


def _call(step: Call, placed: tuple[Any, ...], memory: list[Bytes]) -> None:
    def own(value: Any, where: Any) -> Any:
        if isinstance(where, Table):
            return np.array([memory[o.base].ctypes.data + o.offset for o in where.operands], np.uint64)
        if not isinstance(where, Operand):
            return value
        view = _view(where, memory)
        return HostArray(view, value.pinned) if isinstance(value, HostArray) else view

    step.function(*map(own, step.args, placed))


def _launch(
    step: Launch, placed: tuple[Any, ...], binary: Binary | None, found: Layout, memory: list[Bytes], how: Conditions
) -> None:
    if binary is None:
        raise SpecError("a Launch step needs a compiled kernel")
    tool = binary.target.arch
    if tool not in _TOOLS:
        raise DeviceError(f"a sanitizer run needs a build of mode asan or tsan, not {tool}")
    values = check_arguments(binary.entry, binary.params, step.args)
    operands = [o for p in placed for o in (p.operands if isinstance(p, Table) else (p,)) if isinstance(o, Operand)]
    bases = sorted({operand.base for operand in operands})
    job = _job(step, placed, values, [memory[b] for b in bases], bases, how)
    with tempfile.TemporaryDirectory(prefix="kbench-") as folder:
        (Path(folder) / "job").write_bytes(job)
        command = [*_TOOLS[tool](), binary.path, f"{folder}/job", f"{folder}/result"]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                env={**os.environ, **_SETTINGS},
                timeout=how.timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise KernelFault(f"{binary.entry}: ran past {how.timeout_s:g} s under {tool}", kind="timeout") from error
        if done.returncode:
            names = names_in(found, placed)
            raise _explain(tool, binary.entry, done.returncode, done.stderr, [names[b] for b in bases])
        result = np.fromfile(f"{folder}/result", np.uint8)
    for base, part in zip(bases, np.split(result, np.cumsum([memory[b].size for b in bases])[:-1]), strict=True):
        memory[base][:] = part


def _job(
    step: Launch,
    placed: tuple[Any, ...],
    values: tuple[Any, ...],
    buffers: list[Bytes],
    bases: list[int],
    how: Conditions,
) -> bytes:
    """The file that job.h reads."""

    def place(operand: Operand) -> bytes:
        return struct.pack("<IQ", bases.index(operand.base), operand.offset)

    grid, block = dim3(step.grid), dim3(step.block)
    parts = [struct.pack("<6I", *grid, *block)]
    workers = max(1, min(how.worker_count, _MOST_FIBERS // math.prod(block)))
    parts.append(struct.pack("<4IQ", step.shared_bytes, workers, ORDERS[how.order], how.strict, how.seed))
    parts.append(struct.pack("<I", len(buffers)))
    for buffer in buffers:
        parts += [struct.pack("<Q", buffer.size), buffer.tobytes()]
    parts.append(struct.pack("<I", len(values)))
    for value, where in zip(values, placed, strict=True):
        if isinstance(where, Operand):
            parts += [struct.pack("<I", 1), place(where)]
        elif isinstance(where, Table):
            parts += [struct.pack("<II", 2, len(where.operands)), *map(place, where.operands)]
        else:
            data = value.tobytes()
            parts += [struct.pack("<II", 0, len(data)), data]
    return b"".join(parts)


@cache
def _without_aslr() -> tuple[str, ...]:
    """ThreadSanitizer of older compilers dies where addresses are randomised by more than it expects."""
    tool = shutil.which("setarch")
    if tool and subprocess.run([tool, "-R", "true"], capture_output=True).returncode == 0:
        return (tool, "-R")
    return ()


_TOOLS: dict[str, Callable[[], tuple[str, ...]]] = {"asan": tuple, "tsan": _without_aslr}


def _explain(tool: str, entry: str, code: int, report: str, buffers: list[str]) -> Exception:
    """The exception for a child that ended with `code` and this report on stderr."""
    if re.search(
        r"FATAL: ThreadSanitizer|unexpected memory mapping|AddressSanitizer failed|Shadow memory range", report
    ):
        remedy = (
            "sysctl vm.mmap_rnd_bits=28, or let `setarch -R` work (some containers forbid it), or use a newer compiler"
        )
        return DeviceError(f"{tool} cannot run here: {report.strip().splitlines()[0]}\n{remedy}")
    headline = _HEADLINE.search(report)
    if headline is None and "DEADLYSIGNAL" in report:
        # The report of a fault on a stack that the tool does not know may itself fail.
        return KernelFault(f"{entry}: a wild address under {tool}, which cannot tell where: a plain verify may")
    if headline is None:
        died = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return KernelFault(f"{entry}: the {tool} process {died}\n{report[-1500:]}".rstrip())
    kind = {"asan": "asan", "tsan": "race"}[tool]
    text = headline[0]
    if headline[1]:
        kind, text = FAULT_KINDS[int(headline[1])], re.sub(r"^KBENCH_ERROR code=\d+ ", "", text)
    elif "runtime error" in text:
        kind = "undefined"
    elif tool == "tsan" and text.startswith("ERROR"):
        kind = "fault"  # a signal, which it reports too, and no race
    lines = [f"{entry}: {text}"]
    for access, stack in _ACCESS.findall(report)[:2]:
        lines.append(f"  {access.strip()} at {_own_line(stack)}")
    if found := re.search(r"is located .*|Location is .*", report):
        lines.append(f"  {found[0]}")
    for index, address, _ in re.findall(r"KBENCH_BUFFER (\d+) (0x\w+) (\d+)", report):
        if re.search(rf"region \[{address},", report):
            lines.append(f"  that region is {buffers[int(index)]}")
    if found := re.search(r"KBENCH_WHERE (.*)", report):
        lines.append(f"  {found[1]}")
    return KernelFault("\n".join(lines), kind=kind)


def _own_line(stack: str) -> str:
    """file:line of the first frame that is the user's."""
    places = [place for place in _FRAME.findall(stack) if not place.startswith(str(SHIM))]
    return Path(places[0]).name if places else "an unknown line (no symbolizer)"
