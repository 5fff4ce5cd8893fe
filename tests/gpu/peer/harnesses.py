"""One function a harness: it times the configurations in this process, and says what it found.

Each has the harness's own way of timing and its defaults, with the settings of docs/measuring.md where it has to have
some. All launch the same compiled text.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peer.configs import SOURCE, SPEC, Asked, Key, Run

OPTIONS = ("--std=c++17",)
NVBENCH = ("--min-time", "0.01", "--timeout", "0.2")
NVBENCH_LARGE = ("--min-time", "0.1", "--timeout", "2")
REPEATS = 200
STARTS = 2**15, 2**23
"""Sizes that are not counted: they pay for what a process does once for each clock (loads CUPTI, calibrates, makes
buffers); `auto` takes CUPTI for the first and events for the second."""


class Missing(Exception):
    """Why a harness cannot run here."""


class Kernels:
    """The kernel through CuPy, with its arrays; launch(key) enqueues it on the current stream."""

    def __init__(self, asked: Asked) -> None:
        import cupy

        self.cupy = cupy
        code = SOURCE.read_text()
        self._kernels = {
            vec: cupy.RawModule(code=code, options=(*OPTIONS, f"-DVEC={vec}")).get_function("copy48")
            for vec in asked.vecs
        }
        self.src = cupy.arange(max(asked.sizes) // 4, dtype=cupy.float32)
        self.dst = cupy.zeros_like(self.src)
        for key in asked:
            self.launch(key)()
        cupy.cuda.Device().synchronize()

    def launch(self, key: Key) -> Callable[[], None]:
        kernel, arguments = self._kernels[key.vec], (self.dst, self.src, self.cupy.int64(key.n))
        return lambda: kernel((key.grid,), (key.threads,), arguments)


def one_by_one(name: str, version: str, asked: Asked, time_s: Callable[[Kernels, Key], float]) -> Run:
    kernels, run = Kernels(asked), Run(name, version)
    for key in asked:
        begin = time.perf_counter()
        run.times[str(key)] = time_s(kernels, key)
        run.wall_s[str(key)] = time.perf_counter() - begin
    return run


def cupyx_benchmark(asked: Asked) -> Run:
    import cupy
    from cupyx.profiler import benchmark

    def time_s(kernels: Kernels, key: Key) -> float:
        found = benchmark(kernels.launch(key), n_repeat=REPEATS)
        return float(cupy.median(cupy.asarray(found.gpu_times[0])))

    return one_by_one("cupyx", cupy.__version__, asked, time_s)


def triton_do_bench(asked: Asked) -> Run:
    import torch
    import triton
    from triton.testing import do_bench

    torch.cuda.init()

    def time_s(kernels: Kernels, key: Key) -> float:
        return float(do_bench(kernels.launch(key), return_mode="median")) * 1e-3

    return one_by_one("do_bench", triton.__version__, asked, time_s)


def kernel_tuner(asked: Asked) -> Run:
    import kernel_tuner as tuner
    import numpy as np

    run = Run("kernel_tuner", tuner.__version__)
    for nbytes in asked.sizes:
        n = nbytes // 4
        arguments = [np.zeros(n, np.float32), np.arange(n, dtype=np.float32), np.int64(n)]
        found, _ = tuner.tune_kernel(
            "copy48", SOURCE.read_text(), n, arguments, {"block_size_x": list(asked.threads), "VEC": list(asked.vecs)},
            grid_div_x=["block_size_x*VEC"], lang="cupy", compiler_options=list(OPTIONS), quiet=True,
        )  # fmt: skip
        for each in found:
            key = Key(nbytes, int(each["block_size_x"]), int(each["VEC"]))
            run.times[str(key)] = float(each["time"]) * 1e-3
            spent = ("benchmark_time", "verification_time", "framework_time", "strategy_time")
            run.wall_s[str(key)] = sum(float(each.get(part, 0.0)) for part in spent) * 1e-3
    return run


def nvbench(asked: Asked, options: tuple[str, ...] = NVBENCH) -> Run:
    import cuda.bench as bench
    import cupy

    kernels, by_name = Kernels(asked), {str(key): key for key in asked}
    nothing = cupy.RawModule(code='extern "C" __global__ void nothing() {}').get_function("nothing")
    nothing((1,), (1,), ())

    def copy48(state: Any) -> None:
        name = state.get_string("config")
        launch = kernels.launch(by_name[name]) if name != "nothing" else lambda: nothing((1,), (1,), ())

        def launcher(given: Any) -> None:
            with cupy.cuda.ExternalStream(given.get_stream().addressof()):
                launch()

        state.exec(launcher, batched=False)

    bench.register(copy48).add_string_axis("config", ["nothing", *by_name])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        begin = time.perf_counter()
        bench.run_all_benchmarks(["peers", "--devices", "0", *options, "--jsonbin", str(out), "--quiet"])
        wall_s = (time.perf_counter() - begin) / (len(by_name) + 1)
        run = of_nvbench(out)
    run.version = str(bench.__version__)
    run.wall_s = {name: run.extra["walltime_s"].get(name, wall_s) for name in by_name}
    run.extra["wall_per_config_s"] = wall_s
    return run


def of_nvbench(path: Path) -> Run:
    """A run from NVBench's JSON: the median of the cold samples, or their mean where it kept none."""
    run = Run("nvbench")
    walltime: dict[str, float] = {}
    for state in (s for b in json.loads(path.read_text())["benchmarks"] for s in b["states"]):
        name = next(str(axis["value"]) for axis in state["axis_values"] if axis["name"] == "config")
        found = {s["tag"]: {d["name"]: d.get("value") for d in s.get("data", ())} for s in state.get("summaries") or ()}
        if state.get("is_skipped") or "nv/cold/time/gpu/mean" not in found:
            run.extra.setdefault("skipped", {})[name] = state.get("skip_reason", "no cold time")
            continue
        run.times[name] = float(found["nv/cold/time/gpu/mean"]["value"])
        if samples := _samples(path, found.get("nv/json/bin:nv/cold/sample_times")):
            run.times[name] = statistics.median(samples)
        if "nv/cold/walltime" in found:
            walltime[name] = float(found["nv/cold/walltime"]["value"])
    run.extra |= {"nothing_s": run.times.pop("nothing", None), "walltime_s": walltime}
    return run


