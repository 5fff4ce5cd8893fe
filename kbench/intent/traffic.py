"""What an Op declares that it moves and computes."""

from __future__ import annotations

import msgspec

from kbench.intent.op import Op

SECTOR = 32


class Traffic(msgspec.Struct, frozen=True):
    """Declared traffic of one execution, in bytes; see kbench.intent.op.Op for the meaning of each count."""

    bytes_read: int = 0
    bytes_written: int = 0
    sectors_read: int = 0
    sectors_written: int = 0
    bytes_h2d: int = 0
    bytes_d2h: int = 0
    flops: int = 0
    formula: str = ""
    items: dict[str, int] = {}

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
    """The Traffic that an Op declares; sectors default to the useful bytes rounded up to whole 32-byte sectors."""

    def rounded(sectors: int | None, useful: int) -> int:
        return int(sectors) if sectors is not None else -(-int(useful) // SECTOR) * SECTOR

    return Traffic(
        bytes_read=int(op.bytes_read),
        bytes_written=int(op.bytes_written),
        sectors_read=rounded(op.sectors_read, op.bytes_read),
        sectors_written=rounded(op.sectors_written, op.bytes_written),
        bytes_h2d=int(op.bytes_h2d),
        bytes_d2h=int(op.bytes_d2h),
        flops=int(op.flops),
        formula=op.formula,
        items={name: int(count) for name, count in op.items.items()},
    )
