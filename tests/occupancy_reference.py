"""NVIDIA's occupancy calculator (cuda_occupancy.h, a header that needs no GPU), asked about random blocks.

`PYTHONPATH=. python tests/occupancy_reference.py` records the cases that are checked where header or compiler are
missing.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from kbench.machine.occupancy import ARCHITECTURES, MOST_REGISTERS, Limits

FOLDER = Path(__file__).resolve().parent / "machine"
RECORDED = FOLDER / "occupancy_cases.tsv"
_BITS = {"warps": 1, "registers": 2, "shared memory": 4, "blocks": 8}
_UNLIMITED = 2**31 - 1


class Case(NamedTuple):
    arch: str
    threads: int
    registers: int
    static: int
    dynamic: int
    carveout: int  # -1: no preference


class Answer(NamedTuple):
    blocks: int
    by_registers: int | None
    by_shared: int | None
    by_warps: int
    by_blocks: int
    limiters: frozenset[str]


def cases(count: int, seed: int) -> Iterator[Case]:
    """Random ones of every architecture, many of them at the edges of what fits."""
    draw = random.Random(seed)
    for limits in ARCHITECTURES.values():
        for _ in range(count // len(ARCHITECTURES)):
            threads = draw.choice((draw.randint(1, 1024), 32 * draw.randint(1, 32), 2 ** draw.randint(5, 10), 1025))
            registers = draw.choice((draw.randint(0, MOST_REGISTERS), 8 * draw.randint(1, 31), 255, 0))
            static = draw.choice((0, draw.randint(0, 4096), draw.randint(0, 48 * 1024), 48 * 1024))
            dynamic = draw.choice((0, _dynamic(draw, limits, static), _at_an_edge(draw, limits, static)))
            carveout = draw.choice((-1, -1, draw.randint(0, 100), draw.choice((0, 25, 50, 100))))
            yield Case(limits.arch, threads, registers, static, dynamic, carveout)


def _dynamic(draw: random.Random, limits: Limits, static: int) -> int:
    return draw.randint(0, max(0, limits.block_shared_bytes - static) + 2048)


def _at_an_edge(draw: random.Random, limits: Limits, static: int) -> int:
    """So much that a whole number of blocks just fits, or just does not."""
    blocks = draw.randint(1, limits.blocks)
    whole = limits.shared_bytes // blocks // limits.shared_unit * limits.shared_unit
    return max(0, whole - limits.reserved_bytes - static + draw.choice((-1, 0, 1)))


def missing() -> tuple[Path | None, str]:
    """The folder of the header; or why NVIDIA's calculator cannot be asked here."""
    from kbench.machine.cuda.nvrtc import header_dir

    folder = header_dir()
    if folder is None or not (folder / "cuda_occupancy.h").is_file():
        return None, "cuda_occupancy.h is not installed (it comes with nvidia-cuda-runtime)"
    if not shutil.which("cc"):
        return None, "there is no C compiler (cc) to compile cuda_occupancy.h with"
    return folder, ""


def ask(headers: Path, asked: Sequence[Case]) -> list[Answer | None]:
    """NVIDIA's answers; None where its header does not know the architecture."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "reference"
        source = str(FOLDER / "occupancy_reference.c")
        subprocess.run(["cc", "-O1", "-w", f"-I{headers}", source, "-o", str(program)], check=True)
        lines = "\n".join(map(_line, asked))
        said = subprocess.run([str(program)], input=lines, capture_output=True, text=True, check=True).stdout
    return [_answer(line) for line in said.splitlines()]


def _line(case: Case) -> str:
    limits = ARCHITECTURES[case.arch]
    major, minor = divmod(int(case.arch[3:]), 10)
    device = (major, minor, limits.warps, limits.shared_bytes, limits.block_shared_bytes, limits.reserved_bytes)
    return " ".join(map(str, (*device, *case[1:])))


def _answer(line: str) -> Answer | None:
    if line.startswith("error 2"):  # CUDA_OCC_ERROR_UNKNOWN_DEVICE
        return None
    blocks, *each, bits = map(int, line.split())
    by = [None if number == _UNLIMITED else number for number in each]
    return Answer(blocks, by[0], by[1], by[2] or 0, by[3] or 0, frozenset(n for n, bit in _BITS.items() if bits & bit))


def recorded() -> list[tuple[Case, Answer]]:
    found = []
    for line in RECORDED.read_text().splitlines()[1:]:
        arch, *numbers, answer = line.split("\t")
        told = _answer(answer)
        assert told is not None
        found.append((Case(arch, *map(int, numbers)), told))
    return found


def _record() -> None:
    headers, why = missing()
    if headers is None:
        raise SystemExit(why)
    asked = list(cases(520, seed=7))
    lines = ["arch\tthreads\tregisters\tstatic\tdynamic\tcarveout\tblocks, by registers, shared, warps, blocks; limits"]
    for case, said in zip(asked, ask(headers, asked), strict=True):
        if said is not None:
            by = [_UNLIMITED if number is None else number for number in said[1:5]]
            bits = sum(_BITS[name] for name in said.limiters)
            lines.append("\t".join(map(str, (*case, " ".join(map(str, (said.blocks, *by, bits)))))))
    RECORDED.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    _record()
