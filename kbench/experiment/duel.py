"""The leaders of a contest meet again: A B C C B A, again and again, until it is plain who is best, or that none is."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence

import msgspec

from kbench.experiment.entrant import PATIENCE, Entrant
from kbench.experiment.result import Standing
from kbench.experiment.standing import by_pairs, decided, margins
from kbench.experiment.stats import LEAST_KNOWN, center
from kbench.intent.method import Method

LOOKS = (8, 10)
"""Rounds after which those that are decided leave. Each round gives two pairs with everyone else."""
MOST = 6
"""Duellists at a time; whoever comes after these is judged by intervals."""
BATCH, TURN_S = (4, 8), 0.5e-3
"""Samples in one turn of a duel, at least and at most, and the wall time for which there may be more than the least: a
turn costs something in itself, which many short samples share."""

NO_TIMES = "intervals: less its correction the clock left no times to duel with"

Turn = Callable[[Entrant, str], None]


class Duel:
    """leaders: fastest first. turn: told whenever the turn passes. order: of a round, drawn from it."""

    def __init__(self, leaders: Sequence[Entrant], method: Method, turn: Turn, order: random.Random) -> None:
        self._leaders, self._method, self._turn, self._order = list(leaders), method, turn, order
        self._fielded = self._leaders[:MOST]
        self._tick_s = max(e.tick_s for e in self._leaders)
        slowest = max(e.a_trial_s for e in self._fielded)
        share = method.max_time_s / (2 * LOOKS[0]) / slowest if slowest > 0 else BATCH[1]
        in_a_turn = TURN_S / max(self._a_sample_s, 1e-9)
        self._batch = max(1, int(min(share, max(BATCH[0], min(BATCH[1], in_a_turn)))))
        self._times: dict[str, list[float]] = {e.name: [] for e in self._fielded}

    def standings(self) -> dict[str, Standing]:
        """One for each leader."""
        if len(self._leaders) == 1:
            return {self._leaders[0].name: Standing("best", how="intervals")}
        if not self._method.duel:
            return self._by_intervals(self._leaders[0], "intervals")
        if (seconds := self._least_s()) > PATIENCE * self._method.timeout_s / 2:
            return self._by_intervals(self._leaders[0], f"intervals: a duel would have taken {seconds:.0f} s of each")
        best = self._fight()
        if best is None:
            return self._by_intervals(self._leaders[0], NO_TIMES)
        found = self._by_intervals(best, "intervals")
        found |= {e.name: self._beside(e, best) for e in self._fielded if e is not best}
        pairs = max(2 * len(self._times[e.name]) for e in self._fielded)
        return found | {best.name: Standing("best", how=f"duel of {pairs} pairs")}

    def _by_intervals(self, best: Entrant, how: str) -> dict[str, Standing]:
        others = (e for e in self._leaders if e is not best)
        beside = {e.name: e.beside(best, self._tick_s) for e in others}
        found = {best.name: Standing("best"), **beside}
        return {name: msgspec.structs.replace(standing, how=how) for name, standing in found.items()}

    def _least_s(self) -> float:
        """Wall time of the shortest duel, for each that takes part."""
        return 2 * LOOKS[0] * self._batch * self._a_sample_s

    @property
    def _a_sample_s(self) -> float:
        """Wall time of a sample of the slowest."""
        return max(e.a_sample_s for e in self._fielded)

    def _fight(self) -> Entrant | None:
        """Rounds, until there is nobody left beside the best. None where too few of them can be compared."""
        going, best = list(self._fielded), None
        for number in range(1, LOOKS[-1] + 1):
            self._round(going)
            if number in LOOKS and len(self._times[going[0].name]) >= LEAST_KNOWN:
                best = self._best_of(going)
                going = [e for e in going if e is best or not self._decided(e, best)]
                if len(going) == 1 or self._spent_s(number) > 4 * self._method.max_time_s:
                    break
        return best

    def _round(self, going: Sequence[Entrant]) -> None:
        """Each twice. Where a time is not positive, less the clock's correction, the round does not count."""
        order = self._order.sample(going, len(going))
        sums = dict.fromkeys((e.name for e in going), 0.0)
        for entrant in [*order, *reversed(order)]:
            self._turn(entrant, "duel")
            sums[entrant.name] += entrant.trial(self._batch)
        if min(sums.values()) > 0:
            for name, seconds in sums.items():
                self._times[name].append(seconds / 2)

    def _best_of(self, going: Sequence[Entrant]) -> Entrant:
        """By the time relative to everyone's in the same round: what drifts, drifts for all."""
        all_times = [sum(times) for times in zip(*(self._times[e.name] for e in going), strict=True)]

        def share(entrant: Entrant) -> float:
            return center([t / total for t, total in zip(self._times[entrant.name], all_times, strict=True)]).value

        return min(going, key=share)

    def _beside(self, entrant: Entrant, best: Entrant) -> Standing:
        mine, its = self._times[entrant.name], self._times[best.name]
        found = by_pairs(mine, its, self._tick_s, 2 * self._batch)
        return msgspec.structs.replace(found, how=f"duel of {2 * min(len(mine), len(its))} pairs")

    def _decided(self, entrant: Entrant, best: Entrant) -> bool:
        margin = margins(self._tick_s, statistics.median(self._times[best.name]))
        return decided(self._beside(entrant, best), margin)

    def _spent_s(self, rounds: int) -> float:
        return 2 * rounds * self._batch * max(e.a_trial_s for e in self._fielded)
