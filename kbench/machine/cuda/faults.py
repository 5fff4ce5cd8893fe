"""CUDA's errors as kbench's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kbench.errors import KernelFault
from kbench.machine.cuda.driver import DriverCallError

_OUT_OF_MEMORY = 2
# Errors after which the context answers nothing but the same error again (driver and runtime share these numbers):
# illegal address, time-out, assertion, stack, instruction, alignment, address space, program counter, launch failure, …
_CONTEXT_LOST = frozenset((214, 220, 226, 700, 702, *range(709, 711), *range(714, 720), 721))


@contextmanager
def faults(what: str = "") -> Iterator[None]:
    """Turn CUDA errors into MemoryError or KernelFault. kind "fault": the context is lost and the process of no more
    use; kind "launch": the call was refused and nothing else happened. `what` names what was being done."""
    from cupy.cuda import driver, runtime

    try:
        yield
    except (driver.CUDADriverError, runtime.CUDARuntimeError, DriverCallError) as error:
        if error.status == _OUT_OF_MEMORY:
            raise MemoryError(str(error)) from error
        kind = "fault" if error.status in _CONTEXT_LOST else "launch"
        raise KernelFault(f"{what}: {error}" if what else str(error), kind=kind) from error