def _samples(path: Path, entry: dict[str, Any] | None) -> list[float]:
    import array

    if not entry or "filename" not in entry:
        return []
    name = Path(str(entry["filename"]))
    found = next((p for p in (name, path.parent / name, path.parent.parent / name) if p.is_file()), None)
    if found is None:
        return []
    values = array.array("f")
    values.frombytes(found.read_bytes())
    return list(values)


def kbench(asked: Asked, clocks: tuple[str, ...], cache: str) -> list[Run]:
    """A run for each clock, of one sweep."""
    import kbench as product

    axes = {"nbytes": sorted({*STARTS, *asked.sizes}), "threads": list(asked.threads), "vec": list(asked.vecs)}
    begin = time.perf_counter()
    rows = product.sweep(SPEC, axes=axes, device=asked.device, clock=clocks, cache=cache)
    total_s = time.perf_counter() - begin
    runs = {clock: Run(f"kbench {clock}, {cache}", product.__version__, total_s=total_s) for clock in clocks}
    for row in rows:
        run = runs[row.config.clock]
        key = Key(*(int(row.config.axes[name]) for name in ("nbytes", "threads", "vec")))
        if key.nbytes not in asked.sizes:
            continue
        if row.measurement is None or row.time_s is None:
            run.extra.setdefault("failed", {})[str(key)] = f"{row.status}: {row.message.strip()[:300]}"
            continue
        run.times[str(key)], run.wall_s[str(key)] = row.time_s, row.wall_s
        raw = statistics.median(row.measurement.samples_s)
        run.extra.setdefault("raw_median_s", {})[str(key)] = raw
        run.extra.setdefault("clocks", {})[str(key)] = row.measurement.clock
        run.extra["floor_s"] = row.measurement.floor_s
    for problem in rows.problems:
        if problem.best is None or int(problem.best.result.config.axes["nbytes"]) not in asked.sizes:
            continue
        best = problem.best.result.config
        names = [str(Key(*(int(r.result.config.axes[a]) for a in ("nbytes", "threads", "vec"))))
                 for r in (problem.best, *problem.ties)]  # fmt: skip
        runs[best.clock].winners[int(best.axes["nbytes"])] = names
    return list(runs.values())


