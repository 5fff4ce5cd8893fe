"""What `kbench profile` launches under a profiler: which range holds which configuration, and how many launches.

One line of JSON for each configuration, written as soon as it is known, so that a run that dies keeps the others.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from kbench.intent.config import Config
from kbench.machine.device import DeviceInfo


class Promised(msgspec.Struct, frozen=True):
    """range: the name of its NVTX range, KERNEL.KEY. ok: it ran, `runs` times its whole Op in its phase `samples`;
    launches: of its own kernels in all of these runs together (copies, fills and library calls come on top). message:
    why it did not run. source: hash of what it was made from. on_gpu: a tool can see its launches."""

    range: str
    key: str
    config: Config
    device: DeviceInfo
    ok: bool
    message: str = ""
    runs: int = 0
    launches: int = 0
    source: str = ""

    @property
    def on_gpu(self) -> bool:
        return self.device.kind == "cuda"


def append(path: Path, promised: Promised) -> None:
    with path.open("ab") as file:
        file.write(msgspec.json.encode(promised) + b"\n")


def load(path: Path) -> list[Promised]:
    """Those that were written as a whole, each once, however often the tool ran the process; none where there is no
    file."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
    found: dict[str, Promised] = {}
    for line in lines:
        one = msgspec.json.decode(line, type=Promised)
        found.setdefault(one.range, one)
    return list(found.values())
