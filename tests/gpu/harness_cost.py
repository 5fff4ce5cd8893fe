"""What a sweep costs beside its samples: python tests/gpu/harness_cost.py [device] [nbytes]

One worker's job in this process, 100 configurations of a copy kernel of about 10 us: wall time of each, the share that
is GPU time of samples, and the profile of the rest. Run it twice: the first run compiles.
"""

from __future__ import annotations

import cProfile
import itertools
import pstats
import sys
import time
from collections import defaultdict
from typing import Any

from kbench.cli.chosen import catalog
from kbench.experiment.job import Bench
from kbench.experiment.protocol import Done, Job, Phase, Task
from kbench.experiment.worker import open_device
from kbench.intent.method import Method
from kbench.intent.plan import make_plan, select
from kbench.machine.build import build, request_of


def tasks(device: Any, nbytes: str) -> tuple[Task, ...]:
    kernel = catalog([]).kernels["copy"]
    axes = {"nbytes": nbytes, "dtype": "float32,float16"}
    plan = make_plan(select([kernel], axes), Method(), device=device.info.kind)
    target, found = device.target(), []
    for p in [p for p in plan.configs if p.status == "ok"][:100]:
        needed = p.instantiations
        binaries = tuple(i and build(request_of(i, target)) for i in needed)
        baseline = p.config.axes.get("variant") in kernel.baselines
        found.append(Task(p.config, str(kernel.spec_path), binaries, p.traffic, "", baseline))
    return tuple(sorted(found, key=lambda task: task.config.problem))


def run(device: Any, all_tasks: tuple[Task, ...]) -> tuple[float, list[Any]]:
    """Wall seconds, and everything that the parent would have been told."""
    told: list[Any] = []
    bench = Bench(device, told.append)
    begin = time.perf_counter()
    for problem in dict.fromkeys(task.config.problem for task in all_tasks):
        bench.run(Job(tuple(t for t in all_tasks if t.config.problem == problem), Method(), "measure", "cost"))
    return time.perf_counter() - begin, told


def by_phase(told: list[Any]) -> dict[str, float]:
    spent: defaultdict[str, float] = defaultdict(float)
    phases = [reply for reply in told if isinstance(reply, Phase)]
    for now, then in itertools.pairwise(phases):
        spent[now.name] += then.since_s - now.since_s
    return dict(spent)


def main(name: str = "cuda", nbytes: str = "16MiB") -> None:
    device: Any = open_device(name)
    everything = tasks(device, nbytes)
    run(device, everything)  # loads and calibrates what is needed once
    wall_s, told = run(device, everything)
    rows = [reply.result for reply in told if isinstance(reply, Done)]
    measured = [row.measurement for row in rows if row.measurement]
    samples_s = sum(sum(m.samples_s) for m in measured)
    n = len(rows)
    print(f"{n} configurations on {device.info.label}, {nbytes}: {len(measured)} timed")
    print(f"wall {wall_s / n * 1e3:.2f} ms a configuration, {samples_s / n * 1e3:.2f} ms of it samples", end=" ")
    print(f"({samples_s / wall_s:.0%}); {sum(m.summary.n for m in measured) / n:.0f} samples each")
    for phase, spent in sorted(by_phase(told).items(), key=lambda item: -item[1]):
        print(f"  {phase:12} {spent / n * 1e3:8.3f} ms a configuration")
    profile = cProfile.Profile()
    profile.enable()
    run(device, everything)
    profile.disable()
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main(*sys.argv[1:])
