"""The same configurations measured by several fresh processes, made into one row each."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec

from kbench.experiment.result import Measurement, Place, Result, Standing, Summary
from kbench.experiment.standing import by_intervals, margins
from kbench.experiment.stats import Center, relative, summarise, summarised


def repeated(run: Callable[[Collection[str]], Iterable[Result]], times: int) -> Iterator[Result]:
    """One row for each configuration, of several runs: `run` is called with the ids of what need not run again, because
    it has failed. A failure in any run is the configuration's row."""
    rows: dict[str, list[Result]] = {}
    failed: set[str] = set()
    for _ in range(times):
        for result in run(failed.copy()):
            rows.setdefault(result.config.id, []).append(result)
            if result.measurement is None:
                failed.add(result.config.id)
    merged = {name: _merged(results) for name, results in rows.items()}
    best = _best(rows, merged)
    for name, result in merged.items():
        yield msgspec.structs.replace(result, standing=_standing(name, best, rows, merged))


def _merged(results: list[Result]) -> Result:
    wall_s = sum(r.wall_s for r in results)
    failed = next((r for r in results if r.measurement is None), None)
    if failed is not None:
        return msgspec.structs.replace(failed, wall_s=wall_s)
    measured = [r.measurement for r in results if r.measurement]
    return msgspec.structs.replace(results[0], measurement=_pooled(measured), wall_s=wall_s)


def _pooled(measured: list[Measurement]) -> Measurement:
    """All samples; the centre is the median of the processes' centres, its interval reaches over all of them: what
    differs from process to process is larger than what any one of them sees of it."""
    first, centers = measured[0], [m.summary.center_s for m in measured]
    tick_s = max(m.tick_s for m in measured)
    samples = tuple(s for m in measured for s in m.samples_s)
    middle = Center(statistics.median(centers), min(centers), max(centers))
    summary: Summary = msgspec.structs.replace(
        summarise([s - m.correction_s for m in measured for s in m.samples_s], tick_s=tick_s),
        center_s=middle.value, low_s=middle.low, high_s=middle.high, precision=relative(middle),
    )  # fmt: skip
    note = f"centre and interval of {len(measured)} processes"
    return msgspec.structs.replace(
        first, samples_s=samples, submit_s=tuple(s for m in measured for s in m.submit_s), summary=summary,
        note="; ".join(dict.fromkeys([note, *(m.note for m in measured if m.note)])),
        telemetry=tuple(t for m in measured for t in m.telemetry), throttled=any(m.throttled for m in measured),
        left_s=max(m.left_s for m in measured), tick_s=tick_s,
        process_centers_s=tuple(centers), spread=statistics.stdev(centers) / statistics.fmean(centers),
    )  # fmt: skip


def _best(rows: dict[str, list[Result]], merged: dict[str, Result]) -> str | None:
    """Whoever most processes call the best; of several the fastest."""
    votes = {name: sum(r.standing is not None and r.standing.place == "best" for r in rows[name]) for name in rows}
    rivals = [name for name in rows if votes[name] and merged[name].measurement]
    return max(rivals, key=lambda name: (votes[name], -(merged[name].time_s or 0.0)), default=None)


def _standing(name: str, best: str | None, rows: dict[str, list[Result]], merged: dict[str, Result]) -> Standing | None:
    """The best's, or that of the gaps that the processes found; tied where any process called it best or tied."""
    mine, measured = [r.standing for r in rows[name] if r.standing], merged[name].measurement
    if best is None or measured is None or not mine:
        return None
    first, how = mine[0], f"{len(rows[best])} processes"
    if name == best:
        return Standing("best", how=how, contest=first.contest, among=first.among)
    its = merged[best].measurement
    assert its is not None
    found = by_intervals(summarised(measured.summary), summarised(its.summary))
    margin = margins(its.tick_s, its.summary.center_s)
    tied = any(s.place in ("best", "tied") for s in mine) and found.gap <= margin.tie
    place: Place = "tied" if tied else "stopped" if all(s.place == "stopped" for s in mine) else "behind"
    return msgspec.structs.replace(found, place=place, how=how, contest=first.contest, among=first.among)
