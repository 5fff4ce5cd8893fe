"""One open GPU for all tests that need one; `run` binds an Op of the kernels in device_kernels.cu."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).with_name("device_kernels.cu")


@pytest.fixture(scope="session")
def gpu() -> Iterator[Any]:
    from kbench.machine.cuda.device import CudaDevice

    device = CudaDevice()
    yield device
    device.close()


@pytest.fixture
def bind(gpu: Any) -> Iterator[Callable[..., Any]]:
    """bind(step, …, outputs={name: array}): the Bound of these steps; closed after the test."""
    from kbench.intent.op import Launch, Op
    from kbench.machine.build import BuildRequest, build

    made = []

    def binary(step: Any) -> Any:
        return build(BuildRequest(str(SOURCE), step.entry, gpu.target())) if isinstance(step, Launch) else None

    def make(*steps: Any, outputs: dict[str, Any], **op: Any) -> Any:
        whole = Op(steps=steps, outputs={k: (v, v) for k, v in outputs.items()}, **({"bytes_read": 1} | op))
        made.append(gpu.bind(whole, [binary(step) for step in steps]))
        made[-1].restore({})
        return made[-1]

    yield make
    for bound in made:
        bound.close()
