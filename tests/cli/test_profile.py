"""kbench profile, with and without a profiler around it, and every way in which one can fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import commandline
import pytest
from conftest import Kbench
from fake_nsys import HOWS

from kbench.cli.profiling import _folder
from kbench.errors import ProfilerError
from kbench.profiling import find
from kbench.record.store import Store, StoredProfile

COPY = ("--kernel", "copy", "--axis", "nbytes=64KiB", "--dtype", "float32", "--block-size", "128", "--device", "cpu")
TWO = (*COPY, "--variant", "naive,uint4")
FAKE = Path(commandline.__file__).with_name("fake_nsys.py")


def fake(folder: Path, how: str) -> str:
    """An nsys that behaves so, for KBENCH_NSYS."""
    assert how in HOWS
    path = folder / "bin" / "nsys"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\nexec {sys.executable} {FAKE} '{how}' \"$@\"\n")
    path.chmod(0o755)
    return str(path)


def kept(folder: Path) -> list[StoredProfile]:
    with Store.open(folder / "kbench.db", readonly=True) as store:
        return store.profiles()


# ---------------------------------------------------------------- under a profiler
def test_under_a_profiler_it_launches_and_tells_what_and_how_to_see_nothing_else(
    kbench: Kbench, tmp_path: Path
) -> None:
    done = kbench("profile", *TWO, "--launches", 2, "--promise", "p.jsonl", NSYS_PROFILING_SESSION_ID="7")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "under Nsight Systems (NSYS_PROFILING_SESSION_ID is set)" in done.stderr
    promised = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [(p["ok"], p["runs"], p["launches"]) for p in promised] == [(True, 2, 2)] * 2
    for one in promised:
        assert one["range"] == f"copy.{one['key']}"
        assert f"{one['range']}\t2 runs, 2 kernels of its own\tcopy[" in done.stderr
    assert f"--nvtx-capture={promised[0]['range']}@kbench" in done.stderr
    assert not (tmp_path / "kbench.db").exists(), "what is only launched is no result"


def test_under_a_profiler_json_holds_the_ranges(kbench: Kbench) -> None:
    done = kbench("profile", *TWO, "--json", KBENCH_PROFILER="nsys")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(one["range"], one["ok"], one["runs"], one["launches"]) for one in told] == [
        (f"copy.{one['key']}", True, 3, 3) for one in told
    ]
    assert {one["config"].partition("variant=")[2] for one in told} == {"naive]", "uint4]"}


def test_the_filter_for_ncu(kbench: Kbench) -> None:
    done = kbench("profile", *TWO, KBENCH_PROFILER="ncu")
    assert '--nvtx --nvtx-include "kbench@samples/"' in done.stderr
    key = done.stderr.partition("copy.")[2][:8]
    assert f'--nvtx-include "kbench@copy.{key}/samples"' in done.stderr


def test_a_failing_configuration_is_told_and_the_others_are_launched(kbench: Kbench) -> None:
    done = kbench("profile", "--path", commandline.FAULTS, "--device", "cpu", "--timeout", 5, KBENCH_PROFILER="nsys")
    assert done.returncode == 3, done.stderr
    assert "incorrect: " in done.stderr
    assert "3 runs, 3 kernels of its own\tgood[" in done.stderr


# ---------------------------------------------------------------- starting one
def test_it_starts_the_tool_around_the_same_command_and_keeps_what_it_says(kbench: Kbench, tmp_path: Path) -> None:
    done = kbench("profile", *TWO, "--tool", "nsys", KBENCH_NSYS=fake(tmp_path, "well"))
    assert done.returncode == 0, done.stderr
    header, *rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [dict(zip(header, row, strict=True))["status"] for row in rows] == ["ok", "ok"]
    command = next(line for line in done.stderr.splitlines() if "--export=sqlite" in line)
    assert "bin/nsys profile --trace=cuda,nvtx" in command
    assert "-m kbench profile --kernel copy --axis nbytes=64KiB" in command
    profiles = kept(tmp_path)
    assert [p.profile.tool for p in profiles] == ["nsys"] * 2
    assert [p.profile.version for p in profiles] == ["2025.5.1"] * 2
    assert [row[0] for row in rows] == [p.key for p in profiles]
    raw = profiles[0].profile.raw
    assert raw.startswith("kbench-profiles/nsys-")
    assert (tmp_path / raw).read_text() == "what the GUI opens"
    again = kbench("profile", *TWO, "--json", KBENCH_NSYS=fake(tmp_path, "well"))
    found = json.loads(again.stdout)
    assert [one["profile"]["metrics"][0]["name"] for one in found] == ["range_share"] * 2
    assert len({p.profile.raw for p in [*profiles, *kept(tmp_path)]}) == 2, "each run has a folder of its own"


def test_stored_results_by_key_range_name_and_pick(kbench: Kbench, tmp_path: Path) -> None:
    nsys = fake(tmp_path, "well")
    assert kbench("sweep", *TWO, "--samples", 3).returncode == 0
    rows = json.loads(kbench("show", "--json").stdout)
    keys = {row["result"]["config"]["axes"]["variant"]: row["key"] for row in rows}
    for words, expected in (
        ((keys["uint4"],), {keys["uint4"]}),
        ((f"copy.{keys['naive']}",), {keys["naive"]}),
        (("--pick", "naive"), {keys["naive"]}),
        (("--pick", "best,worst,naive"), set(keys.values())),
        (("--kernel", "copy", "--axis", "nbytes=64KiB", "--pick", "naive"), {keys["naive"]}),
        ((*TWO[:-2], keys["uint4"][:6]), {keys["uint4"]}),
    ):
        done = kbench("profile", *words, "--device", "cpu", "--json", KBENCH_NSYS=nsys)
        assert done.returncode == 0, done.stderr
        assert {one["key"] for one in json.loads(done.stdout)} == expected, words
    shown = kbench("show", f"copy.{keys['naive']}")
    assert shown.returncode == 0
    assert "range_share" in shown.stdout
    assert keys["uint4"] not in shown.stdout


def test_a_pick_is_among_what_was_stored_whatever_the_defaults_of_the_axes_are(kbench: Kbench, tmp_path: Path) -> None:
    assert kbench("sweep", *TWO, "--samples", 3).returncode == 0
    nsys = fake(tmp_path, "well")
    for words in ((), ("--dtype", "float32"), ("--cache", "cold", "--clock", "auto")):
        done = kbench(
            "profile", "--kernel", "copy", *words, "--pick", "best", "--device", "cpu", "--json", KBENCH_NSYS=nsys
        )
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)) == 1
    for words, message in (
        (("--kernel", "copy", "--dtype", "float16"), "holds no timed results of this selection"),
        (("--kernel", "copy", "--cache", "warm"), "holds no timed results of this selection"),
        (("--kernel", "coppy"), "did you mean copy?"),
        (("--kernel", "copy", "--axis", "nbyte=1"), "did you mean nbytes?"),
    ):
        done = kbench("profile", *words, "--pick", "best", "--device", "cpu", KBENCH_NSYS=nsys)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_a_key_of_a_kernel_in_a_folder_of_one_s_own(kbench: Kbench, tmp_path: Path) -> None:
    """Values that are none of the defaults: the folder is where the kernel is, and no selection of its own."""
    assert kbench("new", "scale", "--path", "mine").returncode == 0
    words = ("--kernel", "scale", "--path", "mine", "--axis", "n=2^10", "--dtype", "float32", "--block-size", "64")
    swept = kbench("sweep", *words, "--variant", "naive", "--samples", 3, "--device", "cpu")
    assert swept.returncode == 0, swept.stderr
    (row,) = json.loads(kbench("show", "--json").stdout)
    nsys = fake(tmp_path, "well")
    for chosen in ((row["key"],), ("--pick", "best")):
        done = kbench("profile", *chosen, "--path", "mine", "--device", "cpu", "--json", KBENCH_NSYS=nsys)
        assert done.returncode == 0, done.stderr
        assert [one["key"] for one in json.loads(done.stdout)] == [row["key"]]


def test_two_commands_at_once_have_a_folder_each(tmp_path: Path) -> None:
    folders = {_folder(tmp_path / "kbench.db", "nsys") for _ in range(3)}
    assert len(folders) == 3
    assert all(folder.is_dir() and folder.parent == tmp_path / "kbench-profiles" for folder in folders)


def test_a_folder_that_cannot_be_made_says_what_to_do(kbench: Kbench, tmp_path: Path) -> None:
    (tmp_path / "kbench-profiles").touch()
    done = kbench("profile", *TWO, KBENCH_NSYS=fake(tmp_path, "well"))
    assert done.returncode == 1
    assert "cannot make a folder in " in done.stderr
    assert "--db or KBENCH_DB" in done.stderr


def test_a_very_large_selection_is_not_started_unasked(kbench: Kbench, tmp_path: Path) -> None:
    many = ("--kernel", "copy", "--axis", "nbytes=4KiB..512KiB:1KiB", "--device", "cpu")
    done = kbench("profile", *many, KBENCH_NSYS=fake(tmp_path, "well"))
    assert done.returncode == 2
    assert "or start it with --yes" in done.stderr
    assert not (tmp_path / "kbench-profiles").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nothing is selected"),
        (("ffffffff",), "no result in kbench.db has the key or id ffffffff"),
        (("--pick", "fastest"), "unknown --pick 'fastest'"),
        (("--kernel", "copy", "--axis", "nbytes=4KiB", "--pick", "best"), "holds no timed results of this selection"),
        ((*COPY, "ffffffff"), "no configuration of this selection is ffffffff"),
        ((*COPY, "--tool", "ncu"), "ncu looks at a GPU"),
        ((*COPY, "--tool", "sanitizer"), "kbench verify --races"),
        ((*COPY, "--promise", "x"), "--promise is for a command under a profiler"),
        (("--kernel", "copy", "--axis", "nbytes=1GiB", "--device", "cpu"), "nothing to profile"),
    ],
)
def test_what_selects_nothing_is_a_usage_error(
    kbench: Kbench, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    Store.open(tmp_path / "kbench.db").close()
    device = () if "--device" in words else ("--device", "cpu")
    done = kbench("profile", *words, *device, KBENCH_NSYS=fake(tmp_path, "well"))
    assert done.returncode == 2, done.stderr
    assert message in done.stderr


# ---------------------------------------------------------------- failures
def test_without_the_tool(kbench: Kbench, tmp_path: Path) -> None:
    done = kbench("profile", *TWO, "--tool", "nsys", KBENCH_NSYS=str(tmp_path / "absent"))
    assert done.returncode == 5
    assert "KBENCH_NSYS names" in done.stderr
    assert "install Nsight Systems" in done.stderr


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("dies", "there is no 00.sqlite"),
        ("garbage", "00.sqlite cannot be read"),
        ("no tables", "no table NVTX_EVENTS"),
        ("half", "saw nothing in the range copy."),
    ],
)
def test_a_report_that_says_nothing_is_a_failed_profile_and_earlier_ones_are_kept(
    kbench: Kbench, tmp_path: Path, how: str, message: str
) -> None:
    assert kbench("profile", *COPY, "--variant", "uint2", KBENCH_NSYS=fake(tmp_path, "well")).returncode == 0
    done = kbench("profile", *TWO, KBENCH_NSYS=fake(tmp_path, how))
    assert done.returncode == 3, done.stderr
    profiles = {str(p.profile.config.axes["variant"]): p.profile for p in kept(tmp_path)}
    assert profiles["uint2"].status == "ok"
    assert message in profiles["uint4"].message
    assert (profiles["uint4"].status, profiles["uint4"].metrics) == ("failed", ())
    assert profiles["naive"].status == ("ok" if how == "half" else "failed")
    assert message in done.stdout


def test_a_tool_that_launches_nothing_is_quoted(kbench: Kbench, tmp_path: Path) -> None:
    done = kbench("profile", *TWO, KBENCH_NSYS=fake(tmp_path, "refuses"))
    assert done.returncode == 1
    assert "nsys ended with exit code 1 before anything was launched" in done.stderr
    assert "unrecognised option '--cpuctxsw'" in done.stderr


def interrupted(folder: Path, nsys: str, number: signal.Signals) -> tuple[subprocess.CompletedProcess[str], int]:
    """Stopped when the first few of many are done; also how many had been launched."""
    words = ("--kernel", "copy", "--axis", "nbytes=1MiB,16MiB", "--device", "cpu")
    child = subprocess.Popen(
        commandline.command("profile", *words), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=commandline.environment(KBENCH_NSYS=nsys),
    )  # fmt: skip

    def launched() -> int:
        return sum(len(p.read_bytes().splitlines()) for p in folder.rglob("*.jsonl"))

    end = time.monotonic() + 60
    while time.monotonic() < end and launched() < 2:
        time.sleep(0.05)
    os.kill(child.pid, number)
    out, said = child.communicate(timeout=90)
    return subprocess.CompletedProcess(words, child.returncode, out, said), launched()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_lets_the_tool_write_and_keeps_that(tmp_path: Path, number: signal.Signals) -> None:
    done, launched = interrupted(tmp_path, fake(tmp_path, "well"), number)
    assert done.returncode == 130, done.stderr
    assert "interrupted" in done.stderr
    assert 2 <= launched < 60
    assert [p.profile.status for p in kept(tmp_path)] == ["ok"] * launched


# ---------------------------------------------------------------- for real
def real_nsys() -> str:
    try:
        return find.tool("nsys").path
    except ProfilerError as error:
        pytest.skip(f"Nsight Systems is needed: {error}")


def test_nsys_sees_exactly_the_promised_ranges(kbench: Kbench, tmp_path: Path) -> None:
    done = kbench("profile", *TWO, "--launches", 2, "--json", KBENCH_NSYS=real_nsys())
    assert done.returncode == 0, done.stderr
    for one in json.loads(done.stdout):
        profile = one["profile"]
        assert (profile["status"], profile["runs"]) == ("ok", 2)
        assert [s["name"] for s in profile["spans"]] == [f"copy.{one['key']}", "build", "check", "warm-up", "samples"]
        assert 0 < profile["metrics"][0]["value"] < 1
    (raw,) = {p.profile.raw for p in kept(tmp_path)}
    assert (tmp_path / raw).stat().st_size > 10_000


def test_a_user_may_start_nsys_and_let_it_record_one_range_alone(kbench: Kbench, tmp_path: Path) -> None:
    """With the very options that kbench prints."""
    nsys = real_nsys()
    plain = [nsys, "profile", "--trace=cuda,nvtx", "--sample=none", "--cpuctxsw=none", "--export=sqlite"]
    said = kbench("profile", *TWO, KBENCH_PROFILER="nsys").stderr
    options = next(line for line in said.splitlines() if "--nvtx-capture" in line).split()[2:5]
    words = [*plain, *options, "--output=one", *commandline.command("profile", *TWO)]
    done = subprocess.run(
        words, cwd=tmp_path, env=commandline.environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert (tmp_path / "one.sqlite").is_file(), done.stdout + done.stderr
    from kbench.profiling.nsys_tables import load

    first = options[1].removeprefix("--nvtx-capture=").removesuffix("@kbench")
    assert [r.name for r in sorted(load(tmp_path / "one.sqlite", "kbench").ranges, key=lambda r: r.start)] == [
        first, "build", "check", "warm-up", "samples",
    ]  # fmt: skip


def test_the_turns_of_a_sweep_are_ranges_by_the_keys_that_show_prints(kbench: Kbench, tmp_path: Path) -> None:
    from kbench.profiling.nsys_tables import load

    words = [
        real_nsys(),
        "profile",
        "--trace=nvtx",
        "--sample=none",
        "--cpuctxsw=none",
        "--export=sqlite",
        "--output=s",
    ]
    inner = commandline.command("sweep", *TWO, "--samples", 6)
    done = subprocess.run(
        [*words, *inner], cwd=tmp_path, env=commandline.environment(), capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    ranges = load(tmp_path / "s.sqlite", "kbench").ranges
    keys = [row["key"] for row in json.loads(kbench("show", "--json").stdout)]
    for key in keys:
        turns = [r for r in ranges if r.name == f"copy.{key}"]
        inside = [r.name for t in turns for r in ranges if t.start < r.start and r.end < t.end]
        assert len(turns) > 1
        assert {"build", "check", "samples"} <= set(inside) <= {"build", "check", "warm-up", "samples"}


def test_interrupted_nsys_writes_what_it_has_seen(tmp_path: Path) -> None:
    done, launched = interrupted(tmp_path, real_nsys(), signal.SIGINT)
    assert done.returncode == 130, done.stderr
    assert {p.profile.status for p in kept(tmp_path)} == {"ok"}
    assert launched - 10 < len(kept(tmp_path)) <= launched