def without_cupti(asked: Asked) -> list[Run]:
    """events and graph as they are where cupti-python is not installed: a package of its name that fails to import lies
    before it on the worker's path."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cupti.py").write_text('raise ImportError("cupti-python is hidden for this run")\n')
        os.environ["PYTHONPATH"] = os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
        runs = [*kbench(asked, ("events",), "cold"), *kbench(asked, ("graph",), "sustained")]
    for run in runs:
        run.harness += ", no cupti"
    return runs


def ncu_target(asked: Asked) -> Run:
    """What runs under ncu: every configuration `samples` times."""
    kernels = Kernels(asked)
    for key in asked:
        for _ in range(asked.samples):
            kernels.launch(key)()
    kernels.cupy.cuda.Device().synchronize()
    return Run("ncu target")


def ncu(asked: Asked, command: list[str], timeout_s: float) -> Run:
    """One ncu process over all configurations. command: starts `ncu_target` with the same configurations."""
    from kbench.errors import ProfilerError
    from kbench.profiling.find import tool
    from kbench.profiling.ncu import options

    try:
        program = tool("ncu").path
    except ProfilerError as error:
        raise Missing(str(error)) from error
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "ncu.csv"
        words = [program, *options(("gpu__time_duration.sum",)), "--csv", "--page", "raw", "--print-units", "base",
                 "-k", "copy48", "--log-file", str(log)]  # fmt: skip
        done = subprocess.run([*words, *command], capture_output=True, text=True, check=False, timeout=timeout_s)
        text = log.read_text() if log.is_file() else ""
    if done.returncode or "copy48" not in text:
        reason = [line for line in (text + done.stdout + done.stderr).splitlines() if line.startswith("==ERROR==")]
        raise Missing("; ".join(reason) or f"ncu ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return of_ncu(text, asked)


def of_ncu(text: str, asked: Asked) -> Run:
    """A run from ncu's raw CSV. Block and grid tell configurations apart; the median of their launches counts."""
    from kbench.profiling.ncu_metrics import value
    from kbench.profiling.ncu_read import from_csv

    known = {(key.threads, key.grid): str(key) for key in asked}
    if len(known) < len(list(asked)):
        raise Missing("ncu tells configurations apart by block and grid, and some of these have the same")
    found: dict[str, list[float]] = {}
    for seen in from_csv(text):
        time_s, _ = value("duration_s", seen.found)
        found.setdefault(known[seen.threads, seen.blocks], []).append(time_s)
    launches = {name: len(values) for name, values in found.items()}
    return Run("ncu", times={name: statistics.median(v) for name, v in found.items()}, extra={"launches": launches})


def main() -> None:
    """A child of peers.py: harnesses.py NAME ASKED OUT"""
    name, asked, out = sys.argv[1], Asked(**json.loads(sys.argv[2])), Path(sys.argv[3])
    begin = time.perf_counter()
    runs = CHILDREN[name](asked)
    runs = runs if isinstance(runs, list) else [runs]
    for run in runs:
        run.total_s = run.total_s or time.perf_counter() - begin
    out.write_text(json.dumps([run.plain() for run in runs]))


CHILDREN: dict[str, Callable[[Asked], Any]] = {
    "kbench": lambda asked: kbench(asked, ("cupti", "events"), "cold"),
    "kbench-sustained": lambda asked: kbench(asked, ("cupti", "graph"), "sustained"),
    "kbench-no-cupti": without_cupti,
    "kbench-events": lambda asked: kbench(asked, ("events",), "cold"),
    "kbench-auto": lambda asked: kbench(asked, ("auto",), "cold"),
    "nvbench": nvbench,
    "nvbench-large": lambda asked: nvbench(asked, NVBENCH_LARGE),
    "do_bench": triton_do_bench,
    "kernel_tuner": kernel_tuner,
    "cupyx": cupyx_benchmark,
    "ncu-target": ncu_target,
}

if __name__ == "__main__":
    main()
