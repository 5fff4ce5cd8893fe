"""kbench diagnose on a store of planted results and profiles."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest
from commandline import command, environment, run
from msgspec.structs import replace
from patients import healthy, slow
from synthetic import config

from kbench.experiment.result import Result
from kbench.profiling.profile import Profile
from kbench.record.environment import collect
from kbench.record.store import KernelNote, Store


def named(row: Result, variant: str) -> Result:
    return replace(row, config=config("patient", ("variant",), n=1, variant=variant), source="1" * 16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The best copies well, "broad" diverges, "naive" spills and was not profiled."""
    patients: dict[str, tuple[Result, Profile | None]] = {
        "vector": healthy(),
        "broad": slow(0.5, {"threads_per_instruction": 8.0}),
        "naive": (slow(0.2, spills=256)[0], None),
    }
    with Store.open(tmp_path / "kbench.db") as store:
        run_id = store.begin(collect(argv=("kbench",)), {"patient": KernelNote("", tuple(patients))})
        for variant, (row, profile) in patients.items():
            row = named(row, variant)
            store.add(run_id, row)
            if profile is not None:
                store.add_profile(run_id, replace(profile, config=row.config, source=row.source))
        store.finish(run_id)
    return tmp_path


def rows(text: str) -> list[dict[str, str]]:
    head, *lines = text.rstrip("\n").split("\n")
    return [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]


def test_what_was_profiled_is_diagnosed(folder: Path) -> None:
    done = run("diagnose", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = {row["configuration"]: row for row in rows(done.stdout)}
    assert found["patient[n=1,variant=vector]"]["rule"] == "bandwidth-bound"
    assert found["patient[n=1,variant=broad]"]["rule"] == "divergent"
    assert float(found["patient[n=1,variant=broad]"]["gain_high"]) == pytest.approx(2.0, rel=0.01)
    assert "threads_per_instruction=8<=24" in found["patient[n=1,variant=broad]"]["evidence"]
    assert "patient[n=1,variant=naive]" not in found


def test_one_by_its_key_without_counters(folder: Path) -> None:
    key = config("patient", ("variant",), n=1, variant="naive").digest[:8]
    (found,) = json.loads(run("diagnose", key, "--json", cwd=folder).stdout)
    assert [cause["rule"] for cause in found["causes"]] == ["spilling"]
    assert found["causes"][0]["evidence"][0]["threshold"] == 0.05
    missing = {one["rule"]: one for one in found["missing"]}
    assert missing["divergent"]["how"] == f"kbench profile {key} --tool ncu"
    assert found["used"] == []


def test_picks(folder: Path) -> None:
    picked = {row["configuration"] for row in rows(run("diagnose", "--pick", "best,naive", cwd=folder).stdout)}
    assert picked == {"patient[n=1,variant=vector]", "patient[n=1,variant=naive]"}
    wrong = run("diagnose", "--pick", "bets", cwd=folder)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean best" in wrong.stderr


def test_where_nothing_is_profiled_the_extremes_are_told(folder: Path) -> None:
    done = run("diagnose", "--variant", "naive", cwd=folder)
    assert "none of these 1 results is profiled: the best and naive of each problem" in done.stderr
    assert [row["rule"] for row in rows(done.stdout)] == ["spilling"]


def test_a_profile_of_another_source_is_not_used(folder: Path) -> None:
    row, profile = slow(0.5, {"threads_per_instruction": 8.0})
    row = named(row, "naive")
    with Store.open(folder / "kbench.db") as store:
        store.add_profile(1, replace(profile, config=row.config, source="2" * 16))
    key = row.config.digest[:8]
    done = run("diagnose", key, cwd=folder)
    assert f"{key} was profiled from another source: kbench profile {key}" in done.stderr
    assert [one["rule"] for one in rows(done.stdout)] == ["spilling"]


def test_in_words_on_a_terminal(folder: Path) -> None:
    main, side = pty.openpty()
    done = subprocess.Popen(
        command("diagnose"), cwd=folder, env=environment(COLUMNS="160", NO_COLOR="1", TERM="dumb"), stdout=side
    )
    os.close(side)
    text = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:
            break
        if not part:
            break
        text += part
    assert done.wait(30) == 0
    said = " ".join(text.decode().split())
    assert "→ bandwidth-bound at the roof; at 96.0 % of its roof" in said
    assert "Threads per instruction 8 (at most 24; ncu): threads active in an executed warp instruction, of 32" in said
    assert "next: let the threads of a warp take the same branch" in said
    assert "not asked: " in said
    assert "it is at the roof already" in said


def test_an_empty_store(tmp_path: Path) -> None:
    assert run("diagnose", cwd=tmp_path).returncode == 1
