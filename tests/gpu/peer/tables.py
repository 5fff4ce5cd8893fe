"""Tables of what several harnesses found on the same configurations, each run in several processes."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from peer.configs import Run, key_of

Runs = Mapping[str, Sequence[Run]]
"""By harness: its processes."""


def size(nbytes: int) -> str:
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if nbytes >= scale:
            return f"{nbytes / scale:g} {unit}"
    return f"{nbytes} B"


def sizes(runs: Runs) -> list[int]:
    return sorted({key_of(name).nbytes for each in runs.values() for run in each for name in run.times})


def centers(runs: Sequence[Run]) -> dict[str, float]:
    """The median over the processes of what each found."""
    names = {name for run in runs for name in run.times}
    return {name: statistics.median([run.times[name] for run in runs if name in run.times]) for name in names}


def of_size(values: Mapping[str, float], nbytes: int) -> list[float]:
    return [value for name, value in values.items() if key_of(name).nbytes == nbytes]


def variation(runs: Sequence[Run]) -> dict[str, float]:
    """Standard deviation over mean of each configuration's centre between processes; nothing for a single process."""
    found = {}
    for name in {name for run in runs for name in run.times}:
        times = [run.times[name] for run in runs if name in run.times]
        if len(times) > 1:
            found[name] = statistics.stdev(times) / statistics.mean(times)
    return found


def bias(runs: Sequence[Run], reference: Mapping[str, float]) -> dict[str, float]:
    """Seconds above the reference."""
    return {name: value - reference[name] for name, value in centers(runs).items() if name in reference}


def wall(runs: Sequence[Run]) -> dict[str, float]:
    names = {name for run in runs for name in run.wall_s}
    return {name: statistics.mean([run.wall_s[name] for run in runs if name in run.wall_s]) for name in names}


def winners(runs: Sequence[Run], nbytes: int) -> tuple[int, int, int]:
    """(how many different configurations won, how many processes had the commonest winner among those that they do not
    tell from the best, processes)."""
    best: list[str] = []
    near: list[set[str]] = []
    for run in runs:
        times = {name: value for name, value in run.times.items() if key_of(name).nbytes == nbytes}
        if times:
            best.append(min(times, key=lambda name: times[name]))
            near.append(set(run.winners.get(nbytes, ())) | {best[-1]})
    most = max((sum(name in names for names in near) for name in set().union(*near)), default=0)
    return len(Counter(best)), most, len(best)


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [list(head), *map(list, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        )

    return "\n".join(["", title, *map(line, cells)])


def by_size(title: str, runs: Runs, value: Callable[[str, int], str]) -> str:
    columns = sizes(runs)
    return table(title, ["", *map(size, columns)], [[name, *(value(name, n) for n in columns)] for name in runs])


def compared(runs: Runs, cupti: str) -> list[str]:
    """All tables. cupti: the name of the harness whose times are CUPTI's own."""

    def milliseconds(name: str, nbytes: int) -> str:
        return mean(of_size(wall(runs[name]), nbytes), 1e3)

    def microseconds(name: str, nbytes: int) -> str:
        return mean(of_size(centers(runs[name]), nbytes), 1e6)

    def cov(name: str, nbytes: int) -> str:
        return middle(of_size(variation(runs[name]), nbytes))

    def won(name: str, nbytes: int) -> str:
        return " / ".join(map(str, winners(runs[name], nbytes)))

    found = [
        by_size("wall per configuration, ms (start of the process and compiling apart)", runs, milliseconds),
        by_size("centre, µs (mean of the configurations)", runs, microseconds),
    ]
    cold = {name: each for name, each in runs.items() if "sustained" not in name}
    back_to_back = {name: each for name, each in runs.items() if "sustained" in name}
    for reference, alike in (("ncu", cold), (cupti, cold), (cupti.replace("cold", "sustained"), back_to_back)):
        if reference in alike and len(alike) > 1:
            found.append(against(reference, alike))
    found.append(by_size("run-to-run CoV of the centre, %: median of the configurations (highest)", runs, cov))
    title = "winners: different ones / processes that have the commonest among their best / processes"
    return [*found, by_size(title, runs, won)]


def against(reference: str, runs: Runs) -> str:
    times = centers(runs[reference])

    def above(name: str, nbytes: int) -> str:
        return spread(of_size(bias(runs[name], times), nbytes))

    others = {name: each for name, each in runs.items() if name != reference}
    return by_size(f"bias against {reference}, µs: mean of the configurations (lowest … highest)", others, above)


def mean(values: Sequence[float], scale: float) -> str:
    return f"{statistics.mean(values) * scale:.2f}" if values else "–"


def spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return f"{statistics.mean(values) * 1e6:+.2f} ({min(values) * 1e6:+.2f} … {max(values) * 1e6:+.2f})"


def middle(values: Sequence[float]) -> str:
    return f"{statistics.median(values) * 100:.2f} ({max(values) * 100:.2f})" if values else "–"


def beside_nvbench(nvbench: Run, events: Run, cupti: Run | None) -> str:
    """Must show 4: NVBench against kbench's raw events (nothing subtracted) and its centre, size by size."""
    rows = []
    raw, floor = events.extra.get("raw_median_s", {}), events.extra.get("floor_s")
    nothing = nvbench.extra.get("nothing_s")
    for name in sorted(set(nvbench.times) & set(events.times), key=key_of):
        theirs, ours, center = nvbench.times[name], raw.get(name), events.times[name]
        finest = cupti.times.get(name) if cupti else None
        share = "–" if ours is None else f"{(theirs / ours - 1) * 100:+.2f}"
        rows.append([
            size(key_of(name).nbytes), f"{theirs * 1e6:.2f}", "–" if ours is None else f"{ours * 1e6:.2f}", share,
            f"{center * 1e6:.2f}", f"{(theirs / center - 1) * 100:+.2f}", f"{(theirs - center) * 1e6:+.2f}",
            "–" if finest is None else f"{finest * 1e6:.2f}",
        ])  # fmt: skip
    head = ["size", "NVBench", "raw events", "% of it", "kbench centre", "% of it", "gap µs", "cupti"]
    text = table("NVBench beside kbench, cold, µs (threads, vec as given)", head, rows)
    known = [f"{what} {value * 1e6:.2f} µs" for what, value in
             (("NVBench reads for an empty kernel", nothing), ("kbench's events floor", floor)) if value]  # fmt: skip
    return "\n".join([text, "; ".join(known)])
