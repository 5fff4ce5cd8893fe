"""One way to run one kernel in all tests of the cpu device: on copies of the arrays, which come back as a list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kbench.intent.op import HostArray, Launch, Op
from kbench.machine.binary import Binary, Target
from kbench.machine.build import BuildRequest, build, build_all
from kbench.machine.cpu.device import CpuDevice

KERNELS = Path(__file__).parent / "kernels"


def op_of(grid: Any, block: Any, args: Sequence[Any], shared_bytes: int = 0) -> Op:
    """An Op of one launch whose outputs are all its array arguments, named by their index."""
    outputs = {str(i): (a, a) for i, a in enumerate(args) if isinstance(a, (np.ndarray, HostArray))}
    launch = Launch(grid=grid, block=block, args=args, shared_bytes=shared_bytes)
    return Op(steps=(launch,), outputs=outputs, bytes_read=1)


class Runner:
    """compile(file, entry) and run(file, entry, grid, block, args); a file is a path or a name in kernels/."""

    def __init__(self) -> None:
        self.device = CpuDevice()

    def compile(self, file: str | Path, entry: str, mode: str = "check") -> Binary:
        return build(BuildRequest(str(KERNELS / file), entry, Target("cpu", mode)))

    def compile_all(self, file: str | Path, entries: Sequence[str], mode: str = "check") -> None:
        """Fill the cache with the compilers side by side; a later `compile` reports what failed."""
        list(build_all([BuildRequest(str(KERNELS / file), entry, Target("cpu", mode)) for entry in entries]))

    def run(
        self, file: str | Path, entry: str, grid: Any, block: Any, args: Sequence[Any], *,
        shared_bytes: int = 0, mode: str = "check", **options: Any,
    ) -> dict[int, Any]:  # fmt: skip
        """Launch once; returns the array arguments by index as they are then. Fails if memory around one changed."""
        op = op_of(grid, block, args, shared_bytes)
        bound = self.device.bind(op, [self.compile(file, entry, mode)], **options)
        try:
            bound.run()
            assert bound.damaged() is None, bound.damaged()
            return {int(name): bound.read(name) for name in op.outputs}
        finally:
            bound.close()


@pytest.fixture(scope="session")
def cpu() -> Runner:
    return Runner()
