"""Timelines recorded without any other program: kept as profiles, and written as traces and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kbench.cli import console
from kbench.cli.progress import Progress
from kbench.errors import UsageError

if TYPE_CHECKING:
    from kbench.cli.selected import Selected
    from kbench.intent.config import Config
    from kbench.profiling.profile import Profile


@dataclass(frozen=True)
class Recording:
    """trace, picture: the files of a timeline; None where there is none, for the reason in the profile's message."""

    key: str
    profile: Profile
    trace: Path | None = None
    picture: Path | None = None


def recordings(found: Selected, db: Path, folder: Path) -> list[Recording]:
    """One of each configuration that can run, each kept as soon as it is there. Raises DeviceError where nothing on the
    device could record, with the reason, and UsageError for a folder that cannot be made."""
    from kbench.experiment.engine import Engine
    from kbench.experiment.timelines import timelines
    from kbench.reading.collected import notes_of
    from kbench.record.environment import collect
    from kbench.record.store import Store

    configs = [p for p in found.plan.configs if p.status == "ok"]
    made: list[Recording] = []
    with Engine(found.choice.name) as engine, Store.open(db) as store, Progress("timeline", len(configs)) as progress:
        run = None
        try:
            for profile in timelines(engine, configs, found.plan.method, found.keys):
                if run is None:
                    run = store.begin(collect(profile.device), notes_of(found.plan))
                one = _written(found.keys[profile.config.id], profile, folder)
                made.append(replace(one, profile=store.add_profile(run, one.profile, one.key)))
                progress.advance(profile.config.id)
        finally:
            if run is not None:
                store.finish(run)
    return made


def _written(key: str, profile: Profile, folder: Path) -> Recording:
    """The trace and the picture of a timeline, and the profile with the trace as its file. Raises UsageError."""
    import msgspec

    from kbench.machine.marks import range_name
    from kbench.profiling.chrome import encoded
    from kbench.reading.charts.style import applied
    from kbench.reading.charts.timeline import timeline_chart

    if not profile.spans:
        return Recording(key, profile)
    name = range_name(profile.config.kernel, key)
    trace, picture = folder / f"{name}.json", folder / f"{name}.png"
    about = {"configuration": profile.config.id, "device": profile.device.label, "note": profile.message}
    text = encoded(profile.spans, title=f"{name}, {profile.device.label}", about=about)
    with applied():
        chart = timeline_chart(profile, name, _label(profile.config))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trace.write_bytes(text)
        if chart is not None:
            picture.write_bytes(chart.png)
    except OSError as error:
        raise UsageError(f"cannot write into {folder} ({error.strerror}): name another folder with --output") from error
    return Recording(
        key, msgspec.structs.replace(profile, raw=str(trace.absolute())), trace, picture if chart else None
    )


def _label(config: Config) -> str:
    from kbench.intent.config import format_value

    return " · ".join(f"{name} {format_value(value)}" for name, value in config.axes.items())


def tell(made: Sequence[Recording], folder: Path, db: Path) -> None:
    """What a reader must know of the clock, where the files are and what opens them."""
    for note in dict.fromkeys(one.profile.message for one in made if one.profile.status == "ok"):
        console.say(f"each timeline: {note}")
    if any(one.trace for one in made):
        console.say(f"traces and pictures in {folder}; a trace opens in ui.perfetto.dev or chrome://tracing")
    tell_kept([one.profile for one in made], db)


def tell_kept(profiles: Sequence[Profile], db: Path, where: str = "") -> None:
    """How many are in the store now, and how many of them no report shows yet."""
    from kbench.record.store import Store

    console.say(f"{len(profiles)} profile{'s' * (len(profiles) != 1)} kept in {db}{where}")
    with Store.open(db, readonly=True) as store:
        alone = {(one.profile.config.id, one.profile.device.uid) for one in store.profiles(unmeasured=True)}
    lacking = len({(p.config.id, p.device.uid) for p in profiles} & alone)
    if lacking:
        console.say(
            f"{lacking} of them {'is' if lacking == 1 else 'are'} of configurations without a result: kbench show KEY "
            "shows them, reports do after kbench sweep has measured them"
        )
