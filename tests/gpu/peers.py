"""kbench beside other harnesses on the same 48 configurations of one kernel, each in fresh processes of its own.

    python tests/gpu/peers.py --json peers.json
    python tests/gpu/peers.py --only kbench,nvbench,ncu --processes 5

What a harness needs and does not find is told, and the others go on. On the GPU machine it takes some seven minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

from peer import harnesses, tables  # noqa: E402
from peer.configs import LARGE, SIZES, THREADS, VECS, Asked, Run, run_of  # noqa: E402

KBENCH = ("kbench", "kbench-sustained", "kbench-no-cupti")
PEERS = ("nvbench", "do_bench", "kernel_tuner", "cupyx")
CUPTI = "kbench cupti, cold"
CHILD_S = 120.0
ENOUGH = 2
"""Failures of a harness after which it is not started again."""


class Failed(Exception):
    pass


def child(name: str, asked: Asked, timeout_s: float = CHILD_S) -> list[Run]:
    """What a harness found in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        try:
            done = subprocess.run(
                child_command(name, asked, out), cwd=folder, env=environment(), capture_output=True, text=True,
                check=False, timeout=timeout_s,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Failed(f"not finished within {timeout_s:.0f} s") from None
        if not out.is_file():
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise Failed(lines[-1] if lines else f"ended with {done.returncode}")
        return [run_of(plain) for plain in json.loads(out.read_text())]


def child_command(name: str, asked: Asked, out: Path) -> list[str]:
    return [sys.executable, str(HERE / "peer" / "harnesses.py"), name, json.dumps(asdict(asked)), str(out)]


def environment() -> dict[str, str]:
    paths = [str(HERE), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def rounds(options: argparse.Namespace, names: Iterable[str]) -> Iterator[tuple[int, str]]:
    """All harnesses in turn, so that what is slow to change touches all of them alike."""
    wanted = list(names)
    for number in range(max(options.processes, options.peer_processes)):
        for name in wanted:
            if number < (options.processes if name.startswith("kbench") else options.peer_processes):
                yield number, name


def measured(options: argparse.Namespace, asked: Asked, until: float) -> dict[str, list[Run]]:
    names = [name for name in (*KBENCH, *PEERS, *options.extra) if wanted(options, name)]
    found: dict[str, list[Run]] = {}
    failures: dict[str, list[str]] = {}
    if any(name.startswith("kbench") for name in names):
        try:
            say("kbench, once, to compile and to measure roofs")
            child(names[0], asked, 2 * CHILD_S)
        except Failed as failure:
            say(f"  {failure}")
    for number, name in rounds(options, names):
        if len(failures.get(name, ())) >= ENOUGH:
            continue
        if time.monotonic() > until:
            say("the time is used up: the rest is left out (--budget)")
            break
        begin = time.monotonic()
        try:
            for run in child(name, asked):
                found.setdefault(run.harness, []).append(run)
            say(f"{name} {number + 1}: {time.monotonic() - begin:.1f} s")
        except Failed as failure:
            failures.setdefault(name, []).append(str(failure))
            say(f"{name} {number + 1}: failed: {failure}")
    return found


def with_ncu(asked: Asked) -> Run | None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(environment())
        begin = time.monotonic()
        try:
            run = harnesses.ncu(asked, child_command("ncu-target", asked, Path(folder) / "target.json"), 2 * CHILD_S)
        except (harnesses.Missing, subprocess.TimeoutExpired) as failure:
            say(f"ncu: {failure}")
            return None
        say(f"ncu: {time.monotonic() - begin:.1f} s")
        return run


def large(options: argparse.Namespace, asked: Asked) -> str:
    """NVBench and kbench on kernels of 100 µs to 2 ms."""
    sizes = tuple(options.large)
    asked = replace(asked, sizes=sizes, threads=(256,), vecs=(4,))
    try:
        (theirs,) = child("nvbench-large", asked)
        ours = {run.harness: run for run in child("kbench", asked, 2 * CHILD_S)}
    except Failed as failure:
        return f"\nNVBench beside kbench on large sizes: {failure}"
    events = ours["kbench events, cold"]
    failed = "".join(f"\n  {run.harness} {name}: {why}" for run in ours.values()
                     for name, why in run.extra.get("failed", {}).items())  # fmt: skip
    return tables.beside_nvbench(theirs, events, ours.get(CUPTI)) + failed


def wanted(options: argparse.Namespace, name: str) -> bool:
    return not options.only or name in options.only


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    def words(text: str) -> list[str]:
        return [part for part in text.split(",") if part]

    def numbers(text: str) -> list[int]:
        return [int(part) for part in words(text)]

    known = (*KBENCH, *PEERS, "ncu", "large")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=words, default=[], metavar="NAME,…", help=f"of {', '.join(known)}")
    parser.add_argument("--extra", type=words, default=[], metavar="NAME,…", help="kbench-events, kbench-auto too")
    parser.add_argument("--processes", type=int, default=10, help="of kbench [10]")
    parser.add_argument("--peer-processes", type=int, default=3, help="of each other harness [3]")
    parser.add_argument("--budget", type=float, default=420.0, metavar="SECONDS", help="start nothing after [420]")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--sizes", type=numbers, default=list(SIZES), metavar="BYTES,…")
    parser.add_argument("--threads", type=numbers, default=list(THREADS), metavar="N,…")
    parser.add_argument("--large", type=numbers, default=list(LARGE), metavar="BYTES,…")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every run here")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    options = parsed(argv)
    begin = time.monotonic()
    asked = Asked(tuple(options.sizes), tuple(options.threads), VECS, options.device)
    found: dict[str, list[Run]] = {}
    reference = with_ncu(asked) if wanted(options, "ncu") else None
    if reference:
        found["ncu"] = [reference]
    beside = large(options, asked) if wanted(options, "large") else ""
    found |= measured(options, asked, begin + options.budget)
    for text in tables.compared(found, CUPTI) if found else ["nothing was measured"]:
        print(text)
    print(beside)
    for harness, each in found.items():
        versions = {run.version for run in each if run.version}
        failed = {f"{name}: {why}" for run in each for name, why in run.extra.get("failed", {}).items()}
        print(f"{harness} {' '.join(sorted(versions))}: {len(each)} processes of {each[-1].total_s:.1f} s"
              + "".join(f"\n  failed {line}" for line in sorted(failed)[:5]))  # fmt: skip
    print(f"{time.monotonic() - begin:.0f} s in all")
    if options.json:
        plain = {name: [run.plain() for run in each] for name, each in found.items()}
        options.json.write_text(json.dumps({"runs": plain, "large": beside}, indent=1))


if __name__ == "__main__":
    main()
