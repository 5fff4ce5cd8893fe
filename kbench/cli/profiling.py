"""A profiler started around `kbench profile`: how often, what it said, kept beside the results and shown."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kbench.cli import console
from kbench.cli.chosen import Chosen
from kbench.cli.progress import Progress
from kbench.errors import KbenchError, ProfilerError, UsageError

if TYPE_CHECKING:
    from kbench.cli.selected import Selected
    from kbench.intent.plan import Planned
    from kbench.profiling.driver import Driver, How
    from kbench.profiling.find import Found
    from kbench.profiling.profile import Profile
    from kbench.profiling.promised import Promised
    from kbench.profiling.session import Ended
    from kbench.record.store import Store

FAILED, INTERRUPTED = 3, 130


@dataclass(frozen=True)
class Asked:
    """What the user typed. db: the store, beside which the tool's files are kept."""

    chosen: Chosen
    found: Selected
    tool: str | None
    launches: int
    db: Path
    as_json: bool


def profiled(asked: Asked) -> int:
    """Start the tool as often as it takes, keep what it says, print it. Raises ProfilerError without the tool."""
    from kbench.cli.profiled import show
    from kbench.profiling import find
    from kbench.profiling.driver import driver
    from kbench.record.store import Store

    tool = tool_of(asked)
    if tool == "cupti":
        return _recorded(asked)
    found = find.tool(tool)
    with Store.open(asked.db) as store:
        runner = _Runner(asked, tool, found, driver(tool), store)
        try:
            runner.run()
        finally:
            runner.finish()
    show([(asked.found.keys[p.config.id], p) for p in runner.profiles], asked.as_json)
    if runner.interrupted:
        console.say("kbench: interrupted; the same command profiles again")
        return INTERRUPTED
    return FAILED if runner.failed else 0


def _recorded(asked: Asked) -> int:
    """By CUPTI, in the worker's own process."""
    from kbench.cli.profiled import show
    from kbench.cli.recording import recordings, tell

    folder = _folder(asked.db, "cupti")
    made = recordings(asked.found, asked.db, folder)
    show([(one.key, one.profile) for one in made], asked.as_json)
    tell(made, folder, asked.db)
    return FAILED if any(one.profile.status != "ok" for one in made) else 0


def tool_of(asked: Asked) -> str:
    """The one to start. Raises UsageError where it would have nothing to see."""
    on_cpu = asked.found.choice.kind == "cpu"
    tool = asked.tool or ("nsys" if on_cpu else "ncu")
    if on_cpu and tool != "nsys":
        sanitizes = "kbench verify --races and --asan check kernels on the cpu device"
        other = sanitizes if tool == "sanitizer" else "--tool nsys shows the ranges of a run on the cpu device"
        raise UsageError(f"{tool} looks at a GPU, and {asked.found.choice.name} is none: {other}")
    return tool


