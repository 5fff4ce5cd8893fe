"""The configurations of a problem measured together: interleaved rounds, the hopeless leave, the leaders meet again.

A round gives each one that still samples a small batch. The order of a round is drawn at random, and the next round
goes through it backwards: what drifts steadily then costs everyone the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from kbench.experiment.duel import Duel
from kbench.experiment.entrant import Entrant
from kbench.experiment.result import Place, Standing
from kbench.experiment.standing import by_intervals, margins
from kbench.experiment.stats import Center
from kbench.experiment.verdict import Verdict
from kbench.intent.method import Method

MARGIN = 0.10
"""Whoever's interval lies beyond the best's by more than this stops sampling once it has its least number."""

LOOKS = (Entrant.look, Entrant.first_look)
"""At all samples, and at those of the first rounds: who needed more than another took some of them later, when the
device may have drifted."""

Turn = Callable[[Entrant, str], None]


@dataclass(frozen=True)
class Finished:
    """An entrant's samples are complete. standing: None for a baseline, and where it is `held` until the end."""

    entrant: Entrant
    verdict: Verdict
    standing: Standing | None = None
    held: bool = False


@dataclass(frozen=True)
class Stands:
    """The standing of an entrant that was held."""

    entrant: Entrant
    standing: Standing


class Contest:
    """Iterate over it once for its events. current: whose turn it is; an exception that comes out was its fault. An
    entrant whose last check failed ends the contest as it is: the caller starts another one without it.

    turn: told whenever the turn passes, with the phase. cold_start: the device has been idle, and has to warm up.
    """

    def __init__(
        self, field: Sequence[Entrant], method: Method, turn: Turn, *, seed: str = "", cold_start: bool = True,
        name: str = "",
    ) -> None:  # fmt: skip
        self.field = list(field)
        self.current = self.field[0]
        self._method, self._turn, self._cold_start, self._name = method, turn, cold_start, name
        self._random = random.Random(seed)
        self._best: list[Center] = []
        all_baselines = all(e.baseline for e in field)
        self._rivals = [e for e in self.field if all_baselines or not e.baseline]

    def __iter__(self) -> Iterator[Finished | Stands]:
        if self._cold_start:
            self._take_turn(self.field[0], "warm-up")
            self.field[0].warm_up()
        held: list[Entrant] = []
        for entrant in self._rounds():
            standing = self._standing_so_far(entrant)
            self._take_turn(entrant, "last sample")
            verdict = entrant.check_last()
            keeps = entrant in self._rivals and standing is None
            yield Finished(entrant, verdict, standing, keeps)
            if not verdict.ok:
                return
            if keeps:
                held.append(entrant)
        yield from self._last_standings(held)

    def _rounds(self) -> Iterator[Entrant]:
        """Each entrant as it leaves, because it has samples enough or no hope."""
        sampling = list(self.field)
        order: list[Entrant] = []
        while sampling:
            order = [e for e in reversed(order) if e in sampling] or self._random.sample(sampling, len(sampling))
            for entrant in order:
                self._take_turn(entrant, "samples")
                entrant.take_turn()
            if sampling[0].rounds % 2 == 0:
                order = []
            self._compare()
            leaving = [e for e in sampling if e.done or self._hopeless(e)]
            sampling = [e for e in sampling if e not in leaving]
            yield from leaving

    def _take_turn(self, entrant: Entrant, phase: str) -> None:
        self.current = entrant
        self._turn(entrant, phase)

    def _compare(self) -> None:
        """Find the best of those that have their least number of samples, by each way of looking at them; where none
        has, because they are slow, of those that get no more."""
        timed = [e for e in self._rivals if e.samples]
        enough = [e for e in timed if e.enough]
        ready = [e for e in enough if e.known] or enough or [e for e in timed if e.done]
        self._best = [min((look(e) for e in ready), key=lambda c: c.value) for look in LOOKS] if ready else []

    @property
    def _tick_s(self) -> float:
        return max((e.tick_s for e in self._rivals), default=0.0)

    def _hopeless(self, entrant: Entrant) -> bool:
        if not self._best or entrant not in self._rivals or not (entrant.enough and entrant.samples):
            return False
        entrant.stopped = entrant.known and entrant.look().low > self._best[0].high * (1 + MARGIN)
        return entrant.stopped

    def _standing_so_far(self, entrant: Entrant) -> Standing | None:
        """Of one that is certainly not the best; None for all that may be, and for a baseline."""
        if not self._best or entrant not in self._rivals or not entrant.samples or self._maybe_best(entrant):
            return None
        place: Place = "stopped" if entrant.stopped else "behind"
        return self._signed(by_intervals(entrant.look(), self._best[0], place, self._tick_s))

    def _last_standings(self, held: Sequence[Entrant]) -> Iterator[Stands]:
        if not held:
            return
        self._compare()
        ranked = sorted(held, key=self._behind)
        leaders = [e for e in ranked if self._maybe_best(e)] or ranked[:1]
        found = Duel(leaders, self._method, self._take_turn, self._random).standings()
        best = next(e for e in leaders if found[e.name].place == "best")
        for entrant in ranked:
            beside = found.get(entrant.name) or entrant.beside(best, self._tick_s)
            yield Stands(entrant, self._signed(beside))

    def _maybe_best(self, entrant: Entrant) -> bool:
        """Or tied with the best, for all that the samples say."""
        if not entrant.known:
            return True
        for mine, best in self._looks(entrant):
            margin = margins(self._tick_s, best.value)
            if mine.low <= best.high * (1 + margin.same) or mine.value <= best.value * (1 + margin.tie):
                return True
        return False

    def _behind(self, entrant: Entrant) -> float:
        return min((mine.value / best.value for mine, best in self._looks(entrant)), default=1.0)

    def _looks(self, entrant: Entrant) -> Iterator[tuple[Center, Center]]:
        """Its centre beside the best one, by each way of looking. Whichever speaks for it is believed."""
        for look, best in zip(LOOKS, self._best, strict=False):
            yield look(entrant), best

    def _signed(self, standing: Standing) -> Standing:
        return msgspec.structs.replace(standing, contest=self._name, among=len(self._rivals))
