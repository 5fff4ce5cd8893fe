"""What an Op declares that it moves and computes."""

from __future__ import annotations

import msgspec

from kbench.intent.memory import operands
from kbench.intent.op import HostArray, Op, whole

SECTOR = 32


class Traffic(msgspec.Struct, frozen=True):
    """Declared traffic of one execution, in bytes; see kbench.intent.op.Op for the meaning of each count. pageable:
    some of it is in host memory that is not page-locked."""

    bytes_read: int = 0
    bytes_written: int = 0
    sectors_read: int = 0
    sectors_written: int = 0
    bytes_h2d: int = 0
    bytes_d2h: int = 0
    flops: int = 0
    formula: str = ""
    items: dict[str, int] = {}
    pageable: bool = False

    @property
    def link_bytes(self) -> int:
        return self.bytes_h2d + self.bytes_d2h

    @property
    def useful_bytes(self) -> int:
        """What achieved bandwidth counts: the link's bytes where the Op is a transfer, else device bytes read +
        written."""
        return self.link_bytes or self.bytes_read + self.bytes_written

    @property
    def intensity(self) -> float:
        """Arithmetic intensity, flop per useful device byte."""
        return self.flops / max(self.bytes_read + self.bytes_written, 1)


def traffic_of(op: Op) -> Traffic:
    """The Traffic that an Op declares; sectors default to the useful bytes rounded up to whole 32-byte sectors.
    Raises SpecError."""

    def rounded(name: str, useful: int) -> int:
        given = getattr(op, name)
        return whole(name, given) if given is not None else -(-useful // SECTOR) * SECTOR

    counts = {
        name: whole(name, getattr(op, name))
        for name in ("bytes_read", "bytes_written", "bytes_h2d", "bytes_d2h", "flops")
    }
    return Traffic(
        **counts,
        sectors_read=rounded("sectors_read", counts["bytes_read"]),
        sectors_written=rounded("sectors_written", counts["bytes_written"]),
        formula=str(op.formula),
        items={str(name): whole(name, count) for name, count in op.items.items()},
        pageable=any(isinstance(a, HostArray) and not a.pinned for a in operands(op)),
    )