class _Runner:
    """profiles: those that were kept; failed: something of the selection has none, or one with findings."""

    def __init__(self, asked: Asked, tool: str, found: Found, driver: Driver, store: Store) -> None:
        self.profiles: list[Profile] = []
        self.failed = self.interrupted = False
        self._asked, self._tool, self._found, self._driver, self._store = asked, tool, found, driver, store
        self._run: int | None = None
        self._folder = _folder(asked.db, tool)
        self._started = 0
        self._ok = [p for p in asked.found.plan.configs if p.status == "ok"]

    def run(self) -> None:
        """Each batch is kept before the next one begins."""
        with Progress(f"profile ({self._tool})", len(self._ok) * len(self._driver.CHECKS)) as progress:
            for batch, how in self._batches():
                seen: dict[str, list[Profile]] = {}
                try:
                    for check in self._driver.CHECKS:
                        for profile in self._one(batch, _checking(how, check), progress):
                            seen.setdefault(profile.config.id, []).append(profile)
                        if self.interrupted:
                            break
                finally:
                    for some in seen.values():
                        self._keep(_merged(some))
                if self.interrupted:
                    return

    def finish(self) -> None:
        from kbench.cli.recording import tell_kept

        if self._run is not None:
            self._store.finish(self._run)
            tell_kept(self.profiles, self._asked.db, f", files of {self._tool} in {self._folder}")

    def _batches(self) -> Iterator[tuple[list[Planned], How]]:
        """What one run of the tool can look at: configurations of one cache state, or one at a time."""
        from kbench.machine.cuda.visible import gpu_of
        from kbench.profiling.driver import How

        gpu = gpu_of(self._asked.found.choice.name)
        for cache in dict.fromkeys(p.config.cache for p in self._ok):
            same = [p for p in self._ok if p.config.cache == cache]
            for batch in [[p] for p in same] if self._driver.ALONE else [same]:
                yield batch, How(gpu.arch if gpu else "", cache)

    def _one(self, batch: Sequence[Planned], how: How, progress: Progress) -> list[Profile]:
        """One run of the tool: a profile of each configuration of the batch, failed ones included."""
        from kbench.profiling import promised, session

        raw = self._folder / f"{self._started:02}{'-' * bool(how.check)}{how.check}"
        self._started += 1
        file, log = raw.with_name(f"{raw.name}.promise.jsonl"), raw.with_name(f"{raw.name}.log")
        command = self._driver.command(self._found, self._inner(batch, file), raw, how)
        progress.note(shlex.join(command))
        told = 0

        def look() -> bool:
            nonlocal told
            for one in promised.load(file)[told:]:
                told += 1
                progress.advance(one.config.id)
            return told == len(batch)

        ended = session.run(command, self._tool, log, look)
        self.interrupted |= ended.interrupted
        launched = promised.load(file)
        if not launched:
            if ended.interrupted:
                return []
            raise _stillborn(self._tool, ended)
        return self._read(raw, launched, batch, ended, how)

    def _read(
        self, raw: Path, launched: Sequence[Promised], batch: Sequence[Planned], ended: Ended, how: How
    ) -> list[Profile]:
        """Raises ProfilerError for what concerns the tool as a whole, after failed profiles have been kept."""
        self._begin(launched[0])
        wanted = {one.range: one for one in launched if one.ok or self._driver.FAULTS}
        for one in launched:
            if not one.ok:
                self.failed = True
                console.say(f"{one.config.id}: {'' if self._driver.FAULTS else 'not profiled, '}{one.message}")
        try:
            found = self._driver.read(raw, wanted, ended.log, how) if wanted else []
        except ProfilerError as error:
            if ended.interrupted:
                return []
            for one in wanted.values():
                self._keep(self._without(one, str(error)))
            raise
        if ended.interrupted:
            return [profile for profile in found if profile.status == "ok"]
        seen = {profile.config.id for profile in found}
        lost = [one for one in wanted.values() if one.config.id not in seen]
        died = f", which {ended.how}" if ended.code < 0 else ""
        found += [self._without(one, f"{self._tool}{died} saw nothing in the range {one.range}") for one in lost]
        missing = len(batch) - len(launched)
        if missing:
            self.failed = True
            console.say(
                f"kbench: {self._tool} {ended.how} before {missing} of {len(batch)} configurations were launched"
            )
        return found

    def _inner(self, batch: Sequence[Planned], file: Path) -> list[str]:
        """`kbench profile` of this batch, which the tool is started around."""
        from kbench.cli.selected import words_of
        from kbench.profiling import session

        asked = self._asked
        narrow = asked.found.stored or len(batch) < len(asked.found.keys) or not asked.chosen.kernels
        keys = [asked.found.keys[p.config.id] for p in batch] if narrow else []
        words = words_of(asked.found, asked.chosen, keys, asked.db, asked.found.choice.name)
        timeout = asked.chosen.method.get("timeout_s")
        words += ["--timeout", str(timeout)] if timeout else []
        return session.inner(["profile", *words, "--launches", str(asked.launches), "--promise", str(file)])

    def _without(self, promised: Promised, message: str) -> Profile:
        from kbench.profiling.profile import Profile

        return Profile(promised.config, promised.device, self._tool, self._found.version, "failed", message,  # type: ignore[arg-type]
                       runs=promised.runs, source=promised.source)  # fmt: skip

    def _begin(self, first: Promised) -> None:
        from kbench.reading.collected import notes_of
        from kbench.record.environment import collect

        if self._run is None:
            self._run = self._store.begin(collect(first.device), notes_of(self._asked.found.plan))

    def _keep(self, profile: Profile) -> None:
        import msgspec

        assert self._run is not None
        profile = msgspec.structs.replace(profile, version=profile.version or self._found.version)
        profile = self._store.add_profile(self._run, profile, self._asked.found.keys[profile.config.id])
        self.profiles.append(profile)
        self.failed |= profile.status != "ok" or bool(profile.findings)


def _folder(db: Path, tool: str) -> Path:
    """A new one beside the store, made here and now, so that no two commands share one. Raises KbenchError."""
    parent = db.absolute().parent / f"{db.stem}-profiles"
    name = f"{tool}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    names = itertools.chain([name], (f"{name}-{n}" for n in itertools.count(2)))
    try:
        parent.mkdir(exist_ok=True)
        return next(folder for folder in map(parent.joinpath, names) if _made(folder))
    except OSError as error:
        raise KbenchError(
            f"cannot make a folder in {parent} for the files of {tool} ({error.strerror}): make it writable, or name "
            "a store elsewhere with --db or KBENCH_DB"
        ) from error


def _made(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def _checking(how: How, check: str) -> How:
    import msgspec

    return msgspec.structs.replace(how, check=check)


def _merged(some: Sequence[Profile]) -> Profile:
    """Of one configuration under several checks of one tool: all findings, and whatever failed."""
    import msgspec

    bad = [p for p in some if p.status != "ok"]
    return msgspec.structs.replace(
        (bad or some)[0],
        message="; ".join(dict.fromkeys(p.message for p in some if p.message)),
        metrics=tuple(m for p in some for m in p.metrics),
        findings=tuple(f for p in some for f in p.findings),
    )


def _stillborn(tool: str, ended: Ended) -> KbenchError:
    """Nothing was launched: what the tool or the kbench in it said, with the exit code of that."""
    error = KbenchError(f"{tool} {ended.how} before anything was launched; it said:\n{ended.last_words}")
    if ended.code in (2, 5):  # of the kbench inside: usage, or no usable device
        error.exit_code = ended.code
    return error
